"""What can become of a URL: one word for each row, the same in tables, statistics and the progress line."""

from __future__ import annotations

SUCCESS = "success"

# The row itself is at fault, so no host was asked.
BAD_URL = "bad_url"
SCHEME = "scheme"
PORT = "port"
CREDENTIALS = "credentials"
EMPTY_CAPTION = "empty_caption"

# Our rules refuse it, at the URL itself or at a redirect.
PRIVATE_ADDRESS = "private_address"
REDIRECTS = "redirects"
ROBOTS = "robots"
ROBOTS_UNREACHABLE = "robots_unreachable"
OPTED_OUT = "opted_out"

# The host could not be reached or did not answer well. Further words are http_404 and so on.
DNS = "dns"
NO_SUCH_HOST = "no_such_host"
CONNECTION = "connection"
TLS = "tls"
TIMEOUT = "timeout"
HOST_DOWN = "host_down"
BAD_RESPONSE = "bad_response"

# What the host sent cannot be used.
TOO_LARGE = "too_large"
EMPTY = "empty"
NOT_A_PICTURE = "not_a_picture"
DAMAGED = "damaged"
TOO_MANY_PIXELS = "too_many_pixels"
TOO_MUCH_MEMORY = "too_much_memory"
TOO_SMALL = "too_small"
ASPECT = "aspect"
DUPLICATE = "duplicate"

OF_PICTURES = frozenset({NOT_A_PICTURE, DAMAGED, TOO_MANY_PIXELS, TOO_MUCH_MEMORY, TOO_SMALL, ASPECT})
"""The words that img2dataset counts as failed_to_resize."""

_PASSING = frozenset({DNS, CONNECTION, TIMEOUT, HOST_DOWN, ROBOTS_UNREACHABLE})
_AT_ONCE = frozenset({DNS, CONNECTION})
_PASSING_CODES = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})


class Failure(Exception):
    """A URL that gives no picture. `status` is one of the words above, and `reason` is a line for people."""

    def __init__(self, status: str, reason: str = "", wait: float = 0.0) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason
        self.wait = wait
        """For how many seconds the host asks to be left alone."""


def name_status(code: int) -> str:
    """Return the status of an HTTP response that is neither 200 nor a redirect."""
    return f"http_{code}"


def may_pass(status: str) -> bool:
    """Return whether the same URL may work another day, so that `--retry-failed` asks for it again."""
    return status in _PASSING or _code(status) in _PASSING_CODES


def worth_repeating(status: str) -> bool:
    """Return whether the URL may work within seconds. After a timeout it may not, because its time is used up."""
    return status in _AT_ONCE or _code(status) in _PASSING_CODES


def host_is_ailing(status: str) -> bool:
    """Return whether the failure is a fault of the host rather than of the URL."""
    return status in (DNS, NO_SUCH_HOST, CONNECTION, TLS, TIMEOUT, "http_429", "http_503")


def _code(status: str) -> int:
    digits = status.removeprefix("http_")
    return int(digits) if digits != status else 0
