"""robots.txt as RFC 9309 defines it, and the header X-Robots-Tag.

Python's urllib.robotparser is not used, because it takes the first rule that matches instead of the longest, and knows
no wildcards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from majolica.config.fetch import PoliteConfig

MOST_BYTES = 512_000
MOST_RULES = 10_000
LONGEST_DELAY = 30.0
"""Seconds. A longer Crawl-delay counts as this one."""


@dataclass(frozen=True)
class Robots:
    """The rules for one agent: (path pattern, allowed), and the fewest seconds between two requests."""

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0

    def allows(self, path: str) -> bool:
        """Return whether `path`, with its query, may be asked. The longest pattern that matches decides; a tie
        allows."""
        path = _normal(path)
        if path == "/robots.txt":
            return True
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if matches_pattern(pattern, path)]
        return max(fitting, default=(0, True))[1]

    def size(self) -> int:
        """About how many bytes the rules take."""
        return sum(200 + len(pattern) for pattern, _ in self.rules)


ALLOW_ALL = Robots()


def parse_robots(text: str, agent: str) -> Robots:
    """Return the rules in `text` for the group of `agent`, or else for *. Groups of the same name are joined."""
    groups: dict[str, list[tuple[str, bool]]] = {}
    delays: dict[str, float] = {}
    names: list[str] = []
    naming = False
    for line in text.splitlines()[: 10 * MOST_RULES]:
        key, _, value = (part.strip() for part in line.partition("#")[0].partition(":"))
        key = key.lower()
        if key == "user-agent":
            names = [*names, value.lower()] if naming else [value.lower()]
            groups.setdefault(value.lower(), [])
            naming = True
        elif key in ("allow", "disallow"):
            naming = False
            for name in names:
                if value and len(groups[name]) < MOST_RULES:
                    groups[name].append((_normal(value), key == "allow"))
        elif key == "crawl-delay":
            naming = False
            delays.update(dict.fromkeys(names, _seconds(value)))
    ours = agent.lower() if agent.lower() in groups else "*"
    return Robots(tuple(groups.get(ours, ())), delays.get(ours, 0.0))


def matches_pattern(pattern: str, path: str) -> bool:
    """Return whether `path` begins as `pattern` says: * stands for anything, and a final $ for the end.

    It takes linear time.
    """
    whole = pattern.endswith("$")
    first, *parts = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    if not parts:
        return not whole or path == first
    place = len(first)
    for part in parts[:-1]:
        place = path.find(part, place)
        if place < 0:
            return False
        place += len(part)
    if whole:
        return path.endswith(parts[-1]) and len(path) - len(parts[-1]) >= place
    return path.find(parts[-1], place) >= 0


def opt_out(tags: Iterable[str], reservation: str | None, polite: PoliteConfig) -> str | None:
    """Return the word of `polite.opt_outs` by which the X-Robots-Tag headers `tags`, or TDM-Reservation, forbid the
    use.

    A tag may begin with the name of an agent, and then it concerns that agent only. `none` means noindex.
    """
    words = {word.lower() for word in polite.opt_outs}
    if "tdm-reservation" in words and (reservation or "").strip() == "1":
        return "tdm-reservation"
    for tag in tags:
        for said in _directives(tag, polite.user_agent.lower()):
            if said in words:
                return said
            if said == "none" and "noindex" in words:
                return "noindex"
    return None


_WITH_VALUES: Sequence[str] = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


def _directives(tag: str, agent: str) -> list[str]:
    found, ours = [], True
    for part in tag.lower().split(","):
        name, colon, rest = (piece.strip() for piece in part.partition(":"))
        if colon and name not in _WITH_VALUES:
            ours, name = name == agent, rest
        if ours:
            found.append(name)
    return found


def _normal(path: str) -> str:
    """Return a path in one spelling: a character is escaped only if it must be."""
    # %2F and %2A stay escaped, because decoding them would change what the pattern means.
    kept = path.replace("%2F", "%252F").replace("%2f", "%252F").replace("%2A", "%252A").replace("%2a", "%252A")
    return quote(unquote_to_bytes(kept), safe="/*$?&=+:@!,;'()[]~%")


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return min(seconds, LONGEST_DELAY) if seconds > 0 else 0.0
