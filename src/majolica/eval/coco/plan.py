"""What an evaluation on COCO paints and compares, which is checked before anything is painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from majolica.errors import UserError
from majolica.eval.coco.annotations import Coco, CocoPicture, check_files, read_coco
from majolica.eval.coco.prompts import FULL, Prompts, draw_prompts, read_ids
from majolica.plurals import counted


@dataclass(frozen=True)
class CocoPlan:
    """The captions to paint, and the real pictures to compare with."""

    coco: Coco
    prompts: Prompts
    references: tuple[CocoPicture, ...]

    @property
    def deviations(self) -> list[str]:
        """Return in which ways this is not the published protocol, FID-30K; nothing if it is."""
        coco, found = self.coco, []
        if coco.split != "val2014":
            found.append(f"the split is {coco.split} and not val2014")
        elif not coco.is_official:
            found.append("the annotations have not as many pictures and captions as the published ones")
        if len(self.prompts.captions) != FULL:
            found.append(f"{counted(len(self.prompts.captions), 'caption')} of the published {FULL:,} are painted")
        if len(self.references) != len(coco.pictures):
            found.append(f"{counted(len(self.references), 'real picture')} of {len(coco.pictures):,} are compared")
        return found

    def record(self) -> dict[str, Any]:
        """Return the facts about the captions, for the protocol of a result."""
        return {
            "coco_split": self.coco.split,
            "coco_annotations_sha256": self.coco.sha256,
            "captions": len(self.prompts.captions),
            "captions_sha256": self.prompts.sha256,
            "captions_chosen": self.prompts.chosen,
            "captions_empty": self.coco.empty,
        }


def plan_coco(
    folder: Path,
    split: str = "val2014",
    subset: int | None = None,
    seed: int = 0,
    ids: Path | None = None,
) -> CocoPlan:
    """Read COCO, choose the captions, and check that the pictures that will be compared are there.

    Without `subset`, this is the published protocol: 30,000 captions against all pictures of the split.
    With `subset`, it is a quick look: so many captions, the first of the same list, against the
    pictures that they describe, so that a part of COCO suffices; its distance is never called FID.
    `ids` is a file with a list of captions (`read_ids`) instead of the random one.

    Raises UserError if COCO is not as it should be; see `read_coco`, `draw_prompts` and `check_files`.
    """
    coco = read_coco(folder, split)
    if subset is not None and subset < 2:
        raise UserError(f"--subset is {subset}: give at least 2 captions, because a distance needs two pictures")
    if ids is not None:
        prompts = read_ids(ids, coco, subset)
    else:
        prompts = draw_prompts(coco, FULL if subset is None else subset, seed)
    references: Sequence[CocoPicture] = coco.pictures if subset is None else prompts.pictures(coco)
    check_files(coco, references)
    return CocoPlan(coco, prompts, tuple(references))
