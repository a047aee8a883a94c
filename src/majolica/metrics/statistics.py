"""Files of statistics of features in the .npz format, of our own and of other libraries."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from majolica.errors import UserError, to_printable
from majolica.files import write_atomic
from majolica.metrics.moments import Moments

UNKNOWN_COUNT = 2**53 + 1
"""The count of moments from a file that does not tell how many pictures it is of.

A reference of unknown count is taken for the truth. Scaling by a power of two keeps the covariance exact.
"""


@dataclass(frozen=True)
class Statistics:
    """Moments from a file, and the record that was saved with them; it is empty in files of other libraries."""

    moments: Moments
    record: Mapping[str, Any]

    @property
    def count(self) -> int | None:
        """How many features the moments are of; None if the file does not tell."""
        return None if self.moments.count >= UNKNOWN_COUNT else self.moments.count


def save_statistics(path: Path, moments: Moments, record: Mapping[str, Any]) -> None:
    """Write moments and a record of where they come from to an .npz file, atomically.

    It holds `mu`, `sigma` (the covariance), `count`, and `record` as JSON; pytorch-fid and clean-fid read
    the first two. Equal contents give equal bytes. Raises UserError if the file cannot be written, ValueError
    if there are fewer than two features, and TypeError if the record cannot be written as JSON.
    """
    arrays: dict[str, Any] = {
        "mu": moments.mean_D.cpu().numpy(),
        "sigma": moments.covariance_DD.cpu().numpy(),
        "count": np.int64(moments.count),
        "record": np.array(json.dumps(dict(record), sort_keys=True, ensure_ascii=False)),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomic(path, buffer.getvalue())


def load_statistics(path: Path) -> Statistics:
    """Read the statistics of an .npz file: our own, or of pytorch-fid, clean-fid or ADM (`mu` and `sigma`).

    Files of ADM that have both statistics and images give the statistics; the spatial ones (`mu_s`,
    `sigma_s`) are left aside. Pickled arrays are never read. Raises UserError if the file cannot be read,
    holds images or features instead, or is no mean and covariance: of wrong shapes, not finite, not
    symmetric, or with a negative variance.
    """
    arrays = _read_arrays(path, ("mu", "sigma", "count", "record"))
    mu, sigma = (_to_numbers(path, name, arrays[name]) for name in ("mu", "sigma"))
    if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
        shapes = f"mu of shape {mu.shape} and sigma of shape {sigma.shape}"
        raise UserError(f"{_called(path)} has {shapes}; statistics of D dimensions have (D,) and (D, D)")
    largest = float(np.abs(sigma).max(initial=0))
    if np.abs(sigma - sigma.T).max(initial=0) > 1e-6 * largest:
        raise UserError(
            f"{_called(path)} has a sigma that is not symmetric, so it is no covariance; make the file anew"
        )
    if sigma.diagonal().min(initial=0) < 0:
        raise UserError(f"{_called(path)} has a negative variance in sigma; make the file anew")
    count = _read_count(path, arrays.get("count"))
    scatter_DD = torch.from_numpy((sigma + sigma.T) / 2) * (count - 1)
    return Statistics(Moments(count, torch.from_numpy(mu), scatter_DD), _read_record(path, arrays.get("record")))


@contextlib.contextmanager
def _report_errors(path: Path) -> Iterator[None]:
    """Turn the many errors of an unreadable or damaged file into UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {_called(path)}: {error.strerror or error}") from error
    except (ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{_called(path)} is no whole .npz file of plain numbers; make or download it anew") from error


def _read_arrays(path: Path, wanted: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return those of the wanted arrays that the file has. Raises UserError if it has no `mu` or `sigma`."""
    with _report_errors(path), zipfile.ZipFile(path) as archive:
        present = _list_arrays(archive)
        if lacking := [name for name in ("mu", "sigma") if name not in present]:
            raise _lacks(path, lacking, present)
        return {name: _read_array(archive, name) for name in wanted if name in present}


def _list_arrays(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array. Its entry is read as a whole before it is understood, so that its checksum is checked first."""
    content = io.BytesIO(archive.read(f"{name}.npy"))
    array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    return array


def _lacks(path: Path, lacking: list[str], present: list[str]) -> UserError:
    """Return the error for a file without statistics, which says what it holds instead."""
    if "arr_0" in present:
        return UserError(f"{_called(path)} holds images (arr_0) and no statistics; measure the images instead")
    if features := [name for name in ("feats", "reps", "features") if name in present]:
        return UserError(f"{_called(path)} holds features ({features[0]}) and no statistics (mu, sigma)")
    return UserError(f"{_called(path)} lacks {' and '.join(lacking)}; it holds {_listed(present)}")


def _listed(names: list[str]) -> str:
    return ", ".join(map(to_printable, names[:10])) or "nothing"


def _to_numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "fiu":
        raise UserError(f"{_called(path)} has {name} of type {array.dtype}; it must be real numbers")
    numbers = np.ascontiguousarray(array, np.float64)
    if not np.isfinite(numbers).all():
        raise UserError(f"{_called(path)} has values in {name} that are infinite or not a number; make the file anew")
    return numbers


def _read_count(path: Path, count: NDArray[Any] | None) -> int:
    if count is None:
        return UNKNOWN_COUNT
    if count.shape != () or count.dtype.kind not in "iu" or int(count) < 2:
        raise UserError(f"{_called(path)} has a count that is no number of at least 2 pictures; make the file anew")
    return int(count)


def _read_record(path: Path, record: NDArray[Any] | None) -> dict[str, Any]:
    if record is None:
        return {}
    try:
        found = json.loads(str(record[()]))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{_called(path)} has a record that is no JSON object; make the file anew")
    return found


def _called(path: Path) -> str:
    return to_printable(path)
