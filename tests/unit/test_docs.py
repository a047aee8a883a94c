"""What README, CONTRIBUTING and the guides tell the reader to type exists: verbs, options, fields, scripts."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from majolica.cli import VERBS, main
from majolica.config.filter import FilterConfig
from majolica.config.run import RunConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/guide/*.md"))]
HELP_OF = {"train": ["train", "nano"], "data filter": ["data", "filter", "private"], "data fetch": ["data", "fetch"]}
FOREIGN = {"--within"}
"""Options of scripts, which stand in the text beside ours."""
PLACE = re.compile(r"\.\d+\.")
"""In an option, the place in a list, as in --data.sources.2.weight."""


def fields_of(config: type[Any], path: str = "") -> Iterator[str]:
    """Dotted names of all fields and of the groups that they stand in."""
    for field in dataclasses.fields(config):
        yield f"{path}{field.name}"
        inner = field.default_factory
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from fields_of(inner, f"{path}{field.name}.")


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each `majolica ...` of a page, in blocks and in the text: its line, and its words without comments."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"`(majolica [^`]+)`", text)]
    for line in lines:
        for part in re.split(r"&&", line):
            words = shlex.split(part, comments=True)
            if words and words[0] == "majolica":
                yield line, words[1:]


def verb_of(words: list[str]) -> str:
    """The verb that a command line begins with; "" where it has none that exists."""
    return next((verb for verb in (" ".join(words[:2]), *words[:1]) if verb in VERBS), "")


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """The options of every verb, from its help."""
    found = {}
    for verb in VERBS:
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
            main([*HELP_OF.get(verb, verb.split()), "--help"])
        found[verb] = set(re.findall(r"(?<![\w-])--?[a-z][\w.-]*", said.getvalue()))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_verbs_and_options_that_exist(page: Path, options: dict[str, set[str]]) -> None:
    for line, words in commands(page):
        verb = verb_of(words)
        assert verb or words[0].startswith("-") or words[0].isupper() or words == ["data"], f"no such verb: {line}"
        if verb:
            given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            unknown = {word for word in given - options[verb] if not PLACE.search(word)}
            assert not unknown, f"{verb} has no {sorted(unknown)}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_named_in_the_text_exist(page: Path, options: dict[str, set[str]]) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = {option for option in re.findall(r"`(--[a-z][\w.-]*)", text) if not PLACE.search(option)}
    assert not named - set.union(*options.values()) - FOREIGN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fields_named_in_the_text_exist(page: Path) -> None:
    groups = "model|data|loss|optim|train"
    named = set(re.findall(rf"`((?:{groups})\.[a-z_.]+)`", page.read_text(encoding="utf-8"))) - {"model.safetensors"}
    rooms = {f"data.{path.stem}" for path in (ROOT / "src" / "majolica" / "data").iterdir()}
    assert not named - set(fields_of(RunConfig)) - set(fields_of(FilterConfig)) - rooms


@pytest.mark.parametrize("page", [*PAGES, ROOT / "docs" / "architecture.md"], ids=lambda page: page.name)
def test_files_and_tests_named_in_the_text_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w/])((?:scripts|benchmarks|tests|examples)/[\w/.]+\.\w+)", text)
    if page.name != "extending.md":  # which names files that are yet to be made; a test of its own makes them
        paths += re.findall(r"`([a-z_]+/[\w/]+\.py)`", text)
    modules = re.findall(r"python -m (majolica[\w.]*|benchmarks[\w.]*)", text)
    roots = ROOT, ROOT / "src", ROOT / "src" / "majolica"
    for path in [*paths, *(f"{name.replace('.', '/')}.py" for name in modules)]:
        places = [root / name for root in roots for name in (path, f"{path.removesuffix('.py')}/__main__.py")]
        assert any(place.exists() for place in places), f"{page.name} names {path}, which is not there"
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, f"{page.name} names the test {name}, which is not there"
