"""Writes the 1,797 handwritten digits of scikit-learn as captioned pictures: `python examples/digits.py digits`.

A stand-in for a folder of pictures of your own. With `pip install scikit-learn` (BSD licence; the digits are of the
UCI repository, CC BY 4.0), then:

    python examples/digits.py data/digits/pictures
    majolica data shard data/digits/pictures --out data/digits --heldout 0.2
    majolica train nano --data.shards data/digits/train --data.no-flip --out runs/digits
    majolica eval runs/digits
    majolica eval runs/digits --suite zero-shot --labels-file data/digits/pictures/labels.txt
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
INKS = {"black": (20, 20, 20), "blue": (30, 60, 180), "red": (190, 40, 40), "green": (30, 130, 60)}
SIDE = 32


def main(folder: Path) -> None:
    """Write a PNG and a .txt with its caption for each digit, in one of four inks, and the labels."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    for i, (strength_88, digit) in enumerate(zip(digits.images / 16, digits.target, strict=True)):
        ink = list(INKS)[i % len(INKS)]
        shade = (
            np.array(Image.fromarray((255 * strength_88).astype(np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)) / 255
        )
        pixels = 245 * (1 - shade[..., None]) + np.array(INKS[ink]) * shade[..., None]
        Image.fromarray(pixels.round().astype(np.uint8)).save(folder / f"{i:04d}.png")
        (folder / f"{i:04d}.txt").write_text(f"a handwritten {NAMES[digit]} in {ink} ink\n")
    (folder / "labels.txt").write_text("\n".join(NAMES) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
