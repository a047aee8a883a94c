"""Source: where a picture comes from."""

from collections.abc import Mapping
from typing import Any

from majolica.properties.columns import SOURCE_FOLDER, category_property, read_text


def read(meta: Mapping[str, Any]) -> str:
    """The name in the metadata, or else that of the folder of shards; "" where neither is known."""
    return read_text(meta, "source", "dataset", SOURCE_FOLDER)


PROPERTY = category_property("name of the source", read)
