"""What a verb is given, and what is said of options that it does not have."""

from __future__ import annotations

import io
import sys

import pytest
import tyro

from majolica.commands.command_line import call_verb
from refusals import read_refusal


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train nano --train.batch abc", "--train.batch takes a whole number, not 'abc'; see `majolica train --help`"),
        ("train nano --optim.lr fast", "--optim.lr takes a number, not 'fast'; see `majolica train --help`"),
        ("train nano --optim.lr", "--optim.lr has no value: give one after it; see `majolica train --help`"),
        ("extend R --lr x", "--lr takes a number, not 'x'; see `majolica extend --help`"),
        ("data tokenizer x --vocab x", "--vocab takes a whole number, not 'x'; see `majolica data tokenizer --help`"),
        ("generate fox --solver x", "--solver takes one of 'heun', 'euler', not 'x'; see `majolica generate --help`"),
        (
            "train nano --optim.lrr 3",
            "`majolica train` has no option --optim.lrr: did you mean --optim.lr? See `majolica train --help`",
        ),
        (
            "data filter private --url-column x",
            "`majolica data filter` has no option --url-column: did you mean --columns.url? See `majolica data filter"
            " --help`",
        ),
        (
            "generate dolphin --sise 96",
            "`majolica generate` has no option --sise: did you mean --size? See `majolica generate --help`",
        ),
        (
            "demo --minuts=3",
            "`majolica demo` has no option --minuts: did you mean --minutes? See `majolica demo --help`",
        ),
        ("plan --qqq nano", "`majolica plan` has no option --qqq: see `majolica plan --help`"),
        ("eval --run R", "--run is no option: give the run without it, as in `majolica eval RUN`"),
        ("runs compare --run=R", "--run is no option: give the run without it, as in `majolica runs compare RUN`"),
        (
            "generate fox --run R brightness=0.5",
            "brightness=0.5 stands alone: properties follow --set, as in --set brightness=0.5",
        ),
        (
            "generate fox --run R dog",
            "'dog' stands after an option: give all prompts together, before the options",
        ),
        ("plan nano 8", "'8' is a word too many: see `majolica plan --help`, and put quotes around what has spaces"),
    ],
)
def test_mistyped_options_are_one_line_in_our_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, told: str, encoding: str
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    assert read_refusal(capsys, *words.split()) == f"majolica: {told}\n"


def test_a_verb_gets_its_options_and_says_what_it_likes(capsys: pytest.CaptureFixture[str]) -> None:
    def verb(names: tyro.conf.Positional[tuple[str, ...]], /, size: int = 3) -> None:
        print(names, size)
        print("on the way", file=sys.stderr)
        raise SystemExit(5)

    with pytest.raises(SystemExit) as ended:
        call_verb(verb, ["a", "b", "--size", "4"], "majolica verb")
    assert ended.value.code == 5
    assert capsys.readouterr() == ("('a', 'b') 4\n", "on the way\n")
