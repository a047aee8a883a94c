"""Aesthetic score: how beautiful people would find a picture, as a predictor says."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_number


def read(meta: Mapping[str, Any]) -> float:
    """The score of LAION's predictor, about 1 to 10."""
    return find_number(meta, "aesthetic", "aesthetic_score", "AESTHETIC_SCORE", "aesthetic_score_laion_v2")


PROPERTY = column_property("predicted aesthetic score", 1.0, 10.0, read)
