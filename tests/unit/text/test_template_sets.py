"""The 80 templates of CLIP, templates of a user, and what is wrong with some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from majolica.errors import UserError
from majolica.text.template_sets import DEFAULT, find_templates, hash_texts, load_templates
from majolica.text.templates import TEMPLATES, check_template, choose_templates, label_prompt, left_out_notice


def test_the_templates_of_clip_are_80_with_one_bare_label_each() -> None:
    known = find_templates("imagenet")
    assert known.name == "imagenet"
    assert len(known.templates) == len(set(known.templates)) == 80
    assert all(template.count("{label}") == 1 and template.count("{") == 1 for template in known.templates)
    assert all(template.endswith(".") for template in known.templates)


def test_the_templates_of_clip_say_what_they_say_there() -> None:
    """The label is bare, also where CLIP's own grammar is wrong. These stand in its notebook, first and last too."""
    said = [label_prompt(template, "umbrella") for template in find_templates("imagenet").templates]
    assert said[0] == "a bad photo of a umbrella." and said[-1] == "a tattoo of the umbrella."
    for sentence in (
        "a origami umbrella.",
        "the umbrella in a video game.",
        "itap of my umbrella.",
        "art of a umbrella.",
    ):
        assert sentence in said
    words = " ".join(said)
    assert [words.count(word) for word in ("photo", "itap", "origami", "plushie", " my ")] == [43, 3, 2, 2, 2]


def test_the_default_is_that_of_classify() -> None:
    assert find_templates("default") is DEFAULT
    assert DEFAULT.templates == TEMPLATES
    assert [check_template(template) for template in TEMPLATES] == list(TEMPLATES)


def test_a_file_of_templates(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("\ufeffa photo of {}\r\n\n  the {label}!  \n", encoding="utf-8")
    known = find_templates(str(file))
    assert (known.name, known.templates) == ("mine.txt", ("a photo of {}", "the {label}!"))
    assert [label_prompt(t, "owl") for t in known.templates] == ["a photo of an owl", "the owl!"]
    assert [label_prompt(t, "grapes") for t in known.templates] == ["a photo of grapes", "the grapes!"]
    assert label_prompt("{label} {}"[:7], "curly {} brace") == "curly {} brace"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}\na photo\n", r"line 2: the template 'a photo' names the label nowhere: write \{\} where"),
        ("{} and {}\n", "line 1: the template .* names the label 2 times"),
        ("{} and {label}\n", "names the label 2 times"),
        ("{}\n\nsee {name} {}\n", "line 3: the template .* has further braces"),
        ("{} {{}}\n", "names the label 2 times"),
        ("{0}\n", "names the label nowhere"),
        ("{} }\n", "has further braces"),
        ("{}\na photo of a {}.\n", "line 2: .* would say 'a a fox', because {} is the label with its article"),
        ("The {}\n", "would say 'The a fox'"),
        ("a {}\n{}", "would say 'a a fox'"),
        ("see {}\nowl {}\nsee {}\n", "line 3: the template 'see {}' stands in line 1 already"),
        ("\n \n", "there are no templates in"),
    ],
)
def test_a_line_that_is_no_template_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "t.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        load_templates(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("ein Käfer {}".encode("latin-1"))
    with pytest.raises(UserError, match="it is not UTF-8 text"):
        find_templates(tmp_path / "latin.txt")
    with pytest.raises(UserError, match=r"No such file or directory; give a text file .* or the name imagenet"):
        find_templates("imagnet")


def test_hashes_tell_templates_and_their_order_apart() -> None:
    lists = (["a", "b"], ["b", "a"], ["ab"], ["a"])
    assert len({hash_texts(each) for each in lists}) == 4


def test_templates_that_would_cut_a_label_are_left_out_and_told_of() -> None:
    def count_words(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    templates = ("see the small {label}", "{label}", "one {label}")
    kept = choose_templates(count_words, ["red apple", "owl"], 3, templates)
    assert kept == ["{label}", "one {label}"]
    assert left_out_notice(kept, templates, 3).startswith("1 of 3 templates are left out")
    assert left_out_notice(templates, templates, 3) == ""
    with pytest.raises(UserError, match="in each of the 3 templates some label is longer than the 1 pieces"):
        choose_templates(count_words, ["red apple", "owl"], 1, templates)
