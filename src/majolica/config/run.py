"""Every knob of a run, typed and frozen.

The defaults of each field are those of the `reference` recipe where the reference system fixes them, so a recipe only
states how it differs. Nothing here imports torch: `majolica --help` and `--print-config` stay instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TextConfig:
    """The text tower: a bidirectional transformer over SentencePiece pieces."""

    vocab: int = 32_000
    """Size of the SentencePiece vocabulary."""
    length: int = 64
    """Longest caption in pieces; longer ones are cut."""
    width: int = 1024
    depth: int = 24
    heads: int = 16


@dataclass(frozen=True)
class DecoderConfig:
    """The pixel decoder (the glaze): about 1e4 multiply-adds per pixel at any resolution."""

    width: int = 32
    depth: int = 3


@dataclass(frozen=True)
class ModelConfig:
    """Shapes of the network. Token count is `(resolution // patch) ** 2` at every output resolution."""

    resolution: int = 256
    """Base resolution R0 in pixels: what the trunk sees, always."""
    patch: int = 16
    """Patch side in pixels at the base resolution."""
    width: int = 2048
    heads: int = 16
    perception_depth: int = 18
    """Blocks of the text-free lower half."""
    synthesis_depth: int = 18
    """Blocks of the upper half, which attends to the condition."""
    bottleneck: int = 256
    """Width of the linear bottleneck between a patch's pixels and the trunk."""
    registers: int = 4
    """Extra learned tokens that carry no pixels."""
    embed: int = 1024
    """Width of the joint image-text embedding."""
    logit_bias: float = -10.0
    """First bias of the sigmoid loss: about -log of the rows that a caption is compared with (SigLIP: -10)."""
    properties: tuple[str, ...] = ("brightness", "contrast", "colourfulness")
    """Visual properties that can be dialled; names from `majolica.models.properties`."""
    text: TextConfig = field(default_factory=TextConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)


@dataclass(frozen=True)
class SourceConfig:
    """One set of shards in a mixture."""

    shards: str = ""
    """Folder of tars, or a URL that fsspec knows (s3://, gs://, hf://)."""
    weight: float = 1.0
    """Its share of the samples, relative to the other sources' weights."""


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from and how they are augmented."""

    shards: str = ""
    """Folder, or URL that fsspec knows, of img2dataset-layout tars to train on."""
    sources: tuple[SourceConfig, ...] = ()
    """A mixture to train on in place of `shards`."""
    temperature: float = 0.0
    """Above 0: sources weigh size^(1/temperature) in place of their weights."""
    weights_end: tuple[float, ...] = ()
    """The sources' weights from sample `weights_over` on, linear until then; as at the start when empty."""
    weights_over: int = 0
    heldout: str = ""
    """Folder, or URL, of shards that are held out: `train.heldout_every` measures their losses. When empty, the folder
    `heldout` beside the shards, where there is one."""
    tokenizer: str = ""
    """SentencePiece model file; trained from the captions of the sources when empty."""
    threads: int = 4
    """Decoding threads per process, helped by who waits for a batch; they never change what a sample is."""
    ahead: int = 2
    """Batches that are read before they are asked for."""
    buckets: bool = False
    """Keep pictures' proportions: batches of about the same number of tokens in several shapes."""
    remote_ahead: int = 2048
    """Samples per process that are fetched before they are wanted, where the shards are remote."""
    remote_cache: str = ""
    """Folder for the part of remote shards that is in use; the system's temporary folder when empty."""
    remote_cache_gb: float = 20.0
    """Its limit per process, in 10^9 bytes."""
    cache: bool = False
    """Hold decoded images in memory: for sets that fit."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture of other proportions fills its frame: its centre is cut, white is added, or it is squeezed. Use and
    evaluation of the run do the same."""
    decode_gb: float = 2.0
    """Most memory that decoding takes at one time in each process, in 10^9 bytes: threads wait for each other, and a
    picture that needs more than all of it (about 24 bytes a pixel, fewer for JPEG) cannot be read."""
    flip: bool = True
    """Random horizontal flip."""
    jitter: float = 0.1
    """Strength of colour jitter (brightness, contrast, saturation, hue); 0 turns it off."""
    empty_captions: Literal["skip", "keep"] = "skip"
    """Samples whose caption is empty or invisible: skip leaves them out of the order, keep trains on them."""
    bad_share: float = 0.01
    """Training stops when more than this share of a source's samples cannot be read."""


