"""Work that a training can do without: what goes wrong in it is said, each thing once, and training goes on."""

from __future__ import annotations

from collections.abc import Callable


class Guard:
    """Keeps failures away from the training. `say` hears of each kind of failure once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.said: set[str] = set()

    def __call__(self, work: Callable[[], None], failure: str) -> None:
        """Do `work`; if it fails, say `failure` and the reason."""
        try:
            work()
        except Exception as error:  # memory, a full disk, data that nobody foresaw
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.say_once(type(error).__name__, f"{failure} ({reason}); training goes on")

    def say_once(self, kind: str, message: str) -> None:
        """Say `message`, unless something of this kind was said before."""
        if kind not in self.said:
            self.said.add(kind)
            self.say(message)
