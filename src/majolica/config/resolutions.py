"""Which sizes a run learns to paint, and what to say of those that it is asked for beyond them."""

from __future__ import annotations

from majolica.config.picture_size import PictureSize
from majolica.config.run import RunConfig
from majolica.config.split import noisiest_split
from majolica.plurals import counted


def trained_sizes(config: RunConfig) -> tuple[int, ...]:
    """Sides in pixels that a run of `config` learns to paint: the base resolution and those of its fine rows."""
    base, larger = config.model.resolution, sorted(config.loss.fine_scales) if _fine_rows(config) else []
    return base, *(scale * base for scale in larger)


def _fine_rows(config: RunConfig) -> int:
    """How many rows of a micro-batch are painted larger; a small batch may have none."""
    return noisiest_split(config.loss, config.train.batch * (config.train.processes or 1)).fine


def beyond_training_notes(size: PictureSize, config: RunConfig) -> list[str]:
    """Return a line for each way in which a size lies beyond those on which the run was trained."""
    trained, base = trained_sizes(config), config.model.resolution
    notes = []
    if size.scale * base > trained[-1]:
        pixels = ", ".join(f"{side} px" for side in trained)
        notes.append(
            f"size {size} is larger than anything this run was trained on ({pixels}): expect dots or a grid; paint at"
            f" most {trained[-1]}, or train with --loss.fine-share 0.25 --loss.fine-scales {size.scale}"
        )
    if not size.square and not config.data.buckets:
        notes.append(
            f"size {size} is not square, and this run was trained on squares only: expect things to be cut, stretched"
            " or doubled; train with --data.buckets"
        )
    return notes


def base_only_notes(config: RunConfig) -> list[str]:
    """Return a line that says that a run will paint well at its base resolution only; no line if that is not so."""
    base, loss = config.model.resolution, config.loss
    if _fine_rows(config):
        return []
    if loss.fine_share:
        why = f"{loss.fine_share:g}, which leaves none of {counted(config.train.batch, 'row')}"
        advice = "raise it or --train.batch"
    else:
        why, advice = "0", f"with --loss.fine-share 0.25 it learns {loss.fine_scales[0] * base} px too"
    return [
        f"--loss.fine-share is {why}, so this run learns to paint at {base} px only, and larger pictures will show dots"
        f" or a grid; {advice}"
    ]
