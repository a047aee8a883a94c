"""The objective of one micro-step, which training, the activation planner and estimates share."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit
from majolica.models.majolica import Majolica, Outputs, Rows
from majolica.models.precision import Precision, autocast
from majolica.objectives.consistency import consistency_loss
from majolica.objectives.contrastive import Pairs, sigmoid_loss
from majolica.objectives.flow import sum_by_time, velocity_loss
from majolica.objectives.joint import Targets
from majolica.objectives.windows import cut


@dataclass(frozen=True)
class Others:
    """Clean rows with which `sigmoid_loss` compares those of this rank and micro-step."""

    ranks: Pairs
    """Rows of the other ranks in this micro-step."""
    earlier: Pairs
    """Rows of all ranks in earlier micro-steps of the same optimiser step."""

    @staticmethod
    def none(like: Pairs) -> Others:
        """Return no rows, with the type and device of `like`: one rank, one micro-step."""
        return Others(like.empty(), like.empty())


@dataclass(frozen=True)
class Objective:
    """All that the losses of a micro-step depend on, except the model and the rows themselves."""

    loss: LossConfig
    split: RowSplit
    """How many rows of the global micro-batch, over all ranks, are noisy, fine and clean."""
    world: int
    """The number of ranks."""
    precision: Precision

    @staticmethod
    def of(config: RunConfig, split: RowSplit, world: int) -> Objective:
        """Return the objective of a run for a global micro-batch with the given split."""
        return Objective(config.loss, split, world, config.train.precision)

    def predict(self, network: nn.Module, rows: Rows) -> Outputs:
        """Compute the outputs of the model for the rows, in the run's precision.

        `network` is the model itself, or a wrapper of it such as DDP.
        """
        with autocast(self.precision, rows.t_B.device):
            outputs: Outputs = network(rows)
        return outputs

    def compute_losses(
        self, model: Majolica, outputs: Outputs, rows: Rows, targets: Targets, others: Others
    ) -> dict[str, Tensor]:
        """Return `flow`, `fine`, `contrastive`, `consistency` where it has a weight, and `loss`, their weighted sum.

        Each is a sum over the rows of this rank, divided by the mean number of such rows on a rank.
        The mean over the ranks is therefore the loss of the global micro-batch, however its rows
        are distributed. For `fine` the number is that of the rows which `split` chose to be painted
        larger. It includes those whose images are too small for that, so that the weight of a row
        does not depend on them. `flow_by_time` is the result of `sum_by_time`, for the log.
        """
        t_M = rows.t_B[: rows.noisy]
        base_M = velocity_loss(outputs.base_M3HW, targets.base_M3HW, t_M, 1, self.loss.t_floor)
        counts = (self.split.noisy, self.split.fine, self.split.clean)
        noisy, large, clean = (max(1, count) / self.world for count in counts)
        flow, fine = (
            base_M.sum() / noisy,
            self.sum_fine(outputs, rows, targets, model.config.decoder.detail_noise) / large,
        )
        here = clean_pairs(outputs, targets)
        contrastive = sigmoid_loss(here, model.logit_scale.exp(), model.logit_bias, others.ranks, others.earlier, clean)
        painting = flow + self.loss.fine_share * fine
        loss = self.loss.flow * painting + self.loss.contrastive * contrastive
        named = {"loss": loss, "flow": flow, "fine": fine, "contrastive": contrastive}
        if self.loss.consistency:
            asked, names, start = rows.condition[: rows.noisy], model.config.properties, self.loss.consistency_from
            named["consistency"] = consistency_loss(names, outputs.base_M3HW, asked, t_M, start).sum() / noisy
            named["loss"] = loss + self.loss.consistency * named["consistency"]
        return named | {"flow_by_time": sum_by_time(base_M, t_M)}

    def sum_fine(self, outputs: Outputs, rows: Rows, targets: Targets, detail_noise: float) -> Tensor:
        """Return the sum of the flow losses of details in the tiles of larger pictures, over rows and scales."""
        total, start = rows.t_B.new_zeros(()), 0
        for predicted_F3HW, target in zip(outputs.fine, targets.fine, strict=True):
            height, width = target.detail_F3HW.shape[-2:]
            t_F = rows.t_B[start : start + len(predicted_F3HW)]
            start += len(predicted_F3HW)
            found_F3HW = cut(predicted_F3HW, target.inner, (height, width))
            total = total + velocity_loss(found_F3HW, target.detail_F3HW, t_F, detail_noise, self.loss.t_floor).sum()
        return total


def clean_pairs(outputs: Outputs, targets: Targets) -> Pairs:
    """Return the embeddings of the clean rows of a micro-step, for the contrastive loss."""
    return Pairs(outputs.image_CE, outputs.text_CE, targets.caption_C)
