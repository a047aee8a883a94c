"""`majolica data filter` from the command line: sources, YAML, mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica import cli
from majolica.config.filter import FilterConfig
from majolica.config.io import read_config
from majolica.recipes.filter import source
from pages import read_page


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    n = 50
    columns = {
        "URL": [f"http://h{i % 3}.org/{i}" for i in range(n)],
        "TEXT": ["some words on it"] * n,
        "WIDTH": [100 + 20 * i for i in range(n)],
        "HEIGHT": [600] * n,
        "similarity": [0.35] * n,
        "NSFW": ["UNLIKELY"] * n,
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def filtered(*words: str) -> int:
    return cli.main(["data", "filter", *words])


def test_a_source_with_options(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "laion2b-en --inputs a.parquet --out chosen --sample.budget 10 --rules.domain.cap 4 --engine local"
    assert filtered(*words.split()) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("10 of 50 rows (20.00%) in 1 file in chosen, after ")
    assert "writing: 1 of 1" in captured.err
    assert pq.read_table("chosen/part-00000.parquet").num_rows == 10
    funnel = json.loads(Path("chosen/funnel.json").read_text())
    assert {step["rule"]: step["gone"] for step in funnel["steps"] if step["gone"]} == {
        "resolution": 8,
        "domain_cap": 30,
        "budget": 2,
    }
    page = Path("chosen/funnel.html").read_text()
    assert read_page(page).tags["svg"] == 7
    assert filtered(*words.split()) == 0  # finished already
    assert "10 of 50 rows" in capsys.readouterr().out


def test_print_config_reads_back(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "coyo-700m --inputs a b --dedup.distance 3 --rules.nsfw.null keep --columns.url LINK --sample.seed 4"
    assert filtered(*words.split(), "--print-config") == 0
    Path("c.yaml").write_text(capsys.readouterr().out)
    config = read_config(Path("c.yaml"), FilterConfig(), source)
    assert config.inputs == ("a", "b")
    assert (config.dedup.picture, config.dedup.distance, config.sample.seed) == (True, 3, 4)
    assert (config.rules.nsfw.null, config.columns.url) == ("keep", ("LINK",))
    assert filtered("c.yaml", "--print-config") == 0
    assert capsys.readouterr().out == Path("c.yaml").read_text()


def test_a_short_configuration_file(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.yaml").write_text("inputs: [a.parquet]\nrules:\n  resolution: {min_side: 500}\n")
    assert filtered("c.yaml", "--out", "chosen") == 0
    assert capsys.readouterr().out.startswith("30 of 50 rows")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "say by which rules first: majolica data filter SOURCE ... (laion2b-en"),
        ("laion2b", "unknown source 'laion2b': did you mean 'laion2b-en'"),
        ("none.yaml", "cannot read the configuration none.yaml"),
        ("bad.yaml", "bad.yaml: unknown key 'rules.resolution.min_sied': did you mean 'rules.resolution.min_side'"),
        ("private", "say where to: --out DIR"),
        ("private --out x", "say what to filter: --inputs"),
        ("private --out x --inputs *.nothing", "*.nothing matches no file"),
        ("private --out x --inputs other.parquet", "has no column for url"),
        (
            "coyo-700m --out x --inputs a.parquet",
            "the rule similarity needs similarity, looked for as clip_similarity_vitb32",
        ),
        (
            "private --rules.resolution.max-side 9",
            "rules.resolution.min_side 1024 is above rules.resolution.max_side 9",
        ),
        ("private --rules.similarity.min 0.4 --rules.similarity.max 0.3", "min 0.4 is above rules.similarity.max 0.3"),
        ("private --rules.caption.min-words 4 --rules.caption.max-words 3", "rules.caption.min_words 4 is above"),
        ("private --rules.nsfw.max-probability 1.5", "rules.nsfw.max_probability is 1.5: it must be between 0 and 1"),
        ("private --sample.share nan", "sample.share is nan: it must be between 0 and 1"),
        ("private --sample.budget -1", "sample.budget is -1: it must be at least 0"),
        ("private --rules.resolution.max-aspect 0.5", "max_aspect is 0.5: it must be at least 1"),
        ("private --dedup.distance 2", "turn dedup.picture on as well"),
        ("private --dedup.picture --dedup.distance 9", "dedup.distance is 9: it must be between 0 and 6"),
        ("private --dedup.no-url --rules.domain.cap 3", "leave dedup.url on"),
        ("private --out a.parquet --inputs a.parquet", "cannot write into a.parquet: it is a file; name a folder"),
    ],
)
def test_mistakes_are_one_line(table: Path, words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text("rules:\n  resolution: {min_sied: 500}\n")
    pq.write_table(pa.table({"x": [1]}), "other.parquet")
    assert filtered(*words.split()) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("majolica: ")
    assert captured.err.count("\n") == 1
    assert told in captured.err


def test_a_mistyped_option_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert filtered("private", "--sample.bugdet", "3") == 2
    assert "did you mean --sample.budget?" in capsys.readouterr().err
