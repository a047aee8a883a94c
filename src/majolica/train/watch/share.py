"""What is done beside a training takes no more than a share of its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from majolica.train.state import Run


class TimeShare:
    """The time that some work has taken, and whether there is time to do it once more."""

    def __init__(self, share: float, run: Run) -> None:
        """At most `share` of the training time from here on; 1 is without a limit."""
        self.share = share
        self.began = run.seconds
        """Training seconds behind the run when this process took it up."""
        self.spent = self.last = 0.0
        """Seconds in all, and those of the last time."""

    def is_left(self, run: Run) -> bool:
        """Whether once more is within the share; the first time and that of the last step always are."""
        if not self.spent or run.step >= run.plan.steps or self.share >= 1:
            return True
        return self.spent + self.last <= self.share * (run.seconds - self.began)

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Measure what is done inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.last = time.perf_counter() - start
            self.spent += self.last
