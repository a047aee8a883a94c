"""Features of the real pictures of COCO, which are computed once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadPicture, explain_sample
from majolica.errors import UserError, to_printable
from majolica.eval.coco.annotations import Coco, CocoPicture
from majolica.eval.distances.measures import describe_extractor
from majolica.features.extractor import Extractor
from majolica.features.resize import REFERENCE, prepare_reference
from majolica.features.streaming import describe_all
from majolica.files import check_folder_writable, write_atomic
from majolica.machine import cores
from majolica.metrics.moments import Moments
from majolica.metrics.statistics import load_statistics, save_statistics
from majolica.plurals import counted

SIDE = 256
"""Side in pixels of the real pictures in the published protocol."""
BATCH = 64


@dataclass(frozen=True)
class CocoReference:
    """The features of real pictures."""

    moments: Moments
    features_BD: Tensor
    """In the order of the pictures."""
    record: dict[str, Any]
    """All on which the features depend; see `describe_reference`."""


def reference_folder(coco: Path, otherwise: Path) -> Path:
    """Return the folder in which features of COCO are kept: one beside its pictures, where all runs find them.

    It is `otherwise` if no folder can be made there.
    """
    folder = coco / "majolica-references"
    try:
        check_folder_writable(folder)
    except UserError:
        return otherwise
    return folder


def describe_reference(
    coco: Coco, pictures: Sequence[CocoPicture], extractor: Extractor, side: int = SIDE
) -> dict[str, Any]:
    """Return all on which the features of real pictures depend: the files, their preparation and the extractor.

    The files are known by their names and sizes, so that none has to be read. Raises UserError for a
    missing file.
    """
    return {
        "reference_split": coco.split,
        "reference_pictures": len(pictures),
        "reference_files_sha256": _hash_files(coco, pictures),
        "reference_side": side,
        "reference_resize": REFERENCE,
        "reference_format": "pixels of the decoded files, not compressed again",
        **describe_extractor(extractor),
    }


def load_or_describe(
    coco: Coco,
    pictures: Sequence[CocoPicture],
    extractor: Extractor,
    cache: Path,
    side: int = SIDE,
    progress: ReportProgress = ignore_progress,
) -> CocoReference:
    """Return the features of real pictures from the folder `cache`, or compute them and write them there.

    A picture is decoded in full (upright, sRGB), its short side becomes `side` pixels, the centre is cut
    out, and the pixels go to the extractor without being compressed again. The moments are written
    as a statistics file of their own, which can serve as a reference anywhere. Both files have
    the hash of `describe_reference` in their name, so those of other extractors, weights, sides or pictures
    are never mistaken for them.

    Raises UserError for files that are missing or cannot be decoded; it names them.
    """
    record = describe_reference(coco, pictures, extractor, side)
    statistics, features = cache_files(cache, record)
    features_BD = _load_features(features, len(pictures), extractor.width)
    if features_BD is None:
        batches = read_squares(coco, pictures, side)
        described = describe_all(extractor, batches, lambda done: progress(done, len(pictures)))
        features_BD = torch.cat(list(described))
        write_atomic(features, save({"features_BD": features_BD.contiguous()}, {"record": json.dumps(record)}))
        statistics.unlink(missing_ok=True)
    return CocoReference(_load_or_save_moments(statistics, features_BD, record), features_BD, record)


def _load_or_save_moments(path: Path, features_BD: Tensor, record: dict[str, Any]) -> Moments:
    with suppress(UserError):  # there is no file yet, or it is damaged
        return load_statistics(path).moments
    moments = Moments.of(features_BD)
    save_statistics(path, moments, record)
    return moments


def cache_files(cache: Path, record: dict[str, Any]) -> tuple[Path, Path]:
    """Return the paths of the statistics and of the features with this record."""
    mark = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    sha = str(record.get("extractor_weights_sha256", ""))[:12]
    words = (record["reference_split"], record["reference_pictures"], f"{record['reference_side']}px")
    name = "-".join(str(word) for word in ("coco", *words, record["extractor"], sha, mark) if word)
    return cache / f"{name}.npz", cache / f"{name}.safetensors"


def read_squares(coco: Coco, pictures: Sequence[CocoPicture], side: int) -> Iterator[Tensor]:
    """Yield the pictures as uint8 `(B, 3, side, side)`, in batches, decoded by several threads.

    At the first file that cannot be decoded, the files behind it are decoded too, without being
    yielded, and UserError names all that cannot be.
    """

    def read(picture: CocoPicture) -> Tensor | str:
        return _read_square(coco.path_of(picture), side)

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(pictures), BATCH):
            found = list(pool.map(read, pictures[start : start + BATCH]))
            if any(isinstance(each, str) for each in found):
                found += pool.map(read, pictures[start + BATCH :])
                raise _broken([each for each in found if isinstance(each, str)], coco)
            yield torch.stack([each for each in found if isinstance(each, Tensor)])


def _read_square(path: Path, side: int) -> Tensor | str:
    """Return the picture, or why it cannot be used."""
    try:
        return prepare_reference(decode(path.read_bytes()).image, side)
    except BadPicture as bad:
        return f"{to_printable(path.name)}: {explain_sample(bad)}"
    except OSError as error:
        return f"{to_printable(path.name)}: {error.strerror or error}"


def _broken(faults: Sequence[str], coco: Coco) -> UserError:
    some = "; ".join(faults[:10]) + ("; ..." if len(faults) > 10 else "")
    return UserError(
        f"{counted(len(faults), 'picture')} in {to_printable(coco.folder / coco.split)} cannot be read ({some}): unpack"
        f" {coco.split}.zip again"
    )


def _hash_files(coco: Coco, pictures: Sequence[CocoPicture]) -> str:
    seen = hashlib.sha256()
    for picture in pictures:
        try:
            size = coco.path_of(picture).stat().st_size
        except OSError as error:
            raise UserError(f"cannot read {to_printable(coco.path_of(picture))}: {error.strerror}") from error
        seen.update(f"{picture.file} {size}\n".encode("utf-8", "surrogateescape"))
    return seen.hexdigest()


def _load_features(path: Path, count: int, width: int) -> Tensor | None:
    """Return the features in a file of the cache; None if there is none, or if it is damaged."""
    try:
        with safe_open(path, "pt") as file:
            features_BD: Tensor = file.get_tensor("features_BD")
    except (OSError, SafetensorError):
        return None
    return features_BD if features_BD.shape == (count, width) else None
