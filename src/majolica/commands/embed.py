"""`majolica embed PICTURE... --out FILE`: embeddings of pictures and texts, for search and probes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.notices import print_notices
from majolica.commands.picture_files import PictureFiles, find_pictures
from majolica.commands.progress import bar
from majolica.commands.terminal import read_words
from majolica.errors import UserError
from majolica.files import check_writable, write_atomic
from majolica.plurals import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from majolica.sampling.pipeline import Pipeline

BATCH = 64


def run(args: list[str]) -> None:
    """Parse `args` and embed."""
    call_verb(embed, args, "majolica embed")


def embed(
    pictures: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PICTURE|FOLDER ...")],
    /,
    texts: tuple[str, ...] = (),
    run: Path = DEFAULT_RUN,
    out: Path = Path("embeddings.npz"),
) -> None:
    """Write unit-length float32 embeddings, rows x width: `image_embeddings`, `text_embeddings`.

    What each row is of stands beside them, as `images` and `texts`. A picture that cannot be read is named and left
    out, and the other pictures and the texts are written; the exit code then is 2.

    Args:
        pictures: Picture files, and folders that are searched for pictures.
        texts: Texts to embed beside them, each in quotes.
        run: Folder of the trained run.
        out: File to write, .npz (NumPy) or .safetensors.
    """
    texts = read_words(texts, "text")
    if not pictures and not texts:
        raise UserError("nothing to embed: name picture files or folders of them, or give --texts")
    if out.suffix.lower() not in (".npz", ".safetensors"):
        raise UserError(f"cannot write {out}: name a file that ends in .npz or .safetensors")
    paths = find_pictures(pictures)
    check_writable(out)
    from majolica.sampling.pipeline import Pipeline

    with print_notices():
        pipeline = Pipeline.load(run)
        arrays = {}
        if texts:
            arrays["text_embeddings"] = pipeline.embed_texts(texts).float().cpu().numpy()
        files = PictureFiles(paths, pipeline.resolution, pipeline.fit, BATCH, raises_single=not texts)
        named, rows_BE = _embed_files(pipeline, files)
        if named:
            arrays["image_embeddings"] = rows_BE
    if not arrays:
        asked_for = counted(len(paths), "picture")
        raise UserError(f"none of the {asked_for} could be read, as said above: nothing was written")
    write_atomic(out, _pack(out.suffix.lower(), arrays, [str(path) for path in named], list(texts)))
    shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in sorted(arrays.items()))
    print(f"{out}: {shapes}")
    files.check()


def _embed_files(pipeline: Pipeline, files: PictureFiles) -> tuple[list[Path], NDArray[np.float32]]:
    """The files that could be read, and their BE embeddings, a few files in memory at a time."""
    import numpy as np

    named: list[Path] = []
    parts: list[NDArray[np.float32]] = []
    with bar("embedding") as progress:
        for good, images_B3HW in files.read():
            parts.append(pipeline.embed_images(images_B3HW).float().cpu().numpy())
            named += good
            progress(len(named), len(files.paths))
    return named, np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _pack(suffix: str, arrays: dict[str, NDArray[np.float32]], images: list[str], texts: list[str]) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    if suffix == ".safetensors":
        return save(arrays, metadata={"images": json.dumps(images), "texts": json.dumps(texts)})
    content = io.BytesIO()
    named = {"images": np.array(images, dtype=str), "texts": np.array(texts, dtype=str), **arrays}
    np.savez(content, allow_pickle=False, **named)
    return content.getvalue()
