"""NSFW: how likely a picture is unsafe."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_number


def read(meta: Mapping[str, Any]) -> float:
    """The probability in LAION's or COYO's metadata."""
    return find_number(meta, "punsafe", "nsfw_score_opennsfw2", "nsfw_score_gantman")


PROPERTY = column_property("probability of unsafe content", 0.0, 1.0, read)
