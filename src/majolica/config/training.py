"""The configuration of the optimisers and of the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from majolica.config.bounds import SHARE, above, at_least, below
from majolica.config.evaluation import EvaluatorConfig


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
    """Peak learning rate of Muon for the matrices of the transformer blocks; 0 leaves everything to AdamW."""
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
    """`bf16` means autocast over fp32 weights. `fp8` means fp8 products in the transformer blocks as well; it needs a
    GPU of compute capability 8.9 (Ada, Hopper) or later. `auto` is bf16 if the machine multiplies it in hardware and
    fp32 otherwise; it is settled when the run begins."""
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
    """After the first eleven steps, trace so many steps with torch's profiler into profile/."""
    memory: bool = False
    """Record the history of the GPU allocator into profile/."""

    @property
    def evaluation_cadences(self) -> tuple[int, ...]:
        """Every how many steps each of `evaluators` is due; 0 is never."""
        return tuple(each.every or self.eval_every for each in self.evaluators)
