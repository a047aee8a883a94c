"""The losses of held-out pictures and of training pictures, with the same noise, and the gap between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.data.loading.split import space_evenly
from majolica.eval.protocol import EvalData, PipelineLike, Result, Split, Table
from majolica.eval.training_pictures import TrainingPictures, join_splits
from majolica.metrics.intervals import bootstrap_interval, wilson_interval
from majolica.models.precision import Precision, has_bf16
from majolica.objectives.contrastive import Pairs
from majolica.objectives.measure import Captioned, Measured, measure_losses
from majolica.plurals import counted
from majolica.properties.registry import choose_columns, read_columns

if TYPE_CHECKING:
    from majolica.sampling.pipeline import Pipeline

Metrics = dict[str, float]
Intervals = dict[str, tuple[float, float]]
CHUNK = 32
"""Pictures in one forward pass. Each is in it twice: as a noisy row and as a clean row."""


@dataclass(frozen=True)
class HeldOutLoss:
    """The flow-matching and contrastive losses of as many held-out pictures as training pictures.

    Picture i of both sides gets the same noise, the same flow time and the same dropped conditions. Neither is
    augmented, although training augments. A gap well above 0 means that the model is better at the very
    pictures that it was trained on, which is how overfitting begins.
    """

    pictures: int = 256
    """Pictures of each side at most."""
    seed: int = 0
    name: str = "heldout-loss"

    def count_paintings(self, data: EvalData) -> float:
        """Return 0, because nothing is painted."""
        return 0

    def explain_lack(self, data: EvalData) -> str:
        """Return why it cannot be measured, if there are no held-out pictures."""
        if not data.heldout:
            return "There are no held-out pictures whose loss could be compared with that of training pictures."
        return data.explain_trained_on()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        trained = find_trained(pipeline)
        with TrainingPictures(trained.config) as training:
            count = min(self.pictures, len(data.heldout), len(training))
            seen = join_splits(list(training.read(count)))
            total, manifest = len(training), training.manifest
        count = min(count, len(seen))
        sides = {
            "heldout": measure_split(trained, data.heldout.choose(space_evenly(len(data.heldout), count)), self.seed),
            "train": measure_split(trained, seen.choose(space_evenly(len(seen), count)), self.seed),
        }
        metrics, intervals = _measure(trained, sides)
        precision = precision_in_use(trained)
        protocol = {
            **data.record,
            **{"pictures": count, "loss_seed": self.seed, "precision": precision},
            **{"training_total": total, "training_manifest": manifest},
        }
        low, high = intervals["flow_gap"]
        verdict = "is no larger than chance explains" if low <= 0 <= high else "is larger than chance explains"
        note = (
            f"{counted(count, 'held-out picture')} and as many training pictures, with the same noise and flow times."
            f" The flow-matching loss of the held-out ones is {metrics['flow_gap']:+.4f} from that of the training"
            f" ones ({low:+.4f} to {high:+.4f}), which {verdict}. Above 0, the model paints the very pictures that it"
            " was trained on better than others. The contrastive loss is over all pairs of a side, so it depends on"
            " their number; its interval is over the pictures, with the captions held fixed."
        )
        return Result("Held-out loss", metrics, (_table(metrics, intervals),), note, protocol, intervals)


def find_trained(pipeline: PipelineLike) -> Pipeline:
    """Return the trained model behind what evaluators get. Raises ValueError if there is none."""
    from majolica.sampling.pipeline import Pipeline

    found = getattr(pipeline, "pipeline", pipeline)  # several processes may share the work of one pipeline
    if not isinstance(found, Pipeline):
        raise ValueError(f"losses need a trained pipeline, not {type(found).__name__}")
    return found


def precision_in_use(trained: Pipeline) -> Precision:
    """Return the precision of the training, or fp32 if the device does not multiply bfloat16 in hardware."""
    return trained.config.train.precision if has_bf16(trained.device) else "fp32"


def measure_split(trained: Pipeline, split: Split, seed: int) -> Measured:
    """Measure the losses of the pictures of a split; the draws of a picture depend on `seed` and its place alone."""
    config, columns = trained.config, choose_columns(trained.config.model.properties)
    categories = trained.model.conditions.categories
    known = read_columns(columns, split.metas, categories)
    tokens_NL = trained.tokenizer.encode(list(split.captions), config.model.text.length)
    # Row i of the draws is that of picture i, so that fewer pictures get the same draws.
    seeds_N2 = np.stack(
        [np.random.default_rng([seed, place]).integers(2**63 - 1, size=2) for place in range(len(split))]
    )
    pictures = Captioned(split.images_B3HW, tokens_NL, known)
    seeds = seeds_N2.T.flatten().tolist()
    return measure_losses(trained.model, pictures, config, precision_in_use(trained), seeds, trained.device, CHUNK)


def contrastive_rows(pairs: Pairs, scale: Tensor, bias: Tensor) -> Tensor:
    """Return the sigmoid loss of each picture with all N captions, `(N,)`.

    Their mean is `sigmoid_loss` of all pairs, divided by N.
    """
    sign_NN = torch.where(pairs.caption_B[:, None] == pairs.caption_B, -1.0, 1.0)
    products_NN = pairs.image_BE.float() @ pairs.text_BE.float().T
    return F.softplus(sign_NN * (scale * products_NN + bias)).sum(1)


def right_captions(pairs: Pairs) -> Tensor:
    """Return whether the nearest caption of each picture is its own, bool `(N,)`; equal captions are one."""
    nearest_N = (pairs.image_BE @ pairs.text_BE.T).argmax(1)
    return pairs.caption_B[nearest_N] == pairs.caption_B


def _measure(trained: Pipeline, sides: Mapping[str, Measured]) -> tuple[Metrics, Intervals]:
    """Return the metrics of both sides and their gaps, with their intervals over pictures."""
    scale, bias = trained.model.logit_scale.detach().exp(), trained.model.logit_bias.detach()
    metrics, intervals = dict[str, float](), dict[str, tuple[float, float]]()
    losses: dict[str, dict[str, Tensor]] = {"flow": {}, "contrastive": {}}
    for side, found in sides.items():
        losses["flow"][side] = found.flow_N.double().cpu()
        losses["contrastive"][side] = contrastive_rows(found.pairs, scale, bias).double().cpu()
        share = float(right_captions(found.pairs).double().mean())
        metrics[f"{side}_caption_top1"] = share
        intervals[f"{side}_caption_top1"] = wilson_interval(share, len(found.flow_N))
    for loss, values in losses.items():
        for side, values_N in values.items():
            metrics[f"{side}_{loss}"] = float(values_N.mean())
            intervals[f"{side}_{loss}"] = bootstrap_interval(values_N)
        # Picture i of both sides has the same noise, so their difference varies less than either.
        gap_N = values["heldout"] - values["train"]
        metrics[f"{loss}_gap"] = float(gap_N.mean())
        intervals[f"{loss}_gap"] = bootstrap_interval(gap_N)
    return metrics, intervals


def _table(metrics: Metrics, intervals: Intervals) -> Table:
    rows = []
    for title, key in (
        ("flow matching", "flow"),
        ("contrastive", "contrastive"),
        ("own caption is nearest", "caption_top1"),
    ):
        cells = [title]
        for name in (f"heldout_{key}", f"train_{key}", f"{key}_gap"):
            low, high = intervals.get(name, (0.0, 0.0))
            cells.append(f"{metrics[name]:.4f} ({low:.4f} to {high:.4f})" if name in metrics else "–")
        rows.append(cells)
    return Table("Losses of unseen and of trained pictures", ("loss", "held out", "trained on", "gap"), rows)