@dataclass(frozen=True)
class LossConfig:
    """What is learned: flow matching on noisy rows, sigmoid contrastive loss on clean rows, in one pass."""

    t_mean: float = -0.8
    """Mean of logit(t) (JiT, arXiv 2511.13720)."""
    t_std: float = 0.8
    t_floor: float = 0.05
    """Floor of 1 - t in the velocity loss."""
    clean_share: float = 0.3
    """Share of rows drawn clean (t = 1) at the start of training."""
    clean_share_end: float = 0.3
    """The same at the end; linear in between."""
    contrastive: float = 0.1
    """Weight of the sigmoid contrastive loss beside the flow-matching loss."""
    fine_share: float = 0.0
    """Share of noisy rows painted at `fine_scale` times the base resolution, the decoder on a random crop."""
    fine_scale: int = 2
    drop_text: float = 0.1
    """Probability that a noisy row trains without its caption (for guidance)."""
    drop_property: float = 0.5
    """Probability that each property is dropped, independently."""
    drop_all: float = 0.1
    """Probability that text and every property are dropped together."""


@dataclass(frozen=True)
class OptimConfig:
    """AdamW (optionally Muon for matrices), linear warm-up, cosine decay, clipping, EMA."""

    lr: float = 1e-4
    """Peak learning rate."""
    lr_end: float = 1e-6
    """Learning rate at the last step."""
    warmup: int = 5_000
    """Linear warm-up, in optimiser steps."""
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.05
    """Decoupled, on matrices only."""
    muon_lr: float = 0.0
    """Peak learning rate of Muon for the trunks' matrices; 0 leaves everything to AdamW."""
    clip: float = 1.0
    """Largest global gradient norm."""
    ema: float = 0.9999
    """Decay per optimiser step of the averaged weights; shorter early in training."""


@dataclass(frozen=True)
class TrainConfig:
    """The run itself. Cadence is in optimiser steps, never epochs."""

    steps: int = 366_000
    """Optimiser steps in all; 0 fits them to the number of pictures when the run begins: each is seen 100 times where
    there are up to 10,000, half as often where there are four times as many, and at least once. Warm-up and EMA are
    then no longer than a twentieth of the steps, and a step has fewer rows where there would be under 1,000 steps."""
    minutes: float = 0.0
    """When above 0, `steps` follows the pace of the machine so that training takes about this long."""
    replanned: tuple[tuple[int, int], ...] = ()
    """Earlier values of `steps`, each as (first step that no longer followed it, value): the schedules' history."""
    batch: int = 16
    """Rows per process and micro-step; while `processes` is 0, of all processes together."""
    accumulate: int = 4
    """Micro-steps per optimiser step."""
    init_from: str = ""
    """Trained weights to begin with, at step 0 and without optimiser state: a run folder (its averaged weights) or a
    safetensors file. What does not fit in name and shape is named and starts fresh. The tokenizer is theirs, unless
    `data.tokenizer` names one."""
    processes: int = 64
    """Data-parallel processes in all; 0 fits them to the machine when the run begins: one per GPU or core, which share
    the batch. The run's config.yaml has what was chosen."""
    threads: int = 0
    """CPU threads per process; 0 shares the cores out evenly."""
    precision: Literal["auto", "fp32", "bf16", "fp8"] = "bf16"
    """bf16 means autocast over fp32 weights; fp8, on Hopper or later, also fp8 products in the trunks' blocks; auto is
    bf16 where the machine multiplies it in hardware, else fp32, settled when the run begins."""
    reduce: Literal["fp32", "bf16"] = "bf16"
    """What gradients are rounded to on their way between processes, once per optimiser step."""
    shard_optimizer: bool = False
    """Each process holds and steps a share of the optimiser state and of the EMA (ZeRO-1)."""
    ema_device: Literal["same", "cpu"] = "same"
    """Where the averaged weights live; "cpu" frees 4 bytes per parameter of GPU memory."""
    compile: bool = False
    """torch.compile each block; falls back with a warning where no compiler is found."""
    activation_gb: float = 0.0
    """Above 0: activation checkpointing, planned so that a micro-step's activations, gradients and all else beyond
    weights, optimiser state and averaged weights stay within so many 10^9 bytes."""
    seed: int = 0
    checkpoint_every: int = 10_000
    keep: int = 3
    """Checkpoints kept."""
    log_every: int = 50
    sample_every: int = 5_000
    """Paint a grid of captions, held-out ones first, into samples/ every so many steps; 0 never."""
    sample_share: float = 0.02
    """Share of the training time that grids may take: those beyond it are left out, but for the first and the last; 1
    paints every one."""
    heldout_every: int = 5_000
    """Log the losses of held-out pictures (`data.heldout`) with the averaged weights every so many steps; 0 never."""
    heldout_pictures: int = 256
    """How many pictures these are."""
    heldout_share: float = 0.01
    """Share of the training time that they may take: those beyond it are left out, but for the first and the last; 1
    measures every time."""
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ("tensorboard",)
    """Who is told beside log.jsonl; one that fails does not hurt the run."""
    profile: int = 0
    """Trace so many steps with torch's profiler, after the first ten, into profile/."""
    memory: bool = False
    """Record the GPU allocator's history into profile/."""


@dataclass(frozen=True)
class RunConfig:
    """A whole run: what `majolica train` resolves, saves beside the weights and can reproduce."""

    recipe: str = "reference"
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
