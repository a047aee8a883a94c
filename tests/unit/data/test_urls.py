"""One key for all URLs for which `majolica data fetch` asks a server for the same thing."""

from __future__ import annotations

import pytest

from majolica.config.fetch import WebConfig
from majolica.data.fetch.status import Failure
from majolica.data.fetch.urls import first_url
from majolica.data.urls import host_key, host_of, parse_url, request_key

SAME = (
    (
        "http://example.com/a.jpg",
        "HTTP://Example.com/a.jpg#x",
        "http://example.com:80/a.jpg",
        "http://example.com./a.jpg",
    ),
    ("http://example.com/a.jpg", "\thttp://example.com/a.jpg ", "http://example.com/b/../%61.jpg"),
    ("http://example.com/a.jpg", "http://example.com:/a.jpg?"),
    ("https://example.com/", "https://example.com", "https://EXAMPLE.com:443", "https://example.com/#top"),
    ("http://xn--bcher-kva.example/%C3%A4%20b", "http://Bücher.example/ä b", "http://BÜCHER.example。/%c3%a4%20b"),
    ("http://example.com/~a?b=/+%26", "http://example.com/%7Ea?b=%2F %26", "http://example.com/%7ea?b=%2f+%26#"),
    ("http://[::1]:8080/", "http://[0:0::1]:8080", "http://[::1]:8080/#"),
)
OTHERS = (
    *(
        "http://example.com/a.jpg",
        "https://example.com/a.jpg",
        "http://example.com:8080/a.jpg",
        "http://example.com/A.jpg",
    ),
    *(
        "http://www.example.com/a.jpg",
        "http://example.com/a.jpg/",
        "http://example.com/a.jpg?x",
        "http://example.com//a.jpg",
    ),
    *("http://example.com/a%2Fb", "http://example.com/a/b", "http://example.com/?a+b", "http://example.com/?a%2Bb"),
)


def asked(text: str) -> tuple[object, ...]:
    """What `fetch` sends for a row, and where to; the Host header has no dot at its end."""
    url = first_url(text, WebConfig(ports=()))
    return url.scheme, (url.raw_host or "").rstrip("."), url.port, url.raw_path_qs


@pytest.mark.parametrize("urls", SAME, ids=lambda urls: urls[0])
def test_spellings_of_one_request_have_one_key(urls: tuple[str, ...]) -> None:
    assert {request_key(url) for url in urls} == {urls[0]}
    assert len({asked(url) for url in urls}) == 1


def test_other_requests_have_other_keys() -> None:
    assert len({asked(url) for url in OTHERS}) == len(OTHERS)
    assert [request_key(url) for url in OTHERS] == list(OTHERS)


def test_a_user_is_no_part_of_what_is_asked_for() -> None:
    assert request_key("http://me:secret@example.com/a") == "http://example.com/a"


@pytest.mark.parametrize(
    "text", ["", "a.jpg", "s3://Bucket/A", "http:///a", "http://[::1", "https://[::1]{]@", "http://./"]
)
def test_what_cannot_be_asked_for_stays(text: str) -> None:
    assert request_key(f" {text} ") == text


def test_hosts() -> None:
    names = ["Example.COM", " example.com.", "example。com"]
    assert {host_key(name) for name in names} == {"example.com"}
    assert host_key("Bücher.example") == host_key("XN--BCHER-KVA.example.") == "xn--bcher-kva.example"
    assert host_key("No host.") == "no host"


def test_brackets_in_the_wrong_place_are_a_bad_url() -> None:
    with pytest.raises(ValueError):
        parse_url("https://[::1]{]@")  # yarl itself raised IndexError here
    with pytest.raises(Failure):
        first_url("https://[::1]{]@", WebConfig())


def test_all_spellings_of_a_host_wait_in_one_queue() -> None:
    urls = ["http://Bücher.example/a", "https://XN--bcher-KVA.example./b", "http://bücher。example:8080/c"]
    assert {host_of(parse_url(url)) for url in urls} == {"xn--bcher-kva.example"}
    assert host_of(parse_url("/a")) == ""
