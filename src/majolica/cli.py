"""The command line: finds the verb, runs it, and turns errors into exit codes.

The verbs themselves are in `majolica.commands`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from majolica import __version__
from majolica.commands.terminal import keep_width_sane, print_any_text
from majolica.errors import UserError, says_out_of_memory, unknown_name
from majolica.machine import let_threads_sleep, use_free_cores, watch_cores
from majolica.signals import INTERRUPTED, interrupt_on_signals

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
    "extend": ("Teach a trained run a further property, and leave its own weights as they are.", "extend"),
    "calibrate": (
        "Correct the properties of a run, so that its pictures measure what was asked for.",
        "calibrate",
    ),
    "eval": ("Evaluate a run: metrics.json, results.jsonl and report.html in its folder.", "evaluate"),
    "eval coco": ("FID on MS-COCO.", "evaluate_coco"),
    "runs compare": ("Compare the results of runs, or those of one run by its steps.", "runs.compare"),
}
"""Verb -> its description, and the module of `majolica.commands` whose `run(args)` executes it."""


BRIEF = {"generate", "classify", "embed"}
"""Verbs that run for seconds only, so they use the cores that are free when they start."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line, `sys.argv` if `args` is None, and return its exit code.

    The code is 0 for success, 2 for a user's mistake or a lack of memory or disk space, and 130 for an
    interrupt.
    """
    let_threads_sleep()
    free_cores = watch_cores()
    keep_width_sane()
    print_any_text()
    words = list(sys.argv[1:] if args is None else args)
    return run_and_explain(lambda: _run(words, free_cores))


def run_and_explain(work: Callable[[], None]) -> int:
    """Do `work` and return the exit code for a program that does it, as `main` describes; an error is one line.

    The scripts and benchmarks of the repository use it too.
    """
    try:
        try:
            work()
        except SystemExit:  # after the help of a verb or of a script: print all of it before leaving
            sys.stdout.flush()
            raise
        return 0
    except UserError as error:
        print(f"majolica: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print("; ".join(["majolica: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has closed the pipe
        _drop_output()
        return 0
    except Exception as error:
        if not (explanation := explain(error)):
            raise
        print(f"majolica: {explanation}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # the disk that standard output goes to is full
            _drop_output()
        return 2


def explain(error: BaseException) -> str:
    """A line that explains an error of the machine (disk, memory, encoding) or of the input.

    Returns "" if the error may be a fault of the program, so that its traceback is shown.
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:
        places = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        reason = error.strerror or os.strerror(error.errno)
        return f"{' -> '.join(places)}: {reason}" if places else f"the system refused: {reason}"
    if isinstance(error, MemoryError) or says_out_of_memory(text):
        return "there is not enough memory: ask for less at once (fewer or smaller pictures, a smaller batch or model)"
    if any(words in text for words in _NO_ROOM):
        return f"the disk refused: {text[:200]}"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply to be read"
    if isinstance(error, UnicodeEncodeError) and _is_surrogate(error.object[error.start]):
        shown = error.object[max(0, error.start - 20) : error.start + 20].encode("ascii", "backslashreplace").decode()
        return f"{shown!r} is not UTF-8: use names in UTF-8, and a locale that has them (LC_ALL=C.UTF-8)"
    return ""


_NO_ROOM = ("No space left on device", "Read-only file system", "Disk quota exceeded")


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _drop_output() -> None:
    """Discard the output that is still buffered, because printing it at exit would fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str], free_cores: Callable[[], int]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage(), flush=True)
    elif words[0] in ("-V", "--version"):
        print(f"majolica {__version__}", flush=True)
    elif words[1:2] in (["-h"], ["--help"]) and words[0] not in VERBS and _list_kinds(words[0]):
        print(usage(words[0]), flush=True)
    else:
        run, rest = _find_verb(words)
        if words[0] in BRIEF:
            use_free_cores(free_cores)
        with interrupt_on_signals():
            run(rest)
            sys.stdout.flush()


def usage(group: str = "") -> str:
    """The text of `majolica --help`, or that of `majolica GROUP --help` for the verbs of a group, as of `data`."""
    verbs = {verb: text for verb, (text, _) in VERBS.items() if not group or verb.startswith(f"{group} ")}
    width = max(map(len, verbs)) + 2
    rows = "\n".join(f"  {verb:{width}}{text}" for verb, text in verbs.items())
    head = "" if group else f"majolica {__version__}: one model that sees and paints\n\n"
    return (
        f"{head}usage: majolica {f'{group} KIND' if group else 'VERB'} [options]\n\n{rows}\n\n"
        f"`majolica {f'{group} KIND' if group else 'VERB'} --help` lists a verb's options"
        f"{'' if group else '; `majolica train RECIPE --help` those of a recipe'}."
    )


def _list_kinds(group: str) -> list[str]:
    """The second words of the verbs that begin with `group`."""
    return sorted(verb.split()[1] for verb in VERBS if verb.startswith(f"{group} "))


def _find_verb(words: list[str]) -> tuple[Callable[[list[str]], None], list[str]]:
    """The function of the verb that `words` begin with, and the words after the verb."""
    for length in (2, 1):
        if (verb := " ".join(words[:length])) in VERBS:
            module = importlib.import_module(f"majolica.commands.{VERBS[verb][1]}")
            return module.run, words[length:]
    kinds = _list_kinds(words[0])
    if not kinds:
        raise unknown_name("verb", words[0], dict.fromkeys(verb.split()[0] for verb in VERBS))
    if len(words) > 1:
        raise unknown_name(f"kind of {words[0]}", words[1], kinds)
    raise UserError(f"say which: {', '.join(f'majolica {words[0]} {kind}' for kind in kinds)}")


if __name__ == "__main__":
    sys.exit(main())
