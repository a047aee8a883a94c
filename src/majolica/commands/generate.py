"""`majolica generate PROMPT...`: paint pictures with a trained run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.notices import print_notices
from majolica.commands.painted_files import PaintedFiles, check_format, name_files
from majolica.commands.progress import bar
from majolica.commands.references import describe_references
from majolica.commands.set_option import check_idle_files, check_names_set, read_set_option
from majolica.commands.terminal import read_words
from majolica.errors import UserError
from majolica.properties.file_name import check_property_files
from majolica.properties.registry import known_properties

Given = TypeVar("Given")


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
    properties = read_set_option(set)
    check_property_files(property)
    check_names_set(properties, property, adapter, run)
    check_idle_files(properties, property, adapter, bool(reference))
    references = describe_references(reference, reference_guidance, len(prompts))
    paths = name_files(out, len(prompts) * count)
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

    painted = [prompt for prompt in prompts for _ in range(count)]
    seeds = [seed + variant for _ in prompts for variant in range(count)]
    followed, palettes = _repeat(reference, count), _repeat(palette, count)
    request = PaintRequest(
        painted,
        size,
        properties,
        seed=seeds,
        batch=batch,
        reference=followed or None,
        reference_guidance=reference_guidance,
        palette=palettes or None,
        **settings,
    )
    shown = _spread(_repeat(references, count), len(painted))
    coloured = _spread([{"palette": colours} for colours in palettes], len(painted))
    own_settings = [
        {**about, **colours, "seed": own} for about, colours, own in zip(shown, coloured, seeds, strict=True)
    ]
    files = PaintedFiles(paths, painted, settings | {"set": properties}, own_settings)
    with print_notices(), bar("painting") as progress:
        Pipeline.load(run, more_adapters=adapter).paint_request(request, progress, files.write)


def _check_options(prompts: Sequence[str], out: Path, counts: Mapping[str, int], palette: Sequence[str]) -> None:
    """Raise UserError for options that no run can follow, before a run is loaded, which takes seconds."""
    if not prompts:
        raise UserError('nothing to paint: give a prompt, as in majolica generate "a dolphin on a teal background"')
    if stray := [prompt for prompt in prompts if re.fullmatch(rf"({'|'.join(known_properties())})=\S*", prompt)]:
        raise UserError(f"{stray[0]} stands among the prompts: properties follow --set, as in --set {stray[0]}")
    check_format(out)
    for name, value in counts.items():
        if value < 1:
            raise UserError(f"--{name} is {value}: at least 1")
    if palette:
        from majolica.sampling.palettes import read_palettes

        read_palettes(palette, len(prompts))


def _repeat(given: Sequence[Given], count: int) -> Sequence[Given]:
    """Each of several for all `count` variants of its prompt; one for all prompts stays what it is."""
    return given if len(given) < 2 else [each for each in given for _ in range(count)]


def _spread(given: Sequence[dict[str, Any]], count: int) -> Sequence[dict[str, Any]]:
    """Return settings for each of `count` pictures: one for all is repeated, and none becomes empty ones."""
    return given if len(given) > 1 else [*given, {}][:1] * count
