"""What guidance costs: one evaluation of the model for one picture. `python -m benchmarks.guidance --json`.

* `guided_over_unguided`: under text guidance over without any.
* `per_property`: what each further property with a weight of its own adds, as a share of the evaluation without
  guidance; `full_pass_per_property` is what it would add if every branch went through the whole model, as usual.
* `max_difference`: the largest difference to that usual way, in pixels from -1 to 1, in float32 whatever is timed.

The shapes are those of the recipe, with first weights. Two depths are timed, and the time is continued to the recipe's
depth, because all blocks of a half are equal.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmarks.highres import continue_to, shallow
from benchmarks.timing import time_in_turn
from majolica.device import find_device
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.models.precision import has_bf16, set_attention_by_products
from majolica.properties.registry import known_properties
from majolica.recipes import recipe
from majolica.sampling.guidance import Guidance, list_branches
from majolica.sampling.painting import paint_guided

TIME = 0.5


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one evaluation reads: a noisy picture and what is asked for."""

    noisy_B3HW: Tensor
    asked: Condition

    @staticmethod
    def draw(model: Majolica, properties: int, device: torch.device) -> Evaluation:
        """A picture of noise, a caption, and values of the first so many properties."""
        config = model.config
        generator = torch.Generator().manual_seed(0)
        noisy_B3HW = torch.randn(1, 3, config.resolution, config.resolution, generator=generator).to(device)
        tokens_BL = torch.randint(5, 250, (1, config.text.length), generator=generator).to(device)
        has_BP = (torch.arange(len(config.properties)) < properties)[None].to(device)
        values_BP = torch.full((1, len(config.properties)), 0.4, device=device)
        return Evaluation(
            noisy_B3HW, Condition(tokens_BL, torch.ones(1, dtype=torch.bool, device=device), values_BP, has_BP)
        )


def build_batched(model: Majolica, given: Evaluation, weights: Guidance) -> Callable[[], Tensor]:
    """Our way: one pass of the perception trunk, and the branches as rows of one batch behind it."""
    text, t_B = model.read(given.asked.tokens_BL), given.noisy_B3HW.new_full((1,), TIME)
    branches = list_branches(given.asked, weights)
    return lambda: paint_guided(model, given.noisy_B3HW, t_B, text, branches)


def one_by_one(model: Majolica, given: Evaluation, weights: Guidance) -> Callable[[], Tensor]:
    """The usual way: every branch goes through the whole model by itself."""
    text, t_B = model.read(given.asked.tokens_BL), given.noisy_B3HW.new_full((1,), TIME)
    branches = list_branches(given.asked, weights)

    def run() -> Tensor:
        out = torch.zeros_like(given.noisy_B3HW)
        for branch in branches:
            tokens_BND, time_BD = model.perceive(given.noisy_B3HW, t_B)
            _, clean_B3HW = model.paint(tokens_BND, time_BD, text, branch.condition, given.noisy_B3HW, t_B)
            out = out + branch.factor * clean_B3HW.float()
        return out

    return run


def weigh(properties: int) -> Guidance:
    """Weights of their own for the first so many properties."""
    return Guidance(2.0, 1.5, tuple((place, 1.25 + 0.25 * place) for place in range(properties)))


@torch.inference_mode()
def measure(options: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """Times side by side in every round, and the largest difference of the two ways."""
    config = recipe(options.recipe).model
    config = dataclasses.replace(config, properties=known_properties()[: max(3, options.properties)])
    depth = min(config.perception_depth, config.synthesis_depth)
    precision = options.precision or ("bf16" if has_bf16(device) else "fp32")
    models = [Majolica(shallow(config, blocks)).to(device).eval() for blocks in (1, 2)]
    difference = max(largest_difference(model, options.properties, device) for model in models)
    for model in models:
        set_attention_by_products(model, device)
    steps = {}
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for place, model in enumerate(models):
            plain = Evaluation.draw(model, 0, device)
            steps[f"unguided {place}"] = build_batched(model, plain, Guidance(1.0, 1.0))
            steps[f"text {place}"] = build_batched(model, plain, Guidance())
            asked = Evaluation.draw(model, options.properties, device)
            steps[f"properties {place}"] = build_batched(model, asked, weigh(options.properties))
            steps[f"usual {place}"] = one_by_one(model, asked, weigh(options.properties))
            steps[f"usual text {place}"] = one_by_one(model, plain, Guidance())
        found = time_in_turn(steps, options.repeats, device)
    times = {
        name: continue_to(found[f"{name} 0"], found[f"{name} 1"], depth)
        for name in ("unguided", "text", "properties", "usual", "usual text")
    }
    return {"precision": precision, **compare(times, options.properties), "max_difference": difference}


def largest_difference(model: Majolica, properties: int, device: torch.device) -> float:
    """Of the two ways, in float32, with weights in the layers that begin at zero."""
    fill_zero_layers(model)
    given, weights = Evaluation.draw(model, properties, device), weigh(properties)
    return float((build_batched(model, given, weights)() - one_by_one(model, given, weights)()).abs().max())


def fill_zero_layers(model: nn.Module) -> None:
    """Give layers that are zero at first, and so would hide what differs before them, weights."""
    for value in model.parameters():
        if not bool(value.any()):
            nn.init.normal_(value, std=0.02)


def compare(times: dict[str, Sequence[float]], properties: int) -> dict[str, object]:
    """Medians over the rounds, in which all were timed side by side."""

    def median(values: Sequence[float]) -> float:
        return round(statistics.median(values), 3)

    plain = times["unguided"]
    added = [(a - b) / properties / c for a, b, c in zip(times["properties"], times["text"], plain, strict=True)]
    usual = [(a - b) / properties / c for a, b, c in zip(times["usual"], times["usual text"], plain, strict=True)]
    return {
        "unguided_seconds": round(statistics.median(plain), 4),
        "guided_over_unguided": median([a / b for a, b in zip(times["text"], plain, strict=True)]),
        "full_passes_over_unguided": median([a / b for a, b in zip(times["usual text"], plain, strict=True)]),
        "per_property": median(added),
        "full_pass_per_property": median(usual),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--recipe", default="base", help="whose shapes")
    parser.add_argument("--properties", type=int, default=3, help="how many properties have a weight of their own")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="as in use where not given")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    found = {"recipe": options.recipe, "properties": options.properties, **measure(options, find_device(None))}
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
