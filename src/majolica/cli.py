"""The command line: which verb, and how it ends. What a verb does is in `majolica.commands`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence

from majolica import __version__
from majolica.errors import UserError, unknown
from majolica.signals import INTERRUPTED, interruptible

VERBS = {
    "demo": ("From drawings to a trained model and a report, in one go.", "demo"),
    "data openmoji": ("Make shards of captioned pictures from OpenMoji drawings.", "data.openmoji"),
    "data filter": ("Choose rows of LAION, COYO or your own metadata: rules, duplicates, a budget.", "data.filter"),
    "data fetch": ("Download the pictures of chosen rows into shards.", "data.fetch"),
    "data shard": ("Make shards of a folder or a table of local pictures.", "data.shard"),
    "data index": ("Index tars that someone else made, as they are.", "data.index"),
    "data inspect": ("Look at shards: counts, sizes, captions, duplicates, a contact sheet.", "data.inspect"),
    "data tokenizer": ("Train a SentencePiece vocabulary on the captions of shards.", "data.tokenizer"),
    "plan": ("What a run needs: parameters, memory, communication, days, cost.", "plan"),
    "train": ("Train a recipe or a configuration file; resume a run.", "train"),
    "generate": ("Paint pictures from prompts.", "generate"),
    "classify": ("Say which of some labels fits a picture best.", "classify"),
    "embed": ("Write the embeddings of pictures and texts to a file.", "embed"),
    "eval": ("Evaluate a run: metrics.json and report.html in its folder.", "evaluate"),
}
"""Verb: what it is for, and the module of `majolica.commands` whose `run(args)` does it."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code: 0, 2 for the user's mistakes, 130 when interrupted."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(usage())
            return 0
        if words[0] in ("-V", "--version"):
            print(f"majolica {__version__}")
            return 0
        run, rest = _verb(words)
        with interruptible():
            run(rest)
            sys.stdout.flush()
        return 0
    except UserError as error:
        print(f"majolica: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print("; ".join(["majolica: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, say `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def usage() -> str:
    """What `majolica --help` prints."""
    width = max(map(len, VERBS)) + 2
    verbs = "\n".join(f"  {verb:{width}}{text}" for verb, (text, _) in VERBS.items())
    return (
        f"majolica {__version__}: one model that sees and paints\n\n"
        f"usage: majolica VERB [options]\n\n{verbs}\n\n"
        "`majolica VERB --help` lists a verb's options; `majolica train RECIPE --help` those of a recipe."
    )


def _verb(words: list[str]) -> tuple[Callable[[list[str]], None], list[str]]:
    for length in (2, 1):
        if (verb := " ".join(words[:length])) in VERBS:
            module = importlib.import_module(f"majolica.commands.{VERBS[verb][1]}")
            return module.run, words[length:]
    second = {verb.split()[1] for verb in VERBS if verb.startswith(f"{words[0]} ")}
    if not second:
        raise unknown("verb", words[0], dict.fromkeys(verb.split()[0] for verb in VERBS))
    if len(words) > 1 and words[1] not in ("-h", "--help"):
        raise unknown(f"kind of {words[0]}", words[1], sorted(second))
    raise UserError(f"say which: {', '.join(f'majolica {words[0]} {name}' for name in sorted(second))}")


if __name__ == "__main__":
    sys.exit(main())
