"""Which sizes a run learns to paint, and what to say of those that it is asked for beyond them."""

from __future__ import annotations

from majolica.config.picture_size import PictureSize
from majolica.config.run import RunConfig


def trained_sizes(config: RunConfig) -> tuple[int, ...]:
    """Sides in pixels that a run of `config` learns to paint: the base resolution and those of its fine rows."""
    base, loss = config.model.resolution, config.loss
    return (base, *(scale * base for scale in sorted(loss.fine_scales))) if loss.fine_share > 0 else (base,)


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
    if loss.fine_share > 0:
        return []
    return [
        f"--loss.fine-share is 0, so this run learns to paint at {base} px only, and larger pictures will show dots or"
        f" a grid; with --loss.fine-share 0.25 it learns {loss.fine_scales[0] * base} px too"
    ]
