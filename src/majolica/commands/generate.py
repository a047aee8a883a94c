"""`majolica generate PROMPT...`: paint pictures with a trained run."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.terminal import read_texts
from majolica.config.resolve import PROPERTY_NAMES
from majolica.errors import UserError, unknown
from majolica.files import check_writable, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def run(args: list[str]) -> None:
    """Parse `args` and paint."""
    tyro.cli(generate, args=args, prog="majolica generate")


def generate(
    prompts: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="PROMPT ...")],
    /,
    run: Path = DEFAULT_RUN,
    set: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    size: int | None = None,
    out: Path = Path("painted.png"),
    steps: int = 20,
    guidance: float = 3.0,
    seed: int = 0,
    solver: Literal["heun", "euler"] = "heun",
) -> None:
    """Paint one picture for each prompt.

    Args:
        prompts: What to paint, each in quotes.
        run: Folder of the trained run.
        set: A property, as in brightness=0.8; may be given several times.
        size: Side in pixels, a multiple of the run's base resolution; that itself when not given.
        out: File to write (.png, .jpg or .webp); several prompts get numbered files.
        steps: Steps of the solver; more are slower and finer.
        guidance: How strongly to follow the prompt; 1 turns guidance off.
        seed: The same seed, prompt and settings give the same picture.
        solver: Heun evaluates the model twice a step, Euler once.
    """
    prompts = read_texts(prompts, "prompt")
    if not prompts:
        raise UserError('nothing to paint: give a prompt, as in majolica generate "a dolphin on a teal background"')
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"cannot write {out}: name a file that ends in {', '.join(FORMATS)}")
    if steps < 1:
        raise UserError(f"--steps is {steps}: at least 1")
    properties = _properties(set)
    check_writable(out)
    from majolica.sampling.pipeline import Pipeline

    images = Pipeline.load(run).paint(prompts, size, {**properties}, steps, guidance, seed, solver)
    settings = {"set": properties, "steps": steps, "guidance": guidance, "seed": seed, "solver": solver}
    for index, (prompt, image) in enumerate(zip(prompts, images, strict=True), start=1):
        path = out if len(prompts) == 1 else out.with_stem(f"{out.stem}-{index}")
        write_atomic(path, _encode(image, FORMATS[out.suffix.lower()], prompt, settings))
        print(path)


def _properties(words: tuple[str, ...]) -> dict[str, float]:
    """`("brightness=0.8,contrast=0.2", ...)` as a dictionary; UserError for what is none."""
    values: dict[str, float] = {}
    for word in (piece for group in words for piece in group.split(",")):
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals:
            raise UserError(f"--set {word}: give a name and a value, as in --set brightness=0.8")
        if name not in PROPERTY_NAMES:
            raise unknown("property", name, PROPERTY_NAMES)
        values[name] = _number(word, text)
    return values


def _number(word: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"--set {word}: {text!r} is not a number")
    return value


def _encode(image_3HW: Tensor, kind: str, prompt: str, settings: dict[str, object]) -> bytes:
    """A uint8 picture as file content; a PNG also carries its prompt and settings."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("prompt", prompt)
    info.add_itxt("majolica", json.dumps(settings))
    content = io.BytesIO()
    extra = {"pnginfo": info} if kind == "PNG" else {"quality": 95}
    Image.fromarray(image_3HW.permute(1, 2, 0).cpu().numpy()).save(content, kind, **extra)
    return content.getvalue()
