"""The map of rooms in docs/architecture.md says what the import test enforces and what lies in the tree."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def load(path: Path) -> ModuleType:
    """A file of the repository as a module."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_of_repository", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = load(ROOT / "scripts" / "update_room_map.py")
LAW = SCRIPT.load_law()


def read_map() -> list[list[str]]:
    """The cells of all rows between the page's two markers, in order; the first cell is a name in backticks."""
    page = PAGE.read_text(encoding="utf-8")
    start, end = (page.index(marker) for marker in SCRIPT.MARKERS)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page[start:end].splitlines()]
    return [row for row in rows if row[0].startswith("`")]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_map_has_the_rooms_and_imports_of_the_import_test_in_their_order() -> None:
    found = {names_in(row[0])[0]: set(names_in(row[2])) for row in read_map() if len(row) == 3 and row[2] != "all"}
    assert found == LAW.ALLOWED, "run python scripts/update_room_map.py"
    assert list(found) == list(LAW.ALLOWED), "run python scripts/update_room_map.py"


def test_the_map_has_the_top_and_the_files_for_all() -> None:
    assert {names_in(row[0])[0] for row in read_map() if len(row) == 3 and row[2] == "all"} == LAW.TOP
    assert {names_in(row[0])[0] for row in read_map() if len(row) == 2} == LAW.FOR_ALL - {"__version__"}


def test_the_map_is_that_of_the_tree() -> None:
    named = [names_in(row[0])[0] for row in read_map()]
    assert sorted(named) == sorted({LAW.room(path) for path in LAW.modules()} - {"__init__", "data"})


def test_every_room_has_one_sentence() -> None:
    for row in read_map():
        assert re.fullmatch(r"[A-Z`][^|]*[a-z)`]\.", row[1]), f"say in one sentence what {row[0]} is for"


def test_the_script_changes_nothing_where_the_map_is_right_and_mends_it_where_it_is_not() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert SCRIPT.render_map(page, LAW) == page
    assert SCRIPT.render_map(page.replace(" | `config`, `models` |", " | `config` |"), LAW) == page


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", text):
        if "://" in target:
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}, which is not there"
        assert not anchor or anchor in slugs(path), f"{page} links to {target}#{anchor}, which is no heading"
