"""The sentences that a label is put into before it is compared with pictures: one set for `classify` and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.text.articles import with_article

TEMPLATES = ("{}", "a picture of {}", "a drawing of {}", "an illustration of {}")
"""`{}` is the label with its article."""


def label_prompt(template: str, label: str) -> str:
    """`template` with `label` in its place."""
    return template.format(with_article(label))


def choose_templates(
    count_pieces: Callable[[Sequence[str]], Sequence[int]],
    labels: Sequence[str],
    length: int,
    templates: Sequence[str] = TEMPLATES,
) -> Sequence[str]:
    """Those of `templates` in which no label is longer than `length` pieces; the first, the bare label, in any case.

    A small vocabulary spells the words of a sentence that it never met, and the label would fall off its end.
    """
    first, *rest = templates
    return [
        first,
        *(t for t in rest if max(count_pieces([label_prompt(t, label) for label in labels])) <= length),
    ]


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
