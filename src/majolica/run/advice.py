"""Commands on a run folder as a person types them, for messages that say what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path


def spell_command(words: str, run: Path) -> str:
    """The command `majolica WORDS RUN`, quoted so that it can be copied into a shell."""
    return f"majolica {words} {shlex.quote(str(run))}"
