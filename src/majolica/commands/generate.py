"""`majolica generate PROMPT...`: paint pictures with a trained run."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.notices import print_notices
from majolica.commands.progress import bar
from majolica.commands.references import describe_references
from majolica.commands.terminal import read_words
from majolica.errors import UserError, unknown_name
from majolica.files import check_writable, write_atomic
from majolica.properties.file_name import check_property_files
from majolica.properties.registry import find_property, known_properties

if TYPE_CHECKING:
    from torch import Tensor

Given = TypeVar("Given")
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def run(args: list[str]) -> None:
    """Parse `args` and paint."""
    call_verb(generate, args, "majolica generate")


def generate(
    prompts: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="PROMPT ...")],
    /,
    run: Path = DEFAULT_RUN,
    set: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    size: str | None = None,
    any_size: bool = False,
    out: Path = Path("painted.png"),
    count: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 1,
    steps: int = 20,
    guidance: float = 2.0,
    property_guidance: str | None = None,
    seed: int = 0,
    solver: Literal["heun", "euler"] = "heun",
    churn: float = 4.0,
    batch: int = 1,
    last_time: str = "auto",
    tile: str = "auto",
    candidates: int = 1,
    project: bool = True,
    hold: bool = False,
    raw: bool = False,
    property: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="FILE")] = (),
    adapter: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="FILE")] = (),
    reference: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="PICTURE")] = (),
    reference_guidance: float | None = None,
    palette: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="COLOURS")] = (),
) -> None:
    """Paint one picture for each prompt, or several.

    Args:
        prompts: What to paint, each in quotes.
        run: Folder of the trained run.
        set: A property in its unit, as a percentile or by name (brightness=0.8, contrast=p90, source=coyo), or several.
        size: Side in pixels, a multiple of the run's base resolution (the default), or WIDTHxHEIGHT up to 3:1.
        any_size: Let --size be any: a larger picture that the run can paint is cut to its proportions and scaled down.
        out: File to write (.png, .jpg or .webp); several pictures get numbered files.
        count: Pictures of each prompt, with the seeds SEED, SEED + 1, and so on.
        steps: Steps of the solver; more are slower and finer.
        guidance: How strongly to follow the prompt; 1 turns all guidance off.
        property_guidance: How strongly to follow --set, for all or by name (brightness=3,hue=1); usually 2.
        seed: The same seed, prompt and settings give the same picture, whatever is painted beside it.
        solver: Heun evaluates the model twice a step, Euler once.
        churn: Noise that is added on the way, so that errors of earlier steps are forgotten; 0 for none.
        last_time: Flow time (0 noise, 1 picture) from which the last step goes to 1; auto is as far as training went.
        tile: Side in pixels of the parts in which a large picture is decoded, auto (512 beyond 1024 px) or off.
        candidates: Beginnings of each picture, of which the model's own eye chooses one early on.
        project: Keep pictures to --set while they are painted, also for what the run has not learned.
        hold: Change nothing but what --set names: other properties stay as without it. It takes twice the time.
        property: A Python file with a property of your own, for --set.
        raw: Ask for --set as it is, without the calibration of the run (majolica calibrate).
        adapter: A file of what the run was taught (majolica extend); those in RUN/adapters are there without it.
        reference: A picture whose subject and style to follow, for all prompts or one for each, in their order.
        reference_guidance: How strongly to follow --reference; 2 if not given.
        palette: Two to five colours to paint in ("teal, #f4a261, white"), for all prompts or one palette for each.
        batch: Pictures painted at once: more are quicker, and may change values by 1 of 255 (more with a palette).
    """
    prompts = read_words(prompts, "prompt")
    counts = {"count": count, "steps": steps, "batch": batch, "candidates": candidates}
    _check_options(prompts, out, counts, palette)
    properties = _properties(set)
    check_property_files(property)
    _check_names(properties, property, adapter, run)
    _check_files(properties, property, adapter, bool(reference))
    references = describe_references(reference, reference_guidance, len(prompts))
    wishes = [(prompt, seed + variant) for prompt in prompts for variant in range(count)]
    paths = [out] if len(wishes) == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, len(wishes) + 1)]
    for path in paths:
        check_writable(path)
    palettes, followed = _repeat(palette, count), _repeat(reference, count)
    from majolica.properties.user_file import load_property_file
    from majolica.sampling.guidance import parse_property_weights
    from majolica.sampling.pipeline import Pipeline
    from majolica.sampling.request import PaintRequest

    for path in property:
        load_property_file(path)
    weights = parse_property_weights(property_guidance)
    settings: dict[str, Any] = {"steps": steps, "guidance": guidance, "property_guidance": weights, "solver": solver}
    settings |= {"churn": churn, "last_time": last_time, "tile": tile, "candidates": candidates, "any_size": any_size}
    settings |= {"project": project, "hold": hold, "raw": raw}

    shown = [about for about in references for _ in range(count)] or [{}] * len(wishes)
    coloured = [{"palette": each} for each in (palettes if len(palettes) != 1 else list(palettes) * len(wishes))]

    def write(start: int, images_B3HW: Tensor) -> None:
        height, width = images_B3HW.shape[-2:]
        common = settings | {"set": properties, "size": width if width == height else f"{width}x{height}"}
        for place, image_3HW in enumerate(images_B3HW, start):
            prompt, own = wishes[place]
            about = common | shown[place] | (coloured[place] if coloured else {}) | {"seed": own}
            write_atomic(paths[place], _encode(image_3HW, FORMATS[out.suffix.lower()], prompt, about))
            print(paths[place], flush=True)

    asked = PaintRequest(
        [prompt for prompt, _ in wishes],
        size,
        properties,
        seed=[own for _, own in wishes],
        batch=batch,
        reference=followed or None,
        reference_guidance=reference_guidance,
        palette=palettes or None,
        **settings,
    )
    with print_notices(), bar("painting") as progress:
        Pipeline.load(run, more_adapters=adapter).paint_request(asked, progress, write)


def _check_options(prompts: Sequence[str], out: Path, counts: Mapping[str, int], palette: Sequence[str]) -> None:
    """Raise UserError for options that no run can follow, before a run is loaded, which takes seconds."""
    if not prompts:
        raise UserError('nothing to paint: give a prompt, as in majolica generate "a dolphin on a teal background"')
    if stray := [prompt for prompt in prompts if re.fullmatch(rf"({'|'.join(known_properties())})=\S*", prompt)]:
        raise UserError(f"{stray[0]} stands among the prompts: properties follow --set, as in --set {stray[0]}")
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"cannot write {out}: name a file that ends in {', '.join(FORMATS)}")
    for name, value in counts.items():
        if value < 1:
            raise UserError(f"--{name} is {value}: at least 1")
    if palette:
        from majolica.sampling.palettes import read_palettes

        read_palettes(palette, len(prompts))


def _repeat(given: Sequence[Given], count: int) -> Sequence[Given]:
    """Each of several for all `count` variants of its prompt; one for all prompts stays what it is."""
    return given if len(given) < 2 else [each for each in given for _ in range(count)]


def _properties(words: tuple[str, ...]) -> dict[str, float | str]:
    """`("brightness=0.8,contrast=p90", ...)` as a dictionary; UserError for what is none."""
    values: dict[str, float | str] = {}
    for group, word in ((each, piece) for each in words for piece in each.split(",")):
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals:
            raise UserError(f"--set {group}: {word!r} is no name with a value, as brightness=0.8 is")
        if name in values:
            raise UserError(f"--set {word}: {name} is set already, to {values[name]}")
        values[name] = _number(name, word, text)
    return values


def _check_names(
    properties: dict[str, float | str], files: Sequence[Path], adapters: Sequence[Path], run: Path
) -> None:
    """UserError for a name that no property has; which of them the run has is known when it is loaded."""
    known = [*known_properties(), *(path.stem for path in files)]
    if unknown := [name for name in properties if name not in known]:
        from majolica.adapters.store import find_adapters, list_properties
        from majolica.run.weights import home_of

        known += list_properties([*adapters, *find_adapters(home_of(run))])
        if still := [name for name in unknown if name not in known]:
            raise unknown_name("property", still[0], known)


def _check_files(
    properties: Mapping[str, float | str], files: Sequence[Path], adapters: Sequence[Path], follows: bool
) -> None:
    """Raise UserError for a file that would change nothing; `follows` says whether a reference picture is given."""
    if idle := [path for path in files if path.stem not in properties]:
        raise UserError(
            f"--property {idle[0]} would change nothing, because {idle[0].stem} is not set: give"
            f" --set {idle[0].stem}=VALUE too, or leave it out"
        )
    for path in adapters:
        from majolica.adapters.store import list_properties

        taught = list_properties([path])
        if taught and taught[0] not in properties:
            raise UserError(
                f"--adapter {path} would change nothing, because {taught[0]} is not set: give --set {taught[0]}=VALUE"
                " too, or leave it out"
            )
        if not taught and not follows:
            raise UserError(
                f"--adapter {path} follows reference pictures, and none is given: name one with --reference, or leave"
                " the adapter out"
            )


def _number(name: str, word: str, text: str) -> float | str:
    if name in known_properties() and find_property(name).is_category:
        return text.strip()  # a name, also if it is written in digits
    if re.fullmatch(r"\s*[pP]\d+(\.\d+)?\s*", text):
        return text.strip().lower()  # whether there is such a percentile is known where it is looked up
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"--set {word}: {text!r} is not a number, nor a percentile such as p90")
    return value


def _encode(image_3HW: Tensor, kind: str, prompt: str, settings: dict[str, Any]) -> bytes:
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
