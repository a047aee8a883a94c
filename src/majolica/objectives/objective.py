"""The objective of one micro-step. Training, the activation planner and estimates all compute it here."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from majolica.config.run import LossConfig, RunConfig
from majolica.config.split import RowSplit
from majolica.models.majolica import Majolica, Outputs, Rows
from majolica.models.precision import Precision, autocast
from majolica.objectives.contrastive import Pairs, sigmoid_loss
from majolica.objectives.flow import by_time, velocity_loss
from majolica.objectives.joint import Targets


@dataclass(frozen=True)
class Others:
    """Clean rows from elsewhere that the contrastive loss compares this micro-step's with, see `sigmoid_loss`."""

    ranks: Pairs
    """Of the other ranks, in this micro-step."""
    earlier: Pairs
    """Of all ranks, in earlier micro-steps of the same optimiser step."""

    @staticmethod
    def none(like: Pairs) -> Others:
        """No rows, of the kind of `like`: one rank and one micro-step."""
        return Others(like.empty(), like.empty())


@dataclass(frozen=True)
class Objective:
    """How a micro-step is judged: weights of the losses, use of the rows, number of ranks, precision."""

    loss: LossConfig
    split: RowSplit
    """Of the global micro-batch, over all ranks."""
    world: int
    precision: Precision

    @staticmethod
    def of(config: RunConfig, split: RowSplit, world: int) -> Objective:
        """The objective of a run, for a micro-batch that is used as `split` says."""
        return Objective(config.loss, split, world, config.train.precision)

    def predict(self, network: nn.Module, rows: Rows) -> Outputs:
        """What the model, wrapped or not, makes of the rows, in the run's precision."""
        with autocast(self.precision, rows.t_B.device):
            outputs: Outputs = network(rows)
        return outputs

    def losses(
        self, model: Majolica, outputs: Outputs, rows: Rows, targets: Targets, others: Others
    ) -> dict[str, Tensor]:
        """Named scalars; `loss` is the weighted sum of `flow`, `fine` and `contrastive`.

        All are sums over this rank's rows, divided by a `world`-th of the rows that there are over all ranks. So the
        mean over the ranks is the loss of the global micro-batch, however its rows lie on the ranks. `fine` is divided
        by the rows that were to be painted larger, so that each weighs as much as any other noisy row also where some
        pictures have not the pixels. `flow_by_time` is what `by_time` makes of the base rows' flow losses, for the log.
        """
        t_M = rows.t_B[: rows.noisy]
        t_F, scale, floor = t_M[: len(targets.fine_F3HW)], rows.window.scale, self.loss.t_floor
        base_M = velocity_loss(outputs.base_M3HW, targets.base_M3HW, t_M, 1, floor)
        fine_F = velocity_loss(outputs.fine_F3HW, targets.fine_F3HW, t_F, scale, floor)
        counts = (self.split.noisy, self.split.fine, self.split.clean)
        noisy, large, clean = (max(1, count) / self.world for count in counts)
        flow, fine = base_M.sum() / noisy, fine_F.sum() / large
        here = clean_pairs(outputs, targets)
        contrastive = sigmoid_loss(here, model.logit_scale.exp(), model.logit_bias, others.ranks, others.earlier, clean)
        loss = flow + self.loss.fine_share * fine + self.loss.contrastive * contrastive
        named = {"loss": loss, "flow": flow, "fine": fine, "contrastive": contrastive}
        return named | {"flow_by_time": by_time(base_M, t_M)}


def clean_pairs(outputs: Outputs, targets: Targets) -> Pairs:
    """The clean rows of a micro-step: what the contrastive loss is about."""
    return Pairs(outputs.image_CE, outputs.text_CE, targets.caption_C)
