"""Comparing runs: what was measured alike is compared, and what was not is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from majolica import cli
from majolica.errors import UserError
from majolica.eval.comparison import compare_runs, describe_comparison, describe_drift
from majolica.eval.protocol import Result
from majolica.eval.records import FILE, EvaluationRecord, append_records, make_record, read_records

PROTOCOL = {"guidance": 2.0, "data_sha256": "ab"}
FD = EvaluationRecord("fd", {"fd": 3.0}, {"fd": [2.5, 3.5]}, PROTOCOL, "w", 100, "0", [], "now", 1.0)
NAMING = EvaluationRecord("zero-shot", {"top1": 0.9}, {}, {"data_sha256": "ab"}, "w", 100, "0", [], "now", 1.0)


def write(run: Path, *records: EvaluationRecord) -> Path:
    run.mkdir(exist_ok=True)
    append_records(run, records)
    return run


def test_they_are_kept_to_the_digit(tmp_path: Path) -> None:
    result = Result(
        "", {"fd": 1 / 3, "nothing": float("nan")}, protocol={"sizes": [1, 2]}, intervals={"fd": (0.1, 0.5)}
    )
    record = make_record("fd", result, "w", 7, 1.23456)
    append_records(tmp_path, [record])
    [found] = read_records(tmp_path)
    assert found == record and found.metrics == {"fd": 1 / 3} and found.intervals == {"fd": [0.1, 0.5]}


def test_a_torn_line_is_passed_over_and_spoils_no_other(tmp_path: Path) -> None:
    write(tmp_path, FD)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"evaluator": "fd", "met')
    write(tmp_path, NAMING)
    assert read_records(tmp_path) == [FD, NAMING]


def test_a_run_that_was_not_evaluated(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"has no {FILE}: evaluate the run first"):
        read_records(tmp_path)


def test_the_newest_that_was_measured_alike_is_compared(tmp_path: Path) -> None:
    a = write(tmp_path / "a", FD, replace(FD, metrics={"fd": 4.0}))
    other = replace(FD, metrics={"fd": 9.0}, protocol={**FD.protocol, "guidance": 3.0})
    b = write(tmp_path / "b", FD, other)
    found = compare_runs([a, b])
    assert found.rows() == [("fd", "fd", (4.0, 3.0))]
    assert "4 (2.5 to 3.5)" in describe_comparison(found)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("guidance", 3.0, "guidance is 2.0 in A and 3.0 in B"),
        ("data_sha256", "cd", "data_sha256 is ab in A and cd in B"),
        ("steps", 20, "steps is nothing in A and 20 in B"),
    ],
)
def test_unlike_protocols_are_refused_with_the_field(tmp_path: Path, field: str, value: object, said: str) -> None:
    a, b = write(tmp_path / "A", FD), write(tmp_path / "B", replace(FD, protocol={**FD.protocol, field: value}))
    with pytest.raises(UserError) as refusal:
        compare_runs([a, b])
    assert said in str(refusal.value).replace(f"{tmp_path}/", "")


def test_what_one_run_lacks_is_left_out_and_named(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", FD, NAMING), write(tmp_path / "b", NAMING)
    found = compare_runs([a, b])
    assert list(found.records) == ["zero-shot"] and list(found.left_out) == ["fd"]
    assert f"fd is left out: {b} was not evaluated with it" in describe_comparison(found)
    with pytest.raises(UserError, match="no evaluator has evaluated all"):
        compare_runs([a, b], ["fd"])
    with pytest.raises(UserError, match="zero-shot"):
        compare_runs([a, b], ["zero-shoot"])


def test_the_drift_of_a_run_is_a_column_for_each_step(tmp_path: Path) -> None:
    early, again = replace(FD, step=50, metrics={"fd": 8.0}), replace(FD, metrics={"fd": 2.0})
    other = replace(FD, step=75, protocol={"guidance": 1.0})
    write(tmp_path, early, other, FD, again)
    assert describe_drift(tmp_path) == "fd    step 50  step 100\n  fd  8        2"


def test_what_a_model_measures_with_its_own_eye_is_not_compared_with_another_model(tmp_path: Path) -> None:
    own = replace(FD, metrics={"fd": 3.0, "score": 1.0}, self_judged=["score"])
    a, b = write(tmp_path / "a", own), write(tmp_path / "b", replace(own, weights="others"))
    assert compare_runs([a, b]).rows() == [("fd", "fd", (3.0, 3.0))]
    c = write(tmp_path / "c", own)
    assert ("fd", "score", (1.0, 1.0)) in compare_runs([a, c]).rows(), "the same weights, measured twice"
    write(a, replace(own, step=200))
    assert "score *" in describe_drift(a) and "change from step to step" in describe_drift(a)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write(tmp_path / "a", FD), write(tmp_path / "b", FD)
    assert cli.main(["runs", "compare", str(a), str(b), "--json"]) == 0
    assert '"metric": "fd"' in capsys.readouterr().out
    write(b, replace(FD, protocol={}))
    assert cli.main(["runs", "compare", str(a), str(tmp_path / "c")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
