"""`majolica eval RUN`: what a trained run can do, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.notices import print_notices
from majolica.commands.options import Flag
from majolica.commands.progress import bar
from majolica.commands.terminal import print_status
from majolica.config.bounds import check_ranges
from majolica.config.evaluation import EvaluatorConfig
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError, unknown_name
from majolica.files import check_writable


def run(args: list[str]) -> None:
    """Parse `args` and evaluate."""
    call_verb(evaluate, args, "majolica eval")


def evaluate(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN|CHECKPOINT|FILE")] = DEFAULT_RUN,
    /,
    suite: str = "",
    data: str = "",
    labels_file: str = "",
    templates_file: str = "",
    extractor: str = "",
    weights: str = "",
    resize: Literal["clean-fid", "torch-fidelity", "pytorch-fid"] = "clean-fid",
    first_synonym: Flag = False,
    pictures: int = 0,
    steps: int = 20,
    guidance: float = 2.0,
    churn: float = 4.0,
    seed: int = 0,
    processes: int = 0,
    property: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="FILE")] = (),
    list: Flag = False,
) -> None:
    """Evaluate a run: metrics.json, report.html and a line for each result in results.jsonl, in its folder.

    Args:
        run: Folder of the trained run, one of its checkpoints, or a file of weights beside its config.yaml.
        suite: Suites and evaluators, with commas between them (--list); what suits the run when not given.
        data: Pictures to evaluate on in place of the run's held-out ones: a folder, shards, or a table.
        labels_file: File of the labels for zero-shot classification.
        templates_file: File of the sentences that labels are put into, or imagenet for the 80 of CLIP.
        extractor: Whose features distances compare: perception (the run's own) when not given, inception, dinov2, clip.
        weights: File of the extractor's weights; downloaded when not given.
        resize: Whose way of resizing pictures for Inception is followed.
        first_synonym: Use only what stands before the first comma of a label.
        pictures: How many pictures are painted; the usual number of each evaluator when 0.
        steps: Steps of the solver for a picture.
        guidance: Weight of the caption in painting; 1 for none.
        churn: Noise that is added over all steps while pictures are painted; 0 adds none.
        seed: Seed of the first picture.
        processes: Processes that paint side by side; 0: one a core, up to 8, and one on a GPU.
        property: A Python file that measures a property of your own, which the run was taught; may be repeated.
        list: List the suites and evaluators, and stop.
    """
    if list:
        from majolica.eval.suites import describe_evaluators

        print(describe_evaluators())
        return
    if processes < 0:
        raise UserError(f"--processes is {processes}: give a number of processes, or 0 for as many as fit")
    options = EvaluatorConfig(
        data=data,
        labels=labels_file,
        templates=templates_file,
        extractor=extractor,
        weights=weights,
        resize=resize,
        first_synonym=first_synonym,
        pictures=pictures,
        steps=steps,
        guidance=guidance,
        churn=churn,
        seed=seed,
    )
    names = tuple(name.strip() for name in suite.split(",") if name.strip())
    if data and not names:
        raise UserError("--data names pictures for some evaluators: name these too, as in --suite zero-shot,probe")
    evaluate_place(run, names, options, processes, property)


def evaluate_place(
    place: Path,
    names: tuple[str, ...],
    options: EvaluatorConfig,
    processes: int,
    property_files: tuple[Path, ...] = (),
) -> None:
    """Evaluate a run, a checkpoint or a file of weights by suites and evaluators, and print the metrics.

    `property_files` measure the user's own properties that the run was taught.
    """
    check_ranges(options)
    from majolica.run.weights import home_of

    home = home_of(place)
    config_of_run(home, "", f"no run in {home}: train one (majolica demo), or name its folder")
    from majolica.eval.request import EvaluationRequest, result_files
    from majolica.eval.suites import EVALUATORS, SUITES

    for name in names:
        if name not in SUITES and name not in EVALUATORS:
            raise unknown_name("suite or evaluator", name, [*SUITES, *EVALUATORS])
    report, _ = result_files(home, names)
    check_writable(report)
    from majolica.eval.run import evaluate as evaluate_run

    with print_notices(), bar("evaluating") as progress:
        request = EvaluationRequest(place, names, options=options, property_files=property_files, processes=processes)
        metrics = evaluate_run(request, print_status, progress)
    for name, value in metrics.items():
        print(f"{name:24} {value:,.4g}" if isinstance(value, float) else f"{name:24} {value:,}")
    print(f"report: {report}")
