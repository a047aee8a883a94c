"""Compares the results of runs, and refuses to compare what was not measured in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from majolica.errors import UserError, shorten_text, unknown_name
from majolica.eval.records import EvaluationRecord, read_records

MISSING = "nothing"
OWN_EYE = "measured with the model's own embeddings, which change from step to step"


@dataclass(frozen=True)
class Comparison:
    """Records of the same evaluators of several runs."""

    runs: tuple[str, ...]
    records: Mapping[str, tuple[EvaluationRecord, ...]]
    """By evaluator, one record for each run."""
    left_out: Mapping[str, str]
    """By evaluator, why it is not compared."""

    def metrics(self, evaluator: str) -> list[str]:
        """Return the metrics of an evaluator that can be compared.

        Those that models measure with their own embeddings can only be compared if the model is the same.
        """
        records = self.records[evaluator]
        own = {name for record in records for name in record.self_judged}
        names = dict.fromkeys(name for record in records for name in record.metrics)
        one_model = len({record.weights for record in records}) == 1 and records[0].weights
        return [name for name in names if one_model or name not in own]

    def rows(self) -> list[tuple[str, str, tuple[float | None, ...]]]:
        """Return evaluator, metric and the values of the runs, None where a run lacks the metric."""
        return [
            (evaluator, name, tuple(record.metrics.get(name) for record in records))
            for evaluator, records in self.records.items()
            for name in self.metrics(evaluator)
        ]


def compare_runs(runs: Sequence[Path], only: Sequence[str] = ()) -> Comparison:
    """Compare the newest results of each evaluator that all runs have, or of the evaluators `only`.

    Of each later run the newest result is taken that was measured as the first run's newest. Raises UserError if there
    is none and names the field of the protocol that differs, or if the runs have no evaluator in common.
    """
    found = [read_records(run) for run in runs]
    by_name = [_group(records) for records in found]
    every = dict.fromkeys(name for groups in by_name for name in groups)
    for name in only:
        if name not in every:
            raise unknown_name("evaluator in these results", name, list(every))
    chosen, left_out = {}, {}
    for name in only or every:
        lacking = [str(run) for run, groups in zip(runs, by_name, strict=True) if name not in groups]
        if lacking:
            left_out[name] = f"{', '.join(lacking)} was not evaluated with it"
            continue
        chosen[name] = _match(name, runs, [groups[name] for groups in by_name])
    if not chosen:
        raise UserError(f"no evaluator has evaluated all of {', '.join(map(str, runs))}: evaluate each with the same")
    return Comparison(tuple(map(str, runs)), chosen, left_out)


def _group(records: Sequence[EvaluationRecord]) -> dict[str, list[EvaluationRecord]]:
    """Return the records by evaluator, the newest first."""
    groups: dict[str, list[EvaluationRecord]] = {}
    for record in reversed(records):
        groups.setdefault(record.evaluator, []).append(record)
    return groups


def _match(
    name: str, runs: Sequence[Path], candidates: Sequence[Sequence[EvaluationRecord]]
) -> tuple[EvaluationRecord, ...]:
    first, *others = candidates
    chosen = [first[0]]
    for run, records in zip(runs[1:], others, strict=True):
        like = [record for record in records if not find_difference(first[0].protocol, record.protocol)]
        if not like:
            field, here, there = find_difference(first[0].protocol, records[0].protocol) or ("", "", "")
            raise UserError(
                f"the results of {name} cannot be compared: {field} is {here} in {runs[0]} and {there} in {run};"
                " evaluate both in the same way, or name other evaluators with --only"
            )
        chosen.append(like[0])
    return tuple(chosen)


def find_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return the first field in which two protocols differ, with both values; None if they are alike."""
    for field in dict.fromkeys((*first, *second)):
        here, there = first.get(field, MISSING), second.get(field, MISSING)
        if here != there:
            return field, _format_value(here), _format_value(there)
    return None


def _format_value(value: Any) -> str:
    return shorten_text(", ".join(map(str, value)) if isinstance(value, list) else value)


def describe_comparison(comparison: Comparison) -> str:
    """Return a table of evaluators, metrics and runs; intervals follow values where they are known."""
    head = ["", *comparison.runs]
    lines = [head]
    for name, records in comparison.records.items():
        compared = comparison.metrics(name)
        steps = [f"step {record.step}" if record.step >= 0 else "step not known" for record in records]
        lines.append([name, *(steps if compared else ["(each model measures itself)"])])
        lines += [[f"  {metric}", *(_cell(record, metric) for record in records)] for metric in compared]
    text = _align(lines)
    return text + "".join(f"\n{name} is left out: {why}" for name, why in comparison.left_out.items())


def describe_drift(run: Path, only: Sequence[str] = ()) -> str:
    """Return a table of each metric of a run by optimiser step.

    Of results that were measured differently, those that were measured like the newest are shown. Raises UserError if
    there are no results.
    """
    groups = _group(read_records(run))
    for name in only:
        if name not in groups:
            raise unknown_name("evaluator in these results", name, list(groups))
    tables = []
    for name, records in groups.items():
        if only and name not in only:
            continue
        like = [each for each in records if each.step >= 0 and not find_difference(records[0].protocol, each.protocol)]
        by_step = {record.step: record for record in reversed(like)}
        if by_step:
            columns = [by_step[step] for step in sorted(by_step)]
            lines = [[name, *(f"step {record.step}" for record in columns)]]
            for metric in dict.fromkeys(metric for record in columns for metric in record.metrics):
                mark = " *" if metric in columns[-1].self_judged else ""
                lines.append([f"  {metric}{mark}", *(_cell(record, metric, with_interval=False) for record in columns)])
            tables.append(_align(lines))
    if not tables:
        raise UserError(f"the results of {run} are of files of weights, whose steps are not known")
    text = "\n\n".join(tables)
    return f"{text}\n\n* {OWN_EYE}" if " *" in text else text


def _cell(record: EvaluationRecord, metric: str, with_interval: bool = True) -> str:
    if metric not in record.metrics:
        return "-"
    value = f"{record.metrics[metric]:.4g}"
    if with_interval and metric in record.intervals:
        low, high = record.intervals[metric]
        return f"{value} ({low:.4g} to {high:.4g})"
    return value


def _align(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip() for line in lines
    )
