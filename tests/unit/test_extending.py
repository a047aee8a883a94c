"""docs/guide/extending.md is true: applied to a copy of the package, the blocks of each section are the whole change.

One process imports torch, which takes longest, and forks for each section: the fork imports that section's copy.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import majolica
from majolica.text.tokenizer import train_tokenizer

SOURCE = Path(majolica.__file__).parent
TESTS = Path(__file__).parents[1]
GUIDE = TESTS.parent / "docs" / "guide" / "extending.md"
BLOCK = re.compile(r"^`src/majolica/([^`]+)`[^\n]*:\n\n```(diff|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

TRAIN = """
import json, sys
from dataclasses import replace
from pathlib import Path
from majolica.launch.start import train
from majolica.sampling.pipeline import Pipeline
from tiny import tiny_run

def train_tiny(change, folder):
    start = tiny_run(Path(sys.argv[2]), steps=2)
    start = replace(start, data=replace(start.data, tokenizer=sys.argv[2] + "/tokenizer.model"))
    config = replace(start, train=replace(start.train, log_every=2, accumulate=1, trackers=()))
    train(change(config), Path(sys.argv[1]) / folder)
    return json.loads((Path(sys.argv[1]) / folder / "log.jsonl").read_text())
"""

HOST = """
import os, sys, torch, torch._dynamo, torch.distributed, torch.nn.parallel  # as the first optimiser would
for folder, data in map(str.split, sys.stdin):
    if not (child := os.fork()):
        said = os.open(folder + "/said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1), os.dup2(said, 2)
        sys.path.insert(0, folder + "/src")
        sys.argv = ["check", folder, data]
        code = 1
        try:
            exec(compile(open(folder + "/check.py").read(), "check", "exec"), {"__name__": "check"})
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Reads pairs of folders, runs the `check.py` of the first with the package in its `src`, and prints the exit code."""

CHECKS = {
    "a property": TRAIN
    + """
names = ("brightness", "warmth")
train_tiny(lambda c: replace(c, model=replace(c.model, properties=names)), "run")
painted = Pipeline.load(Path(sys.argv[1]) / "run").paint("a red square", properties={"warmth": 0.3}, steps=1)
assert painted.shape == (1, 3, 16, 16)
""",
    "an evaluator": """
import torch
from majolica.config.run import RunConfig
from majolica.config.evaluation import EvaluatorConfig
from majolica.eval.protocol import EvalData, Split
from majolica.eval.run import run_evaluators
from majolica.eval.context import make_context, without_judges
from majolica.eval.suites import build_evaluators

class Painter:
    def paint_request(self, request):
        grey = [torch.full((3, 4, 4), 255 * (i % 2), dtype=torch.uint8) for i, _ in enumerate(request.prompts)]
        return torch.stack(grey)

split = Split(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), ["a red square"], [{"names": ["square"]}])
data = EvalData(("square",), split, split)
context = make_context(RunConfig(), (), without_judges("none"), "", EvaluatorConfig())
found = build_evaluators(["variety"], context)
seconds = {}
[result] = run_evaluators(Painter(), data, found, seconds, print).values()
assert abs(result.metrics["variety"] - 0.5) < 1e-6 and "variety" in seconds
assert found["variety"].count_paintings(data) == 8
""",
    "a loss": TRAIN
    + """
from majolica.eval.report import CURVES
without = train_tiny(lambda c: c, "without")
heavy = train_tiny(lambda c: replace(c, loss=replace(c.loss, edges=10.0)), "heavy")
assert without["edges"] == heavy["edges"] > 0
assert abs(heavy["loss"] - without["loss"] - 10 * heavy["edges"]) < 1e-3 * heavy["loss"]
assert "edges" in CURVES
""",
    "a decoder": TRAIN
    + """
from majolica.config.checks import estimate_parameters
from majolica.models.majolica import Majolica
def bare(c):
    return replace(c, model=replace(c.model, decoder=replace(c.model.decoder, kind="convolution")))
