"""Text similarity: how well a picture fits its caption, by CLIP."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import column_property, find_number


def read(meta: Mapping[str, Any]) -> float:
    """The cosine of the embeddings in LAION's or COYO's metadata."""
    return find_number(meta, "similarity", "clip_similarity_vitb32", "clip_similarity_vitl14")


PROPERTY = column_property("cosine similarity of picture and caption", 0.0, 0.6, read)
