"""Every setting of a run, as typed and frozen dataclasses.

Where the reference system fixes a value, that value is the default, so a recipe states only how it differs. Nothing
here imports torch, so that `majolica --help` and `--print-config` answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from majolica.config.bounds import ANY, SHARE, above, at_least, at_most, below, between
from majolica.config.evaluation import EvaluatorConfig


@dataclass(frozen=True)
class TextConfig:
    """The text tower: a bidirectional transformer over SentencePiece pieces."""

    vocab: Annotated[int, above(0)] = 32_000
    """Size of the SentencePiece vocabulary."""
    length: Annotated[int, above(0)] = 64
    """The most pieces of a caption that the tower reads; longer captions are cut."""
    width: Annotated[int, above(0)] = 1024
    depth: Annotated[int, above(0)] = 24
    heads: Annotated[int, above(0)] = 16


@dataclass(frozen=True)
class DecoderConfig:
    """The pixel decoder (the glaze): a small convolutional network that works at any resolution.

    A block takes 20 (`width` / `stride`)^2 multiply-adds per pixel, and a quarter of that at half resolution.
    """

    stride: Annotated[int, above(0)] = 2
    """Side of the squares of pixels on which its features lie; the pixels of a square are channels."""

    width: Annotated[int, above(0)] = 32
    depth: Annotated[int, above(0)] = 3
    """Blocks with features on every square."""
    half_depth: Annotated[int, at_least(0)] = 2
    """Blocks at half resolution, which see twice as far; 0 leaves that level out."""
    detail_noise: Annotated[float, above(0)] = 0.5
    """Standard deviation of the noise from which the details of larger pictures begin; that of the base picture's noise
    is 1. The smaller it is, the earlier details are decided, also against a base picture that is not settled yet."""


@dataclass(frozen=True)
class ModelConfig:
    """Shapes of the network. There are `(resolution // patch) ** 2` tokens, at every output resolution."""

    resolution: Annotated[int, above(0)] = 256
    """Base resolution R0 in pixels; the trunk always sees pictures of this size."""
    patch: Annotated[int, above(0)] = 16
    """Patch side in pixels at the base resolution."""
    width: Annotated[int, above(0)] = 2048
    heads: Annotated[int, above(0)] = 16
    perception_depth: Annotated[int, above(0)] = 18
    """Blocks of the text-free lower half."""
    synthesis_depth: Annotated[int, above(0)] = 18
    """Blocks of the upper half, which attends to the condition."""
    bottleneck: Annotated[int, above(0)] = 256
    """Width of the linear bottleneck between a patch's pixels and the trunk."""
    registers: int = 4
    """Extra learned tokens that carry no pixels."""
    embed: Annotated[int, above(0)] = 1024
    """Width of the joint image-text embedding."""
    logit_bias: Annotated[float, ANY] = -10.0
    """Initial bias of the sigmoid loss, about -log of how many rows each caption is compared with (SigLIP: -10)."""
    properties: tuple[str, ...] = ("brightness", "contrast", "colourfulness")
    """Visual properties that a user can set when painting: names of files in `majolica/properties/builtin`."""
    property_entry: Literal["tokens", "modulation", "both"] = "tokens"
    """How properties enter the synthesis half: as tokens that it attends to, through its modulation, or both."""
    text: TextConfig = field(default_factory=TextConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)


@dataclass(frozen=True)
class SourceConfig:
    """One set of shards in a mixture."""

    shards: str = ""
    """Folder of tars, or a URL that fsspec knows (s3://, gs://, hf://)."""
    weight: float = 1.0
    """The source's share of the samples, relative to the weights of the other sources."""


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from, and how they are augmented."""

    shards: str = ""
    """Folder, or URL that fsspec knows, of img2dataset-layout tars to train on."""
    sources: tuple[SourceConfig, ...] = ()
    """A mixture to train on in place of `shards`."""
    temperature: float = 0.0
    """If it is above 0, a source's weight is size^(1/temperature), and the weights in `sources` are ignored."""
    weights_end: tuple[float, ...] = ()
    """Weights of the sources from sample `weights_over` on; until then they change linearly. If it is empty, the
    weights never change."""
    weights_over: int = 0
    heldout: str = ""
    """Folder, or URL, of shards that are held out: `train.heldout_every` measures their losses. When empty, the folder
    `heldout` beside the shards, where there is one."""
    tokenizer: str = ""
    """SentencePiece model file. If it is empty, a vocabulary is trained from the captions of the sources."""
    threads: int = 4
    """Threads per process that decode pictures; whoever waits for a batch helps them. Their number never changes what a
    sample is."""
    ahead: int = 2
    """How many batches are read before training asks for them."""
    buckets: bool = False
    """Keep the proportions of pictures: batches have several shapes, all with about the same number of tokens."""
    remote_ahead: int = 2048
    """How many samples each process fetches before they are needed, if the shards are remote."""
    remote_cache: str = ""
    """Folder for the part of remote shards that is in use. If it is empty, it is the system's temporary folder."""
    remote_cache_gb: float = 20.0
    """The most that this folder holds for each process, in 10^9 bytes."""
    cache: bool = False
    """Keep decoded pictures in memory, for data sets that fit there."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture of other proportions fills its frame: `crop` cuts out its centre, `pad` adds white, and `stretch`
    changes its proportions. Using and evaluating the run do the same."""
    decode_gb: Annotated[float, above(0)] = 2.0
    """The most memory that decoding takes at one time in each process, in 10^9 bytes. Threads wait for each other, and
    a picture that needs more than all of it (about 24 bytes a pixel, fewer for JPEG) cannot be read."""
    flip: bool = True
    """Mirror a random half of the pictures horizontally."""
    jitter: Annotated[float, between(0, 1)] = 0.1
    """Strength of colour jitter (brightness, contrast, saturation, hue); 0 turns it off."""
    empty_captions: Literal["skip", "keep"] = "skip"
    """What to do with samples whose caption is empty or invisible: `skip` leaves them out of the order, `keep` trains
    on them."""
    bad_share: Annotated[float, SHARE] = 0.01
    """Training stops if more than this share of a source's samples cannot be read."""


