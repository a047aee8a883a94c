"""Verbs, exit codes and what a mistyped command line is told."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from majolica import __version__, cli
from majolica.config.io import load_config
from majolica.recipes import recipe
from refusals import read_refusal


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    for verb in ("demo", "data openmoji", "train", "generate", "classify", "embed", "eval"):
        assert f"\n  {verb} " in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"majolica {__version__}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_verb_that_is_asked_to_stop_cleans_up_and_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    cleaned = []

    def verb(words: list[str]) -> None:
        try:
            signal.raise_signal(number)
            time.sleep(5)
        finally:
            cleaned.append(words)

    monkeypatch.setattr(cli, "_find_verb", lambda words: (verb, words[1:]))
    assert cli.main(["eval", "runs/demo"]) == 130
    assert cleaned == [["runs/demo"]] and capsys.readouterr().err == "majolica: interrupted\n"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*verb.split(), "--help"])
    assert ended.value.code == 0
    assert f"usage: majolica {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("trian nano", "unknown verb 'trian': did you mean 'train'?"),
        ("data opnmoji", "unknown kind of data 'opnmoji': did you mean 'openmoji'?"),
        ("data", "say which: majolica data fetch"),
        ("data --halp", "unknown kind of data '--halp'"),
        ("nothing --help", "unknown verb 'nothing'"),
        ("plan", "say what to plan first: majolica plan RECIPE ... (demo, nano"),
        ("generate fox brightness=0.5", "brightness=0.5 stands among the prompts: properties follow --set"),
        ("train", "say what to train first"),
        ("train nanno", "unknown recipe 'nanno': did you mean 'nano'?"),
        ("train none.yaml", "cannot read the configuration none.yaml"),
        ("train nano --model.patch 5", "model.patch 5 does not divide model.resolution 32: try 4"),
        ("train nano --model.properties brightnes", "did you mean 'brightness'?"),
        ("train small", "there is nothing to train on: give a folder of img2dataset tars with --data.shards DIR"),
        ("train nano", "majolica data openmoji --out data/openmoji --resolution 64` and"),
        ("train art", "--out data/art --resolution 128 --names 845 --objects 2 --samples 40000` and"),
        ("train --resume runs/none", "no run to resume in runs/none"),
        ("train --resume=runs/none", "no run to resume in runs/none"),
        ("train nano --resume runs/none", "leave 'nano' out"),
        ("eval", "no run in runs/demo"),
        ("generate", "nothing to paint"),
        ("generate dolphin --run none", "no run in none"),
        ("generate dolphin --set brightnes=1", "did you mean 'brightness'?"),
        ("classify", "nothing to classify"),
        ("classify x.png", "nothing to choose from"),
        ("embed", "nothing to embed"),
        ("embed x.png --out x.csv", "cannot write x.csv: name a file that ends in .npz or .safetensors"),
        ("data openmoji --resolution 99999999999999999999", "resolution must be at most 8192 px"),
        ("data tokenizer x --vocab 99999999999999999999", "--vocab is 99999999999999999999: 1,000,000 are the most"),
        ("plan nano --price nan", "--price nan: give a number"),
        ("plan nano --activation-gb nan", "--activation-gb must be above 0"),
        ("eval --processes -1", "--processes is -1"),
        ("demo --minutes 0", "--minutes is 0"),
        ("demo --minutes nan", "--minutes is nan"),
    ],
)
def test_mistakes_are_one_line_and_code_2(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    assert told in read_refusal(capsys, *words.split())


@pytest.mark.parametrize("group", ["data", "runs"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_a_group_lists_its_verbs(capsys: pytest.CaptureFixture[str], group: str, option: str) -> None:
    assert cli.main([group, option]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: majolica {group} KIND ")
    for verb, (text, _) in cli.VERBS.items():
        assert (f"  {verb} " in out and text in out) == verb.startswith(f"{group} ")


def test_print_config_is_the_recipe_with_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    words = "train nano --print-config --optim.lr 3e-4 --loss.drop_text 0.2 --data.no-flip"
    assert cli.main(words.split()) == 0
    Path("printed.yaml").write_text(capsys.readouterr().out)
    config = load_config(Path("printed.yaml"))
    assert (config.recipe, config.optim.lr, config.loss.drop_text, config.data.flip) == (
        "nano",
        3e-4,
        0.2,
        False,
    )
    assert config.model == recipe("nano").model
    assert cli.main(["train", "printed.yaml", "--print-config"]) == 0
    assert capsys.readouterr().out == Path("printed.yaml").read_text()


def test_dry_run_says_what_follows_or_what_training_would_refuse(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, says in (("reference", "--data.shards DIR"), ("nano", "no shards at data/openmoji/train")):
        assert cli.main(["train", words, "--dry-run"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and says in err and err.count("\n") == 1
    rehearsal = ModuleType("majolica.launch.rehearse")
    rehearsal.rehearse = lambda config, out, resume: []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "majolica.launch.rehearse", rehearsal)
    Path("mine").mkdir()
    assert cli.main(["train", "reference", "--dry-run", "--data.shards", "mine"]) == 0
    out, err = capsys.readouterr()
    assert "4,096" in out and "1,499,136,000" in out and out.endswith("shards         mine\n") and not err


RUN = "recipe: nano\n"
OUTPUTS = {
    "generate": ["fox", "--out", "OUT/x.png"],
    "embed": ["--texts", "fox", "--out", "OUT/x.npz"],
    "eval": ["OUT/run"],
    "eval coco": ["OUT/run", "--coco", "coco"],
    "calibrate": ["OUT/run"],
    "extend": ["OUT/run", "--property", "hue"],
    "train": ["nano", "--out", "OUT/run"],
    "demo": ["--out", "OUT/run"],
    "plan": ["nano", "--activation-gb", "1", "--picture", "OUT/x.png"],
    "data openmoji": ["--out", "OUT/data", "--samples", "1"],
    "data inspect": ["tars", "--out", "OUT/x.html"],
    "data tokenizer": ["tars", "--out", "OUT/x.model"],
    "data shard": ["pictures", "--out", "OUT/data"],
    "data fetch": ["--input", "rows.parquet", "--out", "OUT/data"],
    "data filter": ["laion2b-en", "--inputs", "rows.parquet", "--out", "OUT/data"],
}
WITHOUT_OUTPUT = {"classify", "data index", "runs compare"}
"""Two print, and one writes beside the tars, or nothing where it cannot."""


def test_every_verb_that_writes_is_asked_where_to() -> None:
    assert {*OUTPUTS, *WITHOUT_OUTPUT} == {*cli.VERBS}


@pytest.mark.parametrize("verb", sorted({*OUTPUTS} - {"calibrate", "eval", "eval coco", "extend"}))
@pytest.mark.parametrize("place", ["file", "/proc"])
def test_where_nothing_can_be_written_is_said_before_the_work(
    capsys: pytest.CaptureFixture[str], verb: str, place: str
) -> None:
    Path("file").write_text("")
    for name in ("tars", "pictures", "data/openmoji/train"):
        Path(name).mkdir(parents=True)
    words = [word.replace("OUT", place) for word in OUTPUTS[verb]]
    told = read_refusal(capsys, *verb.split(), *words)
    assert "cannot write" in told and place in told


def test_evaluation_says_before_the_work_that_it_cannot_write(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run/report.html").mkdir(parents=True)
    Path("run/config.yaml").write_text(RUN)
    assert "cannot write run/report.html: it is a folder" in read_refusal(capsys, "eval", "run")
    Path("run/report-coco.html").mkdir()
    assert "cannot write run/report-coco.html: it is a folder" in read_refusal(
        capsys, "eval", "coco", "run", "--coco", "coco"
    )
    Path("run/calibration.json").mkdir()
    assert "cannot write run/calibration.json: it is a folder" in read_refusal(capsys, "calibrate", "run")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "a.png: No space left on device"),
        (OSError(errno.ENOSPC, "No space left on device"), "the system refused: No space left on device"),
        (MemoryError(), "there is not enough memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried\n5 bytes"),
            "not enough memory",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "not enough memory"),
        (RuntimeError("PytorchStreamWriter failed: No space left on device"), "the disk refused"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (UnicodeEncodeError("utf-8", "b\udce4", 1, 2, "surrogates not allowed"), "is not UTF-8"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, raised: Exception, told: str
) -> None:
    def refuse(_: list[str]) -> None:
        raise raised

    monkeypatch.setattr(cli, "_find_verb", lambda words: (refuse, words[1:]))
    assert told in read_refusal(capsys, "eval")


@pytest.mark.parametrize("fault", [KeyError("flow"), RuntimeError("shapes differ"), ValueError("bug"), OSError("bug")])
def test_faults_of_the_program_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def fail(_: list[str]) -> None:
        raise fault

    monkeypatch.setattr(cli, "_find_verb", lambda words: (fail, words[1:]))
    with pytest.raises(type(fault)):
        cli.main(["eval"])


@pytest.mark.parametrize("words", [["--help"], ["eval", "--help"], ["train", "nano", "--print-config"]])
def test_output_to_a_full_disk_is_one_line(words: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    source = str(Path(cli.__file__).parents[1])
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "majolica", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env={**os.environ, "PYTHONPATH": source},
        )
    assert done.returncode == 2
    assert done.stderr == b"majolica: the system refused: No space left on device\n"


def test_an_interrupted_command_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: list[str]) -> tuple[object, list[str]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_find_verb", interrupted)
    assert cli.main(["train"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_stops_early_is_no_error() -> None:
    source = str(Path(cli.__file__).parents[1])
    command = f"PYTHONPATH={source} {sys.executable} -m majolica train demo --print-config | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
