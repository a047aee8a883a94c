"""`majolica embed IMAGE... --out FILE`: embeddings of pictures and texts, for search and probes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.pictures import load_pictures
from majolica.commands.terminal import read_texts
from majolica.errors import UserError
from majolica.files import check_writable, write_atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from majolica.sampling.pipeline import Pipeline

BATCH = 64


def run(args: list[str]) -> None:
    """Parse `args` and embed."""
    tyro.cli(embed, args=args, prog="majolica embed")


def embed(
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE ...")],
    /,
    texts: tuple[str, ...] = (),
    run: Path = DEFAULT_RUN,
    out: Path = Path("embeddings.npz"),
) -> None:
    """Write unit-length float32 embeddings, rows x width: `image_embeddings`, `text_embeddings`.

    What each row is of stands beside them, as `images` and `texts`.

    Args:
        images: Image files.
        texts: Texts to embed beside them, each in quotes.
        run: Folder of the trained run.
        out: File to write, .npz (NumPy) or .safetensors.
    """
    texts = read_texts(texts, "text")
    if not images and not texts:
        raise UserError("nothing to embed: name image files, or give --texts")
    if out.suffix not in (".npz", ".safetensors"):
        raise UserError(f"cannot write {out}: name a file that ends in .npz or .safetensors")
    check_writable(out)
    from majolica.sampling.pipeline import Pipeline

    pipeline = Pipeline.load(run)
    arrays = {}
    if images:
        arrays["image_embeddings"] = _embed_files(pipeline, images)
    if texts:
        arrays["text_embeddings"] = pipeline.embed_texts(texts).float().cpu().numpy()
    write_atomic(out, _pack(out.suffix, arrays, [str(path) for path in images], list(texts)))
    shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in arrays.items())
    print(f"{out}: {shapes}")


def _embed_files(pipeline: Pipeline, paths: tuple[Path, ...]) -> NDArray[np.float32]:
    """BE embeddings, a few files in memory at a time."""
    import torch

    parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    rows = torch.cat([pipeline.embed_images(load_pictures(part, pipeline.resolution)) for part in parts])
    array: NDArray[np.float32] = rows.float().cpu().numpy()
    return array


def _pack(suffix: str, arrays: dict[str, NDArray[np.float32]], images: list[str], texts: list[str]) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    if suffix == ".safetensors":
        return save(arrays, metadata={"images": json.dumps(images), "texts": json.dumps(texts)})
    content = io.BytesIO()
    named = {"images": np.array(images, dtype=str), "texts": np.array(texts, dtype=str), **arrays}
    np.savez(content, allow_pickle=False, **named)
    return content.getvalue()
