"""Names of fields of metadata that came with the data and are called like fields of our own."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def rename_taken(names: Sequence[str], taken: Collection[str]) -> list[str]:
    """Return `names` with source_ in front of those that are `taken`, and once more where that name is in use too."""
    used = {*taken, *names}
    found = []
    for name in names:
        if name in taken:
            while name in used:
                name = f"source_{name}"
            used.add(name)
        found.append(name)
    return found
