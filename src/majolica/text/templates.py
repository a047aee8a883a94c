"""The sentences that a label is put into before it is compared with pictures: one set for `classify` and evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.errors import UserError
from majolica.text.articles import with_article

TEMPLATES = ("{}", "a picture of {}", "a drawing of {}", "an illustration of {}")
"""Templates that are used unless others are given. `{}` is the label with its article ("a fox", "grapes"), `{label}`
the bare label."""
_TWO_ARTICLES = re.compile(r"\b(?:an?|the|my|your|one|this|that|many|some) \{\}", re.IGNORECASE)


def check_template(template: str, where: str = "") -> str:
    """Return `template` if it names the label once; `where` begins the message, such as "templates.txt, line 3: ".

    Raises UserError for a template without `{}` or `{label}` or with several of them, for other braces, and for an
    article in front of `{}`, which has its own: "a photo of a {}." would become "a photo of a a fox.".
    """
    places = re.findall(r"\{label\}|\{\}", template)
    advice = "write {} where the label with its article stands, or {label} where it stands without"
    if len(places) != 1:
        raise UserError(f"{where}the template {template!r} names the label {_times(len(places))}: {advice}, once")
    if set("{}") & set(template.replace(places[0], "")):
        raise UserError(f"{where}the template {template!r} has further braces: leave them out; {advice}")
    if found := _TWO_ARTICLES.search(template):
        raise UserError(
            f"{where}the template {template!r} would say {found[0].replace('{}', 'a fox')!r}, because {{}} is the label"
            " with its article: write {label} in every template that has words of its own in front of the label"
        )
    return template


def read_templates(given: Sequence[str] | None) -> tuple[str, ...]:
    """The templates in `given`, each checked; `TEMPLATES` if it is None. UserError where there are none."""
    if given is None:
        return TEMPLATES
    if isinstance(given, str) or not given:
        raise UserError(f"the templates are {given!r}: give a list of strings such as {TEMPLATES[1]!r}")
    return tuple(check_template(template) for template in given)


def label_prompt(template: str, label: str) -> str:
    """`template` with `label` in its place: with its article at `{}`, bare at `{label}`."""
    return template.format(with_article(label), label=label.strip())


def choose_templates(
    count_pieces: Callable[[Sequence[str]], Sequence[int]],
    labels: Sequence[str],
    length: int,
    templates: Sequence[str] = TEMPLATES,
) -> Sequence[str]:
    """Those of `templates` in which no label is longer than `length` pieces.

    A small vocabulary spells the words of a sentence that it never met, and the label would fall off its end. If a
    label is longer in all of the usual templates, the first, which is the bare label, is used; in all of a user's
    own, that is a UserError.
    """
    fitting = [t for t in templates if max(count_pieces([label_prompt(t, label) for label in labels])) <= length]
    if not fitting and not set(templates) <= set(TEMPLATES):
        raise UserError(
            f"in each of the {len(templates)} templates some label is longer than the {length} pieces that this run"
            " reads: give shorter templates, or shorter labels"
        )
    return fitting or [templates[0]]


def left_out_notice(kept: Sequence[str], templates: Sequence[str], length: int) -> str:
    """One line on the templates that `choose_templates` left out; "" if it left out none."""
    if len(kept) == len(templates):
        return ""
    return (
        f"{len(templates) - len(kept)} of {len(templates)} templates are left out, because a label in them is longer"
        f" than the {length} pieces that this run reads"
    )


def _times(count: int) -> str:
    return f"{count} times" if count else "nowhere"


def embed_labels(
    embed_texts: Callable[[Sequence[str]], Tensor], labels: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> Tensor:
    """One unit-length embedding per label, `(K, E)`: normalise, average over templates, normalise again.

    The ensemble of Radford et al. (CLIP, arXiv 2103.00020, section 3.1.4). `embed_texts` gives `(K, E)` for K texts.
    """
    rows = []
    for template in templates:
        prompts = [label_prompt(template, label) for label in labels]
        rows.append(F.normalize(embed_texts(prompts).float(), dim=-1))
    return F.normalize(torch.stack(rows).mean(0), dim=-1)
