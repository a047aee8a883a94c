"""Limits the time that work beside the training, such as painting samples, may take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from majolica.train.state import Run


class TimeShare:
    """Measures how long some work takes, and tells whether its share of the time allows it again."""

    def __init__(self, share: float, option: str, run: Run) -> None:
        """Allow at most `share` of the training time from now on; 1 means no limit.

        `option` is the name of the option that sets the share, for messages.
        """
        self.share, self.option = share, option
        self.began = run.seconds
        """Training seconds that the run had when this process began or resumed it."""
        self.spent = self.last = 0.0
        """Seconds of the work: of all times together, and of the last time."""

    def is_left(self, run: Run) -> bool:
        """Return whether the share allows the work once more.

        It always allows the first time, and the last step of the run.
        """
        if not self.spent or run.step >= run.plan.steps or self.share >= 1:
            return True
        return self.spent + self.last <= self.share * (run.seconds - self.began)

    def describe_limit(self, subject: str) -> str:
        """Say why something is left out; `subject` names it and ends with "is" or "are"."""
        return (
            f"{subject} left out, as others will be: they take no more than {self.share:.2g} of the training time "
            f"({self.option})"
        )

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Measure the time of the `with` block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.last = time.perf_counter() - start
            self.spent += self.last
