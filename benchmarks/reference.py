"""What a run learns in a few minutes of following a reference. `python -m benchmarks.reference --json --run runs/demo`.

The adapter is taught to the run (`majolica extend --reference`, written elsewhere), or read from `--adapter`. Then
pictures are painted with held-out pictures as references, and each is compared with its own reference and with those of
the other pictures:

* `same`: the share in which the model's own eye sees the thing that the reference shows;
* `cosine` and `cosine_others`: mean cosine of the embeddings of picture and reference, its own and the others;
* `colour` and `colour_others`: mean difference of the mean colours, in values from 0 to 1; less is nearer.

`neutral` has the caption of `--prompt`, and `another` that of another thing, of which `caption` is the share of
pictures that show it. `without` is what the run paints of the same captions and seeds without the reference. `eye` is
the share of the references themselves in which the eye sees the thing; it sees with the trunk that the adapter hears
from, so it is no independent judge.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from majolica.adapters.store import read_card
from majolica.cli import run_and_explain
from majolica.config.io import load_config
from majolica.errors import Notice, UserError
from majolica.eval.protocol import EvalData
from majolica.eval.run_data import load_run_data
from majolica.sampling.pipeline import Pipeline
from majolica.text.articles import with_article
from majolica.train.extend_reference import ReferenceRequest, extend_reference
from majolica.train.lesson import REFERENCE_RATE, LessonPlan

BATCH = 16


class Held:
    """Held-out pictures, what they show, and how the model's own eye sees them."""

    def __init__(self, pipeline: Pipeline, data: EvalData, count: int) -> None:
        shown = [data.heldout.shown(row) for row in range(len(data.heldout))]
        rows = [row for row, names in enumerate(shown) if len(names) == 1][:count]
        self.names = data.names
        self.images_B3HW = data.heldout.images_B3HW[rows]
        self.things_B = torch.tensor([data.names.index(shown[row][0]) for row in rows])
        self.labels_KE = pipeline.embed_labels(data.names)
        self.embedding_BE = pipeline.embed_images(self.images_B3HW)

    def compare(self, pipeline: Pipeline, painted_B3HW: Tensor, asked_B: Tensor | None = None) -> dict[str, float]:
        """The measures of painted pictures; `asked_B` are the things that their captions name."""
        seen_BE = pipeline.embed_images(painted_B3HW)
        found_B = pipeline.compare(seen_BE, self.labels_KE).argmax(1)
        colours = [images_B3HW.float().mean((2, 3)) / 255 for images_B3HW in (painted_B3HW, self.images_B3HW)]
        away_BB = (colours[0][:, None] - colours[1][None]).abs().mean(2)
        cosine, cosine_others = own_and_others(seen_BE @ self.embedding_BE.T)
        colour, colour_others = own_and_others(away_BB)
        found = {"same": share(found_B == self.things_B), "cosine": cosine, "cosine_others": cosine_others}
        found |= {"colour": colour, "colour_others": colour_others}
        if asked_B is not None:
            found["caption"] = share(found_B == asked_B)
        return {key: round(value, 4) for key, value in found.items()}


def own_and_others(matrix_BB: Tensor) -> tuple[float, float]:
    """The means on the diagonal and beside it."""
    count, own = len(matrix_BB), matrix_BB.diagonal().sum()
    return (own / count).item(), ((matrix_BB.sum() - own) / (count * (count - 1))).item()


def share(true_B: Tensor) -> float:
    """The share of True."""
    return true_B.float().mean().item()


def measure(pipeline: Pipeline, held: Held, options: argparse.Namespace, weight: float | None) -> dict[str, object]:
    """Paint with the references and that weight of guidance, or without them if it is None."""
    count = len(held.things_B)
    another_B = (held.things_B + len(held.names) // 2) % len(held.names)
    reference = None if weight is None else held.images_B3HW
    painted = [
        pipeline.paint(
            prompts, seed=range(count), batch=BATCH, steps=options.steps, reference=reference, reference_guidance=weight
        )
        for prompts in ([options.prompt] * count, [with_article(held.names[thing]) for thing in another_B.tolist()])
    ]
    return {
        "neutral": held.compare(pipeline, painted[0]),
        "another": held.compare(pipeline, painted[1], another_B),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--adapter", type=Path, help="of that run, taught before; then nothing is taught")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--teach-steps", type=int, default=0, help="if above 0, in place of the minutes")
    parser.add_argument("--lr", type=float, default=REFERENCE_RATE)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--prompt", default="a drawing")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.0, 3.0], help="weights of the reference")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", Notice)
    config = load_config(options.run / "config.yaml")
    data = load_run_data(config)
    if reason := data.explain_no_names():
        raise UserError(reason)
    with tempfile.TemporaryDirectory(prefix="majolica-reference-") as place:
        path = options.adapter or Path(place, "reference.safetensors")
        if not options.adapter:
            plan = LessonPlan(options.minutes, options.teach_steps, lr=options.lr, seed=options.seed)
            extend_reference(ReferenceRequest(options.run, path, plan=plan), _say)
        pipeline, card = Pipeline.load(options.run, adapters=[path]), read_card(path)
    held = Held(pipeline, data, options.pictures)
    eye = pipeline.compare(held.embedding_BE, held.labels_KE).argmax(1) == held.things_B
    taught = {key: getattr(card, key) for key in ("parameters", "share", "steps", "rows", "seconds")}
    found: dict[str, object] = {"taught": taught, "eye": round(share(eye), 4)}
    found["without"] = measure(pipeline, held, options, None)
    for weight in options.guidance:
        found[f"guidance {weight:g}"] = measure(pipeline, held, options, weight)
        _say(f"guidance {weight:g}: {found[f'guidance {weight:g}']}")
    if options.json:
        print(json.dumps({"pictures": len(held.things_B), "threads": torch.get_num_threads(), **found}))


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
