"""The filter in plain Python, which says what should become of rows of metadata."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from majolica.config.filter import FilterConfig

Row = dict[str, Any]


@dataclass
class Oracle:
    """The same filter without SQL, partitions or care for speed."""

    config: FilterConfig

    def __call__(self, rows: list[Row]) -> tuple[list[Row], Counter[str]]:
        """The rows that stay, in order, and how many went under each rule."""
        config, gone = self.config, Counter[str]()
        kept = []
        for row in rows:
            rule = self.rule(row)
            gone[rule] += 1
            if not rule:
                kept.append({**row, "order": self.order(row["url"])})
        del gone[""]
        if config.dedup.url:
            kept = self.first(kept, "url", self.best_url, gone, "url_repeated")
        if config.dedup.picture:
            kept = self.first(kept, "phash", self.best_picture, gone, "picture_repeated")
        if config.dedup.distance:
            kept = self.apart(kept, gone)
        kept.sort(key=lambda row: row["order"])
        if config.rules.domain.cap:
            kept = self.capped(kept, gone)
        if config.sample.budget:
            gone["budget"] += max(0, len(kept) - config.sample.budget)
            kept = kept[: config.sample.budget]
        return kept, gone

    def order(self, url: str) -> int:
        digest = hashlib.md5(f"{self.config.sample.seed}:{url}".encode()).digest()
        return int.from_bytes(digest, "little")

    def rule(self, row: Row) -> str:
        rules = self.config.rules
        if row["url"] is None or row["url"].split("://")[0] not in rules.url.schemes:
            return "url"
        for name in ("resolution", "caption", "language", "similarity", "nsfw", "watermark", "aesthetic"):
            verdicts = getattr(self, name)(row, getattr(rules, name))
            if any(verdict is True for verdict in verdicts):
                return name
            if None in verdicts and getattr(rules, name).null == "drop":
                return name
        if self.order(row["url"]) >> 64 >= round(self.config.sample.share * 2**64):
            return "share"
        return ""

    # Each rule: for every limit that is on, True where it drops the row, None where it cannot say.

    def resolution(self, row: Row, rule: Any) -> list[bool | None]:
        if not (rule.min_side or rule.max_side or rule.max_pixels or rule.max_aspect):
            return []
        if row["width"] is None or row["height"] is None:
            return [None]
        low, high = sorted((row["width"], row["height"]))
        return [
            low < rule.min_side,
            bool(rule.max_side and high > rule.max_side),
            bool(rule.max_pixels and low * high > rule.max_pixels),
            bool(rule.max_aspect and high > rule.max_aspect * low),
        ]

    def caption(self, row: Row, rule: Any) -> list[bool | None]:
        limits = [(len, rule.min_chars, rule.max_chars), (lambda t: len(t.split()), rule.min_words, rule.max_words)]
        on = [(size, low, high) for size, low, high in limits if low or high]
        if row["text"] is None:
            return [None] if on else []
        return [not low <= size(row["text"].strip()) <= (high or 10**9) for size, low, high in on]

    def language(self, row: Row, rule: Any) -> list[bool | None]:
        if not rule.allowed:
            return []
        return [None if row["language"] is None else row["language"].lower() not in rule.allowed]

    def similarity(self, row: Row, rule: Any) -> list[bool | None]:
        if rule.min == -1 and rule.max == 1:
            return []
        return [None if row["similarity"] is None else not rule.min <= row["similarity"] <= rule.max]

    def nsfw(self, row: Row, rule: Any) -> list[bool | None]:
        out: list[bool | None] = []
        if rule.allowed:
            out.append(None if row["nsfw"] is None else row["nsfw"] not in rule.allowed)
        if rule.max_probability < 1:
            out.append(None if row["punsafe"] is None else row["punsafe"] > rule.max_probability)
        return out

    def watermark(self, row: Row, rule: Any) -> list[bool | None]:
        if rule.max_probability == 1:
            return []
        return [None if row["pwatermark"] is None else row["pwatermark"] > rule.max_probability]

    def aesthetic(self, row: Row, rule: Any) -> list[bool | None]:
        if rule.min == 0:
            return []
        return [None if row["aesthetic"] is None else row["aesthetic"] < rule.min]

    def first(self, rows: list[Row], key: str, best: Callable[[Row], Any], gone: Counter[str], why: str) -> list[Row]:
        groups: dict[Any, list[Row]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(row[key] if row[key] is not None else i, []).append(row)
        gone[why] += len(rows) - len(groups)
        return [min(group, key=best) for group in groups.values()]

    def best_url(self, row: Row) -> Any:
        numbers = [row[name] for name in ("width", "height")]
        texts = ("text", "id", "width", "height", "language", "nsfw", "punsafe", "pwatermark", "aesthetic", "phash")
        likeness = row["similarity"]
        return (
            -(numbers[0] * numbers[1]) if None not in numbers else 1,
            -likeness if likeness is not None else 2,
            [(row[name] is None, row[name] if row[name] is not None else 0) for name in texts],
        )

    def best_picture(self, row: Row) -> Any:
        known = row["width"] is not None and row["height"] is not None
        return (-(row["width"] * row["height"]) if known else 1, row["order"])

    def apart(self, rows: list[Row], gone: Counter[str]) -> list[Row]:
        kept: list[Row] = []
        for row in sorted(rows, key=self.best_picture):
            near = row["phash"] is not None and any(
                other["phash"] is not None
                and (int(row["phash"], 16) ^ int(other["phash"], 16)).bit_count() <= self.config.dedup.distance
                for other in kept
            )
            gone["picture_near"] += near
            kept += [] if near else [row]
        return kept

    def capped(self, rows: list[Row], gone: Counter[str]) -> list[Row]:
        seen = Counter[str]()
        kept = []
        for row in rows:
            host = row["url"].split("/")[2].removeprefix("www.")
            parts = 4 if host[0].isdigit() else 3 if host.endswith(".co.uk") else 2
            site = host if self.config.rules.domain.cap_by == "host" else ".".join(host.split(".")[-parts:])
            seen[site] += 1
            kept += [row] if seen[site] <= self.config.rules.domain.cap else []
        gone["domain_cap"] += len(rows) - len(kept)
        return kept
