"""Numbers in words."""

from __future__ import annotations

from majolica.html.numbers import aspect_ratio, byte_size, count, duration, share, short


def test_words_for_numbers() -> None:
    spoken = [duration(s).replace("\N{NO-BREAK SPACE}", " ") for s in (0.234, 41, 60, 598, 12000, 838_800)]
    assert spoken == ["0.2 s", "41 s", "1 min", "9 min 58 s", "3 h 20 min", "9 d 17 h"]
    counted = [count(n).replace("\N{NO-BREAK SPACE}", " ") for n in (845, 115_200, 6_123_456, 2.5e9)]
    assert counted == ["845", "115 k", "6.12 M", "2.5 G"]


def test_sizes_and_ratios() -> None:
    sizes = [byte_size(x) for x in (0, 999, 1200, 15_000, 3.2e6, 4.5e12)]
    assert sizes == ["0 B", "999 B", "1.2 kB", "15 kB", "3.2 MB", "4.5 TB"]
    assert [aspect_ratio(x) for x in (1.0, 1.5, 0.5)] == ["1:1", "1.5:1", "1:2"]
    assert [share(1, 3), share(0, 7), share(0, 0)] == ["33.33%", "0.00%", ""]


def test_numbers_beside_an_axis() -> None:
    assert [short(x) for x in (0, 0.002, 20000, 1.5e6, 1e-5)] == ["0", "0.002", "20k", "1.5M", "1e-05"]
