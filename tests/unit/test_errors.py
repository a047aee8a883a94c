"""Messages on unknown names and on values."""

from __future__ import annotations

from majolica.errors import shorten_value, unknown_name


def test_a_name_is_suggested_only_if_it_is_near() -> None:
    assert str(unknown_name("suite", "foo", ["coco", "probe"])) == "unknown suite 'foo': known are coco, probe"
    assert "did you mean 'hue'? Known are hue, crop" in str(unknown_name("property", "hu", ["hue", "crop"]))


def test_a_known_name_is_listed_once() -> None:
    assert str(unknown_name("property", "x", ["crop", "hue", "crop"])).endswith("known are crop, hue")


def test_text_is_told_from_a_number() -> None:
    assert (shorten_value("7"), shorten_value(7), shorten_value("a\nb")) == ("'7'", "7", r"'a\nb'")
    assert len(shorten_value("x" * 99)) == 60
