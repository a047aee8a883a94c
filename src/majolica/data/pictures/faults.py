"""Why a picture, or the sample that it belongs to, cannot be used."""

from __future__ import annotations

DAMAGED = "picture cannot be decoded"
UNKNOWN = "not a picture that can be read"
TOO_LARGE = "picture is too large"
OVER_BUDGET = "picture needs too much memory"


class BadSample(Exception):
    """A sample that cannot be read. The message is the reason, by which such samples are counted."""


class BadPicture(BadSample):
    """A picture that cannot be used: `reason` is one of the words above, `detail` is for people.

    The message, under which samples are counted, is the reason where no other is given.
    """

    def __init__(self, reason: str, detail: str = "", message: str = "") -> None:
        super().__init__(message or reason)
        self.reason, self.detail = reason, detail


def explain_sample(bad: BadSample) -> str:
    """The reason, and what more is known of this one sample."""
    detail = bad.detail if isinstance(bad, BadPicture) else ""
    return f"{bad} ({detail})" if detail and detail not in str(bad) else str(bad)


def to_one_line(error: Exception) -> str:
    """Return what `error` says, in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
