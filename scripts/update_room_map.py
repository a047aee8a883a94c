"""Bring the map of rooms in docs/architecture.md up to date: `python scripts/update_room_map.py`.

The order of the rows and the column of imports follow from the tables of tests/unit/test_imports.py. The sentence on
what a room is for is kept; a new room gets an empty one, which is then yours to write.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
MARKERS = "<!-- rooms -->", "<!-- end of rooms -->"
ROOMS = "| room | what it is for | imports |\n|---|---|---|\n"
FILES = "| file | what it is for |\n|---|---|\n"
BETWEEN = "These files stand beside the rooms. They import no room, and every room may import them:"


def load_law() -> ModuleType:
    """tests/unit/test_imports.py as a module."""
    spec = importlib.util.spec_from_file_location("law_of_imports", ROOT / "tests" / "unit" / "test_imports.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def render_map(page: str, law: ModuleType) -> str:
    """`page` with its map as `law` has the rooms; the sentences are those of the page."""
    start, end = page.index(MARKERS[0]) + len(MARKERS[0]), page.index(MARKERS[1])
    sentences = dict(re.findall(r"^\| `([^`]+)` \| ([^|]*) \|", page[start:end], flags=re.MULTILINE))

    def row(name: str, *more: str) -> str:
        cells = [f"`{name}`", sentences.get(name, ""), *more]
        return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"

    rooms = [row(name, ", ".join(f"`{need}`" for need in sorted(needs))) for name, needs in law.ALLOWED.items()]
    rooms += [row(name, "all") for name in sorted(law.TOP, key=known_first(sentences))]
    files = [row(name) for name in sorted(law.FOR_ALL - {"__version__"}, key=known_first(sentences))]
    inside = f"\n\n{ROOMS}{''.join(rooms)}\n{BETWEEN}\n\n{FILES}{''.join(files)}\n"
    return page[:start] + inside + page[end:]


def known_first(sentences: dict[str, str]) -> Callable[[str], tuple[int, str]]:
    """A key that keeps the order of the page, with new names at the end."""
    order = {name: place for place, name in enumerate(sentences)}
    return lambda name: (order.get(name, len(order)), name)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(render_map(PAGE.read_text(encoding="utf-8"), load_law()), encoding="utf-8")
