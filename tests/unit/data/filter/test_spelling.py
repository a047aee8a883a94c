"""Opt-out lists and block lists cover URLs and hosts however they are written."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.config.filter import DomainRule, FilterConfig, RulesConfig, SampleConfig
from majolica.data.filter.run import filter_metadata
from majolica.data.filter.spelling import add_keys, plain_sql, url_key_sql
from majolica.data.filter.work import fingerprint
from majolica.data.urls import request_key

SAME = (
    *("http://example.com/~a.jpg", "HTTP://Example.com/~a.jpg#x", "http://example.com:80/~a.jpg"),
    *("http://example.com./~a.jpg", "http://example.com/%7Ea.jpg", "http://example.com/%7ea.jpg?"),
    *("http://example.com/b/../~a.jpg", "http://example.com/~a.jpg ", "http://example.com/./~a.jpg"),
)
FOREIGN = ("http://xn--bcher-kva.example/%C3%A4", "http://Bücher.example/ä", "http://BÜCHER.example./%c3%a4")
OTHERS = (
    *("https://example.com/~a.jpg", "http://example.com:8080/~a.jpg", "http://example.com/~A.jpg"),
    *(
        "http://example.com/~a.jpg?x",
        "http://www.example.com/~a.jpg",
        "http://bücher.example/",
        "http://buecher.example/ä",
    ),
)


def left(
    urls: list[str], rule: DomainRule, tmp_path: Path, read: Any, small: Any, **parts: Any
) -> tuple[list[str], Any]:
    """The URLs that stay, sorted, and how many rows went for each reason."""
    pq.write_table(pa.table({"url": urls, "text": ["t"] * len(urls)}), tmp_path / "a.parquet", row_group_size=50)
    config: FilterConfig = small(tmp_path / "a.parquet", rules=RulesConfig(domain=rule), **parts)
    found = filter_metadata(config, tmp_path / "out", restart=True)
    return sorted(row["url"] for row in read(tmp_path / "out")), {
        s["why"]: s["gone"] for s in found["steps"] if s["gone"]
    }


@pytest.mark.parametrize(
    ("kind", "entries"),
    [
        ("text", (SAME[0], FOREIGN[0])),
        ("text", (SAME[1], FOREIGN[1])),
        ("table", (f" {SAME[4]}\t", f"{FOREIGN[2]}\xa0")),
    ],
)
def test_an_entry_covers_every_spelling_of_its_url(
    kind: str, entries: tuple[str, ...], tmp_path: Path, read: Any, small: Any
) -> None:
    if kind == "text":
        (tmp_path / "list.txt").write_text("\n".join(entries), encoding="utf-8")
    else:
        pq.write_table(pa.table({"url": entries}), tmp_path / "list.parquet")
    (listed,) = tmp_path.glob("list.*")
    kept, gone = left([*SAME, *FOREIGN, *OTHERS], DomainRule(opt_out_files=(str(listed),)), tmp_path, read, small)
    assert kept == sorted(OTHERS)
    assert gone == {"URL opted out": len(SAME + FOREIGN)}


def test_many_spellings_in_several_buckets_and_a_share(tmp_path: Path, read: Any, small: Any) -> None:
    rng = random.Random(0)
    forms = [
        "http://h.org/{}",
        "HTTP://h.org/{}",
        "http://h.org:80/{}#{}",
        "http://H.org./{}",
        "http://h.org/%7E/../{}",
    ]
    urls = [rng.choice(forms).format(number, number) for number in range(1000)]
    (tmp_path / "list.txt").write_text("\n".join(f"http://h.org/{number}" for number in range(0, 1000, 2)))
    sample = SampleConfig(share=0.8, seed=3)
    every, _ = left(urls, DomainRule(), tmp_path, read, small, sample=sample)
    rule = DomainRule(opt_out_files=(str(tmp_path / "list.txt"),))
    kept, gone = left(urls, rule, tmp_path, read, small, sample=sample)
    opted = set(urls[::2])
    assert kept == [url for url in every if url not in opted]
    assert gone == {"outside the 0.8 share": 1000 - len(every), "URL opted out": len(every) - len(kept)}


HOSTS = (
    "http://bücher.example/1",
    "http://a.BÜCHER.example:80/2",
    "http://xn--bcher-kva.example./3",
    "http://XN--Bcher-kva.example#4",
)


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        ("blocked", " *.Bücher.example "),
        ("blocked_files", "Bücher.example"),
        ("opt_out_files", "*.xn--bcher-kva.example."),
        ("table", "\tWWW.bücher.EXAMPLE。 "),
    ],
)
def test_a_domain_is_covered_however_it_is_written(
    place: str, entry: str, tmp_path: Path, read: Any, small: Any
) -> None:
    (tmp_path / "list.txt").write_text(f"{entry}\n", encoding="utf-8")
    pq.write_table(pa.table({"domain": [entry]}), tmp_path / "list.parquet")
    value = {"blocked": entry, "table": str(tmp_path / "list.parquet")}.get(place, str(tmp_path / "list.txt"))
    rule = replace(DomainRule(), **{"opt_out_files" if place == "table" else place: (value,)})
    kept, _ = left([*HOSTS, *OTHERS[-2:]], rule, tmp_path, read, small)
    assert kept == [OTHERS[-1]]


def test_blanks_around_an_entry_of_a_table_do_not_matter(
    tmp_path: Path, read: Any, small: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pq.write_table(pa.table({"domain": [" h.org\xa0", "\n"], "url": ["", None]}), tmp_path / "list.parquet")
    rule = DomainRule(opt_out_files=(str(tmp_path / "list.parquet"),))
    assert left(["http://h.org/1", "http://i.org/1"], rule, tmp_path, read, small)[0] == ["http://i.org/1"]
    assert not caplog.records


def test_repeated_urls_and_caps_are_counted_as_they_are_written(tmp_path: Path, read: Any, small: Any) -> None:
    (tmp_path / "list.txt").write_text("http://elsewhere.org/\n")
    rule = DomainRule(opt_out_files=(str(tmp_path / "list.txt"),), cap=4)
    kept, gone = left([*SAME[:6], *FOREIGN, SAME[1]], rule, tmp_path, read, small)
    assert gone == {"the same URL again": 1, "more than 4 of one site": 2}
    assert set(FOREIGN) < set(kept)


def old_fingerprint(config: FilterConfig) -> str:
    """The fingerprint of before lists covered every spelling."""
    parts = asdict(config)
    del parts["engine"], parts["work"]["threads"], parts["work"]["memory_mb"]
    return hashlib.sha256(json.dumps([1, parts, []], sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize(
    "rule",
    [DomainRule(blocked=("a.org",)), *(DomainRule(**{f"{kind}_files": ("a",)}) for kind in ("blocked", "opt_out"))],
)
def test_work_of_before_is_reused_only_without_lists(rule: DomainRule) -> None:
    without, listed = FilterConfig(), FilterConfig(rules=RulesConfig(domain=rule))
    assert fingerprint(without, []) == old_fingerprint(without)
    assert fingerprint(listed, []) != old_fingerprint(listed)


ATOMS = (
    "a",
    "Z",
    "0",
    ".",
    "..",
    "/",
    "//",
    "?",
    "#",
    "%",
    " ",
    "ä",
    "\\",
    "[",
    "]",
    "{",
    "@",
    ":",
    "%zz",
    "%2e",
    "%c3",
)


def test_sql_and_python_agree_on_keys() -> None:
    rng = random.Random(0)
    parts = [*ATOMS, *map(chr, range(33, 127)), *(f"%{code:02X}" for code in range(256))]
    starts = ["http://h.org/", "https://h.org/a", "http://h.org/?", "http://H.org/", "http://1.2.3.4", "http://a_b-.c."]
    urls = [rng.choice(starts) + "".join(rng.choices(parts, k=rng.randrange(4))) for _ in range(5000)]
    with duckdb.connect() as connection:
        add_keys(connection)
        query = f"SELECT url, {url_key_sql('url')}, {plain_sql('url')} FROM (SELECT unnest(?) AS url)"
        found = connection.execute(query, [urls]).fetchall()
    assert [(url, key) for url, key, _ in found if key != request_key(url)] == []
    assert 1000 < sum(plain for _, _, plain in found) < 4000