@dataclass(frozen=True)
class LossConfig:
    """What is learned in one pass: flow matching on noisy rows, and the sigmoid contrastive loss on clean rows."""

    t_mean: Annotated[float, ANY] = -0.8
    """Mean of logit(t) (JiT, arXiv 2511.13720)."""
    t_std: Annotated[float, above(0)] = 0.8
    t_floor: Annotated[float, above(0), at_most(1)] = 0.05
    """The least value of 1 - t that the velocity loss divides by."""
    clean_share: Annotated[float, SHARE] = 0.3
    """Share of rows that are clean (t = 1) at the start of training."""
    clean_share_end: Annotated[float, SHARE] = 0.3
    """The same share at the end of training; in between it changes linearly."""
    recolour: Annotated[float, SHARE] = 0.0
    """Share of the clean rows that turn grey or get another hue, so that things are recognised by their shape."""
    recolour_from: Annotated[float, SHARE] = 0.0
    """Share of the training that is done when this begins."""
    flow: Annotated[float, at_least(0)] = 1.0
    """Weight of the flow-matching loss; with 0 the model does not learn to paint."""
    contrastive: float = 0.1
    """Weight of the sigmoid contrastive loss; with 0 the model does not learn to name what it sees."""
    consistency: Annotated[float, at_least(0)] = 0.0
    """Weight of the loss on what predicted pictures measure, where properties were asked for; 0 leaves it out."""
    consistency_from: Annotated[float, SHARE] = 0.5
    """Flow time from which it counts."""
    fine_share: Annotated[float, SHARE] = 0.0
    """Share of noisy rows that are painted larger, at the scales `fine_scales`; there the decoder works on a random
    tile."""
    fine_scales: tuple[int, ...] = (2,)
    """How many times larger than the base picture; each scale has its part of the share."""
    drop_text: Annotated[float, SHARE] = 0.1
    """Probability that a noisy row is trained without its caption, which guidance needs."""
    drop_property: Annotated[float, SHARE] = 0.5
    """Probability that each property is dropped, independently."""
    drop_properties: Annotated[float, SHARE] = 0.0
    """Probability that all properties are dropped together, so that a row shows its caption alone."""
    property_noise: Annotated[float, SHARE] = 0.0
    """Standard deviation of noise on the places of values among the quantiles that the model is told, as a share of all
    pictures, so that it learns that measures are not exact; 0 leaves it out."""
    drop_all: Annotated[float, SHARE] = 0.1
    """Probability that the caption and every property are dropped together."""


@dataclass(frozen=True)
class OptimConfig:
    """AdamW (and Muon for matrices, if asked for), linear warm-up, cosine decay, clipping, and averaged weights
    (EMA)."""

    lr: Annotated[float, above(0)] = 1e-4
    """Peak learning rate."""
    lr_end: float = 1e-6
    """Learning rate at the last step."""
    warmup: int = 5_000
    """Length of the linear warm-up, in optimiser steps."""
    beta1: Annotated[float, at_least(0), below(1)] = 0.9
    beta2: Annotated[float, at_least(0), below(1)] = 0.95
    weight_decay: float = 0.05
    """Decoupled weight decay, which applies to matrices only."""
    muon_lr: float = 0.0
    """Peak learning rate of Muon for the matrices of the trunks; 0 leaves everything to AdamW."""
    clip: Annotated[float, above(0)] = 1.0
    """Largest global gradient norm; gradients beyond it are scaled down."""
    ema: Annotated[float, at_least(0), below(1)] = 0.9999
    """Decay of the averaged weights in each optimiser step; it is smaller early in training."""


