"""Runs optional work: if it fails, training goes on and each kind of failure is reported once."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from majolica.errors import UserError, is_out_of_memory


class Guard:
    """Runs work whose failure must not end the training; `say` gets one line per kind of failure."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.said: set[str] = set()

    def __call__(self, work: Callable[[], None], failure: str) -> None:
        """Do `work`; if it fails, say `failure` and the reason, and print the traceback of what must be a bug."""
        try:
            work()
        except Exception as error:  # out of memory, a full disk, unexpected data
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            expected = isinstance(error, UserError | OSError) or is_out_of_memory(error)
            if not expected and type(error).__name__ not in self.said:
                traceback.print_exc()
            self.say_once(type(error).__name__, f"{failure} ({reason}); training goes on")

    def say_once(self, kind: str, message: str) -> None:
        """Say `message`, unless something of this kind was said before."""
        if kind not in self.said:
            self.said.add(kind)
            self.say(message)
