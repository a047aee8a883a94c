"""Hosts, sites, block lists and opt-out lists."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.config.filter import DomainRule, RulesConfig
from majolica.data.filter.hosts import HOST, group_sql
from majolica.data.filter.run import filter_metadata
from majolica.data.filter.spelling import add_keys
from majolica.errors import UserError


@pytest.mark.parametrize(
    ("url", "host", "site"),
    [
        ("https://I.Pinimg.com/a/b.jpg", "I.Pinimg.com", "pinimg.com"),
        ("http://www.example.org", "www.example.org", "example.org"),
        ("http://user:pw@h.example.org:8080/x?y@z", "h.example.org", "example.org"),
        ("http://a.b.co.uk/x", "a.b.co.uk", "b.co.uk"),
        ("http://example.org?x=http://other.net/", "example.org", "example.org"),
        ("http://example.org#frag", "example.org", "example.org"),
        ("http://example.org./x", "example.org", "example.org"),
        ("http://Bücher.example/x", "Bücher.example", "xn--bcher-kva.example"),
        ("http://www.XN--bcher-KVA.example/x", "www.XN--bcher-KVA.example", "xn--bcher-kva.example"),
        ("http://192.168.1.20/x", "192.168.1.20", "192.168.1.20"),
        ("http://localhost/x", "localhost", "localhost"),
        ("/data/pictures/1.jpg", "pictures", "pictures"),
        ("1.jpg", "", ""),
    ],
)
def test_host_and_site(url: str, host: str, site: str) -> None:
    connection = duckdb.connect()
    add_keys(connection)
    found = connection.execute(
        f"SELECT host, {group_sql('site')} FROM (SELECT {HOST} AS host FROM (SELECT ? AS url))", [url]
    )
    assert found.fetchone() == (host, site)


URLS = [
    "http://bad.org/1",
    "http://img.bad.org/2",
    "https://WWW.BAD.ORG:80/3",
    "http://notbad.org/4",
    "http://bad.org.uk/5",
    "http://good.net/6",
    "http://good.net/7",
    "http://worse.co.uk/8",
]


def left(rule: DomainRule, tmp_path: Path, read: Any, small: Any) -> tuple[list[str], dict[str, int]]:
    pq.write_table(pa.table({"url": URLS, "text": ["t"] * len(URLS)}), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet", rules=RulesConfig(domain=rule)), tmp_path / "out")
    gone = {step["why"]: step["gone"] for step in found["steps"] if step["gone"]}
    return sorted(row["url"][-1] for row in read(tmp_path / "out")), gone


def test_a_domain_is_blocked_with_its_subdomains_and_no_other(tmp_path: Path, read: Any, small: Any) -> None:
    (tmp_path / "list.txt").write_text("# comment\n\n*.worse.co.uk\n")
    rule = DomainRule(blocked=("Bad.org",), blocked_files=(str(tmp_path / "list.txt"),))
    kept, gone = left(rule, tmp_path, read, small)
    assert kept == ["4", "5", "6", "7"]
    assert gone == {"domain on the block list": 4}


def test_opt_out_by_url_and_by_domain_from_text_and_parquet(tmp_path: Path, read: Any, small: Any) -> None:
    (tmp_path / "out.txt").write_text("http://good.net/6\nworse.co.uk\nhttp://elsewhere/\n")
    pq.write_table(
        pa.table({"URL": ["http://bad.org/1", None], "domain": ["notbad.org", None]}), tmp_path / "o.parquet"
    )
    rule = DomainRule(opt_out_files=(str(tmp_path / "out.txt"), str(tmp_path / "o.parquet")))
    kept, gone = left(rule, tmp_path, read, small)
    assert kept == ["2", "3", "5", "7"]
    assert gone == {"domain opted out": 2, "URL opted out": 2}


def test_a_cap_counts_all_spellings_of_a_host(tmp_path: Path, read: Any, small: Any) -> None:
    urls = [f"http://{host}/{i}" for i, host in enumerate(("Bücher.example", "xn--bcher-kva.example.", "a.example"))]
    pq.write_table(pa.table({"url": urls, "text": ["t"] * 3}), tmp_path / "a.parquet")
    rules = RulesConfig(domain=DomainRule(cap=1, cap_by="host"))
    filter_metadata(small(tmp_path / "a.parquet", rules=rules), tmp_path / "out")
    kept = [row["url"] for row in read(tmp_path / "out")]
    assert len(kept) == 2 and urls[2] in kept


def test_a_changed_list_is_another_run(tmp_path: Path, read: Any, small: Any) -> None:
    (tmp_path / "list.txt").write_text("bad.org\n")
    rule = DomainRule(blocked_files=(str(tmp_path / "list.txt"),))
    left(rule, tmp_path, read, small)
    (tmp_path / "list.txt").write_text("good.net\n")
    with pytest.raises(UserError, match="another filtered set"):
        left(rule, tmp_path, read, small)


def test_bad_lists(tmp_path: Path, read: Any, small: Any) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none.txt"):
        left(DomainRule(blocked_files=(str(tmp_path / "none.txt"),)), tmp_path, read, small)
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8 text: give one URL or domain on each line"):
        left(DomainRule(blocked_files=(str(tmp_path / "b.txt"),)), tmp_path, read, small)
    lines = ["https://bad.org", "0.0.0.0 bad.org", "bad.org/1", "bad.org:80", "bad.org # why", "bad.org;"]
    for line in (*lines, "bad.org,2024-01-01", '"bad.org"', "||bad.org^"):
        (tmp_path / "b.txt").write_text(f"good.net\n{line}\n")
        with pytest.raises(UserError, match=re.escape(f"b.txt: {line!r} is no domain and would match nothing")):
            left(DomainRule(blocked_files=(str(tmp_path / "b.txt"),)), tmp_path, read, small)
    with pytest.raises(UserError, match=r"b\.txt: '\|\|bad\.org\^' is no domain"):
        left(DomainRule(opt_out_files=(str(tmp_path / "b.txt"),)), tmp_path, read, small)
    with pytest.raises(UserError, match=r"--rules\.domain\.blocked: 'http://bad\.org' is no domain"):
        left(DomainRule(blocked=("http://bad.org",)), tmp_path, read, small)
    pq.write_table(pa.table({"link": ["x"]}), tmp_path / "o.parquet")
    with pytest.raises(UserError, match="no column url or domain, but link"):
        left(replace(DomainRule(), opt_out_files=(str(tmp_path / "o.parquet"),)), tmp_path, read, small)


def test_the_first_line_counts_behind_a_byte_order_mark(tmp_path: Path, read: Any, small: Any) -> None:
    (tmp_path / "list.txt").write_text("bad.org\n", encoding="utf-8-sig")
    _, gone = left(DomainRule(opt_out_files=(str(tmp_path / "list.txt"),)), tmp_path, read, small)
    assert gone == {"domain opted out": 3}


def test_entries_of_a_table_that_match_nothing_are_told(
    tmp_path: Path, read: Any, small: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pq.write_table(pa.table({"domain": ["good.net", "bad.org/1"]}), tmp_path / "o.parquet")
    left(DomainRule(opt_out_files=(str(tmp_path / "o.parquet"),)), tmp_path, read, small)
    assert "1 entry of the opt-out lists is neither a URL with its scheme nor a domain" in caplog.text
    assert "'bad.org/1'" in caplog.text
