"""Named sets of templates: the one of `classify`, the 80 of CLIP, and those in a user's file.

The 80 templates in imagenet_templates.txt are those with which Radford et al. ("Learning Transferable Visual Models
From Natural Language Supervision", arXiv 2103.00020, section 3.1.4) classify ImageNet, in the order of
notebooks/Prompt_Engineering_for_ImageNet.ipynb of github.com/openai/CLIP. They write their own articles ("a origami
fox" among them), so that the label in them is bare.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from majolica.errors import UserError
from majolica.text.templates import TEMPLATES, check_template

IMAGENET = "imagenet"
"""The name by which the 80 templates of CLIP are asked for."""
_IMAGENET_FILE = Path(__file__).with_name("imagenet_templates.txt")


@dataclass(frozen=True)
class TemplateSet:
    """Templates with the name under which results report them."""

    name: str
    templates: tuple[str, ...]


DEFAULT = TemplateSet("default", TEMPLATES)
"""The templates that `classify` uses unless others are asked for."""


def find_templates(asked: str | Path) -> TemplateSet:
    """Return the set called `asked`: "default", "imagenet", or the path of a file as `load_templates` reads it.

    Raises UserError as that does; a file that is called like a set can be given as ./imagenet.
    """
    if str(asked) == DEFAULT.name:
        return DEFAULT
    if str(asked) == IMAGENET:
        return TemplateSet(IMAGENET, load_templates(_IMAGENET_FILE))
    return TemplateSet(Path(asked).name, load_templates(Path(asked)))


def load_templates(file: Path) -> tuple[str, ...]:
    """Return the templates in a UTF-8 text file, one a line; blank lines are passed over.

    `{}` stands for the label with its article, `{label}` for the bare label. Raises UserError, which names the line,
    for a line that is no template or that repeats another, and for a file that cannot be read or holds none.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"cannot read the templates in {file}: {error.strerror or error}; give a text file with one template a"
            f" line, or the name {IMAGENET}"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read the templates in {file}: it is not UTF-8 text; save it as UTF-8") from error
    lines: dict[str, int] = {}
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line:
            continue
        where = f"{file}, line {number}: "
        if line in lines:
            raise UserError(f"{where}the template {line!r} stands in line {lines[line]} already: give it once")
        lines[check_template(line, where)] = number
    if not lines:
        raise UserError(f"there are no templates in {file}: write one a line, such as a photo of {{}}")
    return tuple(lines)


def hash_texts(texts: tuple[str, ...] | list[str]) -> str:
    """Return the SHA-256 of texts in their order, by which results say which templates or labels they used."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
