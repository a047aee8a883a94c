"""Whatever a copy calls its columns and however it types them, the same rows come out."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.config.filter import ColumnsConfig
from majolica.data.filter.columns import CANONICAL, Column, match_columns
from majolica.data.filter.run import filter_metadata
from majolica.errors import UserError

ROW = {
    "url": "http://h/1",
    "text": "a cat",
    "id": "12",
    "width": 640,
    "height": 480,
    "license": "?",
    "language": "en",
    "similarity": 0.5,
    "nsfw": "UNLIKELY",
    "punsafe": 0.25,
    "pwatermark": 0.125,
    "aesthetic": 5.5,
    "phash": "ff00000000000001",
}
# Name in the copy, canonical name, type, and the value in the copy where it is written otherwise.
LAION = [
    ("SAMPLE_ID", "id", pa.float64(), 12.0),
    ("URL", "url", pa.string(), None),
    ("TEXT", "text", pa.string(), None),
    ("HEIGHT", "height", pa.float64(), None),
    ("WIDTH", "width", pa.int32(), None),
    ("LICENSE", "license", pa.string(), None),
    ("NSFW", "nsfw", pa.string(), None),
    ("similarity", "similarity", pa.float64(), None),
]
JOINED = [
    ("punsafe", "punsafe", pa.float32(), None),
    ("pwatermark", "pwatermark", pa.float64(), None),
    ("hash", "phash", pa.int64(), 0xFF00000000000001 - 2**64),
]
COPIES = {
    "laion2b-en": LAION,
    "laion2b-multi": [*LAION, ("LANGUAGE", "language", pa.string(), None)],
    "joined": [*LAION, *JOINED],
    "aesthetic": [*LAION, *JOINED, ("AESTHETIC_SCORE", "aesthetic", pa.float64(), None)],
    "aesthetic v1": [
        ("url", "url", pa.string(), None),
        ("text", "text", pa.string(), None),
        ("aesthetic", "aesthetic", pa.float32(), None),
    ],
    "coyo": [
        ("id", "id", pa.int64(), 12),
        ("url", "url", pa.string(), None),
        ("text", "text", pa.string(), None),
        ("width", "width", pa.int64(), None),
        ("height", "height", pa.int64(), None),
        ("image_phash", "phash", pa.string(), "FF00000000000001"),
        ("clip_similarity_vitb32", "similarity", pa.float32(), None),
        ("clip_similarity_vitl14", "", pa.float32(), 0.9),
        ("nsfw_score_opennsfw2", "punsafe", pa.float32(), None),
        ("nsfw_score_gantman", "", pa.float32(), 0.9),
        ("watermark_score", "pwatermark", pa.float32(), None),
        ("aesthetic_score_laion_v2", "aesthetic", pa.float32(), None),
        ("num_faces", "", pa.int32(), 2),
    ],
    "nsfw as a number": [
        ("Url", "url", pa.large_string(), None),
        ("Caption", "text", pa.binary(), b"a cat"),
        ("nsfw", "punsafe", pa.float64(), None),
    ],
    "numbers as text": [
        ("url", "url", pa.string(), None),
        ("caption", "text", pa.dictionary(pa.int32(), pa.string()), None),
        ("width", "width", pa.string(), "640"),
        ("height", "height", pa.string(), "480"),
        ("similarity", "similarity", pa.string(), "0.5"),
    ],
}


@pytest.mark.parametrize("copy", COPIES)
def test_every_copy_becomes_the_same_row(copy: str, tmp_path: Path, read: Any, small: Any) -> None:
    arrays = {}
    for name, canonical, kind, value in COPIES[copy]:
        arrays[name] = pa.array([ROW[canonical] if value is None else value]).cast(kind)
    pq.write_table(pa.table(arrays), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    known = {canonical for _, canonical, _, _ in COPIES[copy]}
    assert read(tmp_path / "out") == [{name: ROW[name] if name in known else None for name in CANONICAL}]
    assert found["unusable_values"] == {}


def test_the_schema_is_always_the_same(tmp_path: Path, small: Any) -> None:
    pq.write_table(pa.table({"url": ["http://h/1"], "text": ["t"]}), tmp_path / "a.parquet")
    filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out/part-00000.parquet")
    kinds = {"VARCHAR": "string", "INTEGER": "int32", "FLOAT": "float", "UBIGINT": "string"}
    assert [(field.name, str(field.type)) for field in schema] == [(n, kinds[k]) for n, k in CANONICAL.items()]


def test_values_without_sense_become_unknown_and_are_counted(tmp_path: Path, read: Any, small: Any) -> None:
    columns = {
        "url": ["http://h/1", "http://h/2", "http://h/3", "http://h/4"],
        "text": ["a", None, "c", "d"],
        "width": ["12", "wide", "0", None],
        "height": [3e10, float("nan"), -1.0, 7.0],
        "similarity": [float("inf"), 0.5, None, float("nan")],
        "phash": ["zz00000000000001", "123", "00000000000000aa", None],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    rows = sorted(read(tmp_path / "out"), key=lambda row: row["url"])
    assert [row["width"] for row in rows] == [12, None, None, None]
    assert [row["height"] for row in rows] == [None, None, None, 7]
    assert [row["similarity"] for row in rows] == [None, 0.5, None, None]
    assert [row["phash"] for row in rows] == [None, None, "00000000000000aa", None]
    assert found["unusable_values"] == {"width": 2, "height": 3, "similarity": 2, "phash": 2}


@pytest.mark.parametrize("bad", [b"", b"\xff"], ids=["whole", "no utf8"])
def test_uuids_are_text(bad: bytes, tmp_path: Path, read: Any, small: Any) -> None:
    """As DuckDB writes them; a file with text that is no UTF-8 is read in another way."""
    raw = pa.array([b"a cat", b"a dog" + bad], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    ids = [UUID(int=7), None]
    kept = pa.array([each and each.bytes for each in ids], pa.uuid())
    pq.write_table(pa.table({"id": kept, "url": ["http://h/1", "http://h/2"], "text": text}), tmp_path / "a.parquet")
    filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    rows = sorted(read(tmp_path / "out"), key=lambda row: row["url"])
    assert [row["id"] for row in rows] == ["00000000-0000-0000-0000-000000000007", None]


def test_text_that_is_no_utf8_becomes_unknown_and_the_rest_is_read(tmp_path: Path, read: Any, small: Any) -> None:
    """DuckDB refuses the whole file, as do other readers that validate."""
    raw = pa.array([b"good", b"\xff\xfebad", None, "größe".encode(), b"nul\x00byte", b"x" * 100_000], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    table = pa.table({"URL": [f"http://h/{i}" for i in range(6)], "TEXT": text, "WIDTH": [1.0, 2, 3, 4, 5, 6]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    rows = sorted(read(tmp_path / "out"), key=lambda row: row["url"])
    assert [row["text"] for row in rows] == ["good", None, None, "größe", "nul\x00byte", "x" * 100_000]
    assert [row["width"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert found["unusable_values"] == {"text": 1}


def test_copies_of_both_kinds_in_one_run(tmp_path: Path, read: Any, small: Any) -> None:
    pq.write_table(
        pa.table({"URL": ["http://h/1"], "TEXT": ["a"], "WIDTH": [7.0], "HEIGHT": [5.0]}), tmp_path / "1.parquet"
    )
    pq.write_table(pa.table({"caption": ["b"], "width": [8], "url": ["http://h/2"]}), tmp_path / "2.parquet")
    filter_metadata(small(tmp_path), tmp_path / "out")
    rows = sorted(read(tmp_path / "out"), key=lambda row: row["url"])
    assert [(row["text"], row["width"], row["height"]) for row in rows] == [("a", 7, 5), ("b", 8, None)]


def test_an_unknown_schema_is_explained_in_one_line() -> None:
    present = {"LINK": "text", "Captions": "text", "w": "whole"}
    with pytest.raises(UserError) as raised:
        match_columns(ColumnsConfig(), present, "x.parquet")
    message = str(raised.value)
    assert "\n" not in message
    for part in (
        "x.parquet has no column for url, looked for as url; text, looked for as text, caption, alt_text",
        "It has: LINK, Captions, w.",
        "--columns.url",
        "`columns: {url: [",
    ):
        assert part in message


def test_a_mapping_from_the_configuration_and_exact_names_come_first() -> None:
    config = ColumnsConfig(url=("LINK",), text=("words", "text"))
    assert match_columns(config, {"link": "text", "text": "text"}, "") == {
        "url": Column("link", "text"),
        "text": Column("text", "text"),
    }
    both = {"URL": "text", "url": "text", "text": "text"}
    assert match_columns(ColumnsConfig(), both, "")["url"].name == "url"


def test_a_list_is_no_text() -> None:
    with pytest.raises(
        UserError, match=r"the column TEXT of x holds list<element: string>, which cannot be a text: .*--columns.text"
    ):
        match_columns(ColumnsConfig(), {"url": "text", "TEXT": "list<element: string>"}, "x")


TEXTS = {str(kind): kind for kind in (pa.string(), pa.large_string(), pa.string_view())}
BYTES = {str(kind): kind for kind in (pa.binary(), pa.large_binary(), pa.binary_view())}


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("kind", [*TEXTS, *BYTES])
def test_every_kind_of_text_is_text_wherever_it_is_used(
    kind: str, coded: bool, tmp_path: Path, read: Any, small: Any
) -> None:
    columns = {
        "url": ["http://h/ä", "http://h/b"],
        "caption": ["café au lait", None],
        "width": ["640", "wide"],
        "similarity": ["0.5", None],
        "phash": ["00000000000000aa", None],
        "nsfw": ["UNLIKELY", "NSFW"],
    }

    def column(values: list[str | None]) -> Any:
        raw = [value.encode() if value and kind in BYTES else value for value in values]
        if not coded:
            return pa.array(raw, (TEXTS | BYTES)[kind])
        return pa.array(raw, pa.binary() if kind in BYTES else pa.string()).dictionary_encode()

    pq.write_table(pa.table({name: column(values) for name, values in columns.items()}), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    first, second = sorted(read(tmp_path / "out"), key=lambda row: row["url"], reverse=True)
    assert (first["url"], first["text"], first["width"]) == ("http://h/ä", "café au lait", 640)
    assert (first["similarity"], first["phash"], first["nsfw"]) == (0.5, "00000000000000aa", "UNLIKELY")
    assert (second["text"], second["width"]) == (None, None)
    assert found["unusable_values"] == {"width": 1}


def test_bytes_that_are_no_utf8_are_counted_and_eight_of_them_are_a_hash(tmp_path: Path, read: Any, small: Any) -> None:
    columns = {
        "url": pa.array([b"http://h/1", b"http://h/2", b"http://h/\xff"], pa.large_binary()),
        "text": pa.array([b"caf\xe9", "café".encode(), b"x"], pa.large_binary()),
        "phash": pa.array([bytes.fromhex("ff000000000000aa"), None, None], pa.binary(8)),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    rows = sorted(read(tmp_path / "out"), key=lambda row: row["url"] or "")
    assert [(row["url"], row["text"], row["phash"]) for row in rows if row["url"]] == [
        ("http://h/1", None, "ff000000000000aa"),
        ("http://h/2", "café", None),
    ]
    assert found["unusable_values"] == {"url": 1, "text": 1}


def test_bytes_beside_text_that_is_no_utf8(tmp_path: Path, read: Any, small: Any) -> None:
    raw = pa.array([b"http://h/1", b"http://h/\xff"], pa.binary())
    url = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    coded = pa.array(["café".encode(), b"x"]).dictionary_encode()
    pq.write_table(pa.table({"url": url, "text": coded}), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    assert ("http://h/1", "café") in [(row["url"], row["text"]) for row in read(tmp_path / "out")]
    assert found["unusable_values"] == {"url": 1}


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.decimal128(9, 2)], ids=str)
def test_real_ids_keep_their_value(kind: Any, tmp_path: Path, read: Any, small: Any) -> None:
    ids = [Decimal("1.5"), Decimal(2), None]
    if not pa.types.is_decimal(kind):
        ids = [1.5, 2.0, None, float("nan"), 1e30, float("inf")]
    table = {"url": [f"http://h/{i}" for i in range(len(ids))], "text": ["t"] * len(ids), "id": pa.array(ids, kind)}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    read_ids = [row["id"] for row in sorted(read(tmp_path / "out"), key=lambda row: row["url"])]
    assert [float(value) if value else None for value in read_ids[:3]] == [1.5, 2, None]
    assert read_ids[1] == "2"
    if len(ids) > 3:
        assert (read_ids[3], float(read_ids[4]), read_ids[5]) == (None, pytest.approx(1e30), None)
        assert found["unusable_values"] == {"id": 2}


@pytest.mark.parametrize("mended", [False, True])
def test_json_is_unwrapped_where_text_is_wanted(mended: bool, tmp_path: Path, read: Any, small: Any) -> None:
    values = ['"a \\"red\\" fox"', "12", "null", '["a", "b"]', None, "{"]
    urls = [f"http://h/{i}".encode() for i in range(len(values) - 1)] + [b"http://h/\xff" if mended else b"http://h/5"]
    raw = pa.array(urls)
    url = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    caption = pa.ExtensionArray.from_storage(pa.json_(), pa.array(values))
    pq.write_table(pa.table({"url": url, "caption": caption}), tmp_path / "a.parquet")
    found = filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")
    texts = {row["url"]: row["text"] for row in read(tmp_path / "out")}
    assert [texts[f"http://h/{i}"] for i in range(5)] == ['a "red" fox', "12", None, None, None]
    assert found["unusable_values"]["text"] == 2