@dataclass(frozen=True)
class TrainConfig:
    """The run itself. Everything that happens regularly is counted in optimiser steps, never in epochs."""

    steps: int = 366_000
    """Optimiser steps in all. 0 fits them to the number of pictures when the run begins: each picture is seen 100 times
    if there are up to 10,000, half as often if there are four times as many, and at least once. Warm-up and EMA are
    then no longer than a twentieth of the steps, and a step has fewer rows if there would be under 1,000 steps."""
    minutes: float = 0.0
    """If it is above 0, it takes the place of `steps`: their number follows the pace of the machine, so that training
    takes about this long. The checkpoints say what was planned."""
    schedule_from: str = ""
    """The folder of a finished run whose planned steps this run takes, whatever its own `steps` and `minutes` are. A
    run that was given minutes is so repeated to the bit, for its clock is no longer asked."""
    batch: Annotated[int, above(0)] = 16
    """Rows per process and micro-step. While `processes` is 0, it is the rows of all processes together."""
    accumulate: Annotated[int, above(0)] = 4
    """Micro-steps per optimiser step."""
    init_from: str = ""
    """Trained weights to begin with, at step 0 and without optimiser state: a run folder (its averaged weights) or a
    safetensors file. What does not fit in name and shape is named and starts fresh. The tokenizer is theirs, unless
    `data.tokenizer` names one."""
    only: tuple[str, ...] = ()
    """Parts of the model that learn, while the others stay as they are: `text_tower`, `perception`, `synthesis`,
    `conditions`, `decoder`, `head`. If it is empty, all learn."""
    processes: int = 64
    """Number of data-parallel processes in all. 0 fits them to the machine when the run begins: one for each GPU or
    core, and they share the batch. The run's config.yaml says what was chosen."""
    threads: int = 0
    """CPU threads per process; 0 shares the cores evenly among the processes."""
    precision: Literal["auto", "fp32", "bf16", "fp8"] = "bf16"
    """`bf16` means autocast over fp32 weights. `fp8`, on Hopper or later, means fp8 products in the blocks of the
    trunks as well. `auto` is bf16 if the machine multiplies it in hardware and fp32 otherwise; it is settled when the
    run begins."""
    reduce: Literal["fp32", "bf16"] = "bf16"
    """The format in which gradients travel between processes, once in each optimiser step."""
    shard_optimizer: bool = False
    """Each process keeps and updates only a share of the optimiser state and of the EMA (ZeRO-1)."""
    ema_device: Literal["same", "cpu"] = "same"
    """Where the averaged weights are kept; `cpu` frees 4 bytes of GPU memory per parameter."""
    compile: bool = False
    """Compile each transformer block with torch.compile. If no compiler is found, a warning says so and the run goes on
    without."""
    activation_gb: float = 0.0
    """If it is above 0, activation checkpointing is planned so that activations, gradients and everything else of a
    micro-step beyond weights, optimiser state and averaged weights stay within so many 10^9 bytes."""
    seed: int = 0
    checkpoint_every: Annotated[int, above(0)] = 10_000
    keep: Annotated[int, above(0)] = 3
    """How many checkpoints are kept."""
    log_every: Annotated[int, above(0)] = 50
    sample_every: int = 5_000
    """Every so many steps, paint a grid of captions into samples/, held-out captions first; 0 paints none."""
    sample_share: Annotated[float, SHARE] = 0.02
    """Share of the training time that these grids may take. Grids beyond it are left out, except for the first and the
    last; 1 paints every grid."""
    heldout_every: int = 5_000
    """Every so many steps, log the losses of held-out pictures (`data.heldout`) with the averaged weights; 0 never
    does."""
    heldout_pictures: Annotated[int, above(0)] = 256
    """How many pictures these are."""
    heldout_share: Annotated[float, SHARE] = 0.01
    """Share of the training time that they may take. Measurements beyond it are left out, except for the first and the
    last; 1 takes every one."""
    eval_every: int = 10_000
    """Every so many steps, evaluate the averaged weights with `evaluators`; 0 never does."""
    evaluators: tuple[EvaluatorConfig, ...] = (
        EvaluatorConfig("coco", pictures=5_000),
        EvaluatorConfig("zero-shot", templates="imagenet"),
    )
    """What is evaluated while training: FID on a subset of MS-COCO and zero-shot ImageNet, as soon as `data` of each
    names the folder."""
    best_metric: str = ""
    """The metric of `evaluators` by which the best checkpoint is kept in best/, beside the newest ones; none is if it
    is empty."""
    best_is: Literal["highest", "lowest"] = "highest"
    """Whether a high value of that metric is good, or a low one."""
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ("tensorboard",)
    """Trackers that get the figures which log.jsonl gets; one that fails does not hurt the run."""
    profile: int = 0
    """After the first ten steps, trace so many steps with torch's profiler into profile/."""
    memory: bool = False
    """Record the history of the GPU allocator into profile/."""

    @property
    def evaluation_cadences(self) -> tuple[int, ...]:
        """Every how many steps each of `evaluators` is due; 0 is never."""
        return tuple(each.every or self.eval_every for each in self.evaluators)


@dataclass(frozen=True)
class RunConfig:
    """A whole run. `majolica train` checks it, saves it beside the weights, and can reproduce it."""

    recipe: str = "reference"
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