assert train_tiny(bare, "run")["flow"] > 0
pipeline = Pipeline.load(Path(sys.argv[1]) / "run")
held = sum(value.numel() for name, value in pipeline.model.named_parameters() if name.startswith("decoder"))
assert held == 9 * 6 * 3 + 3 and pipeline.paint("a red square", size=32, steps=1).shape == (1, 3, 32, 32)
assert not Majolica(pipeline.config.model).decoder.leave.weight.any()
whole = replace(pipeline.config.model, decoder=replace(pipeline.config.model.decoder, kind="glaze"))
assert estimate_parameters(pipeline.config.model) < estimate_parameters(whole)
""",
    "a source of training data": """
import sys
from pathlib import Path
from majolica.data.store.shards import ShardSet
listing = Path(sys.argv[1], "all.list")
listing.write_text(f"{sys.argv[2]}/0.tar")
whole, listed = ShardSet(sys.argv[2]), ShardSet(listing)
assert len(listed) == len(whole) == 16 and listed.read(3) == whole.read(3)
assert listed.stamps == whole.stamps
""",
    "a source of metadata": """
from majolica.cli import main
assert main(["data", "filter", "museum", "--print-config"]) == 0
""",
    "a recipe": """
from majolica.cli import main
assert main(["train", "icons", "--data.threads", "2", "--print-config"]) == 0
""",
}
"""For each kind, a program that uses what the guide adds; its arguments are an empty folder and one of shards."""

PRINTED = {"a source of metadata": "recipe: museum", "a recipe": "recipe: icons"}


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """The blocks of each section of the guide: path in the package, kind of block, text."""
    parts = re.split(r"^## (.+)$", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {title.lower(): BLOCK.findall(text) for title, text in zip(parts[::2], parts[1::2], strict=True)}


def apply_block(package: Path, path: str, kind: str, block: str) -> None:
    """Write a new file, or change one: the lines of each hunk that are not added have to be there exactly once."""
    file = package / path
    if kind == "python":
        assert not file.exists(), f"{path} is there already"
        file.write_text(block, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    for hunk in block.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        assert text.count(before) == 1, f"{path} has this {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tar of 16 pictures of 32 x 32 pixels with captions, and a tokenizer beside it."""
    folder = tmp_path_factory.mktemp("shards")
    captions = [f"a {['red', 'blue'][i % 2]} square" for i in range(16)]
    with tarfile.open(folder / "0.tar", "w") as tar:
        for i, caption in enumerate(captions):
            picture = io.BytesIO()
            Image.new("RGB", (32, 32), caption.split()[1]).save(picture, "PNG")
            for name, data in ((f"{i}.png", picture.getvalue()), (f"{i}.txt", caption.encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    train_tokenizer(captions, folder / "tokenizer.model", 320)
    return folder


def test_every_section_is_tried() -> None:
    assert list(sections()) == list(CHECKS)


def test_the_table_counts_the_files() -> None:
    rows = re.findall(r"^\| \[([^]]+)\]\([^)]*\) \| (\d+) \|", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {name: int(count) for name, count in rows} == {name: len(blocks) for name, blocks in sections().items()}


@pytest.fixture(scope="module")
def run_check(shards: Path) -> Iterator[Callable[[Path], int]]:
    """Runs `check.py` of a folder with the package in its `src`; gives the exit code, and output as its file `said`."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as host:
        assert host.stdin is not None and host.stdout is not None
        asked, answers = host.stdin, host.stdout

        def run(folder: Path) -> int:
            print(folder, shards, file=asked, flush=True)
            return int(answers.readline())

        yield run


@pytest.mark.parametrize("kind", CHECKS)
def test_what_the_guide_adds_works(kind: str, tmp_path: Path, run_check: Callable[[Path], int]) -> None:
    package = tmp_path / "src" / "majolica"
    shutil.copytree(SOURCE, package)
    for path, sort, block in sections()[kind]:
        apply_block(package, path, sort, block)
    (tmp_path / "check.py").write_text(CHECKS[kind], encoding="utf-8")
    code, said = run_check(tmp_path), (tmp_path / "said").read_text(encoding="utf-8")
    assert code == 0, said
    assert PRINTED.get(kind, "") in said


def test_a_block_that_does_not_fit_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    apply_block(tmp_path, "a.py", "diff", " x = 1\n+z = 3\n@@\n-y = 2\n+y = 4\n")
    assert (tmp_path / "a.py").read_text() == "x = 1\nz = 3\ny = 4\n"
    with pytest.raises(AssertionError, match="0 times"):
        apply_block(tmp_path, "a.py", "diff", "-y = 2\n")
