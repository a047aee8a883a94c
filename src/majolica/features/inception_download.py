"""Downloading the published weights of Inception, once, into a cache."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.errors import UserError
from majolica.features.inception_weights import CANONICAL
from majolica.files import whole_file
from majolica.run.weights import digest

URLS = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
)
"""Where packages for FID publish the weights. The next is tried if one cannot be reached."""
_CHUNK = 1 << 20
_TIMEOUT = 30.0


class _Failed(Exception):
    """A download that did not succeed, and why."""


def cache_folder() -> Path:
    """Return the folder for downloads: $MAJOLICA_CACHE, or ~/.cache/majolica."""
    return Path(os.environ.get("MAJOLICA_CACHE") or Path.home() / ".cache" / "majolica")


def fetch_inception(progress: ReportProgress | None = None) -> Path:
    """Return the file with the published weights of Inception; download it if the cache does not have it (96 MB).

    A file counts only if its SHA-256 is the published one. Raises UserError if it cannot be downloaded or written.
    """
    folder = cache_folder()
    for name, sha256 in CANONICAL.items():
        if (folder / name).is_file() and digest(folder / name) == sha256:
            return folder / name
    reasons = []
    for url in URLS:
        path = folder / url.rsplit("/", 1)[1]
        try:
            _download(url, path, CANONICAL[path.name], progress or ignore_progress)
            return path
        except _Failed as failure:
            reasons.append(f"{url} ({failure})")
    raise UserError(
        f"the weights of Inception cannot be downloaded: {'; '.join(reasons)}. Download one of these files elsewhere"
        f" and name it as the weights, or put it into {folder}"
    )


def _download(url: str, path: Path, sha256: str, progress: ReportProgress) -> None:
    """Download `url` to `path`, which appears only if all of it has arrived as published."""
    hasher = hashlib.sha256()
    with whole_file(path, "set MAJOLICA_CACHE to another folder") as file:
        for chunk in _receive(url, progress):
            hasher.update(chunk)
            file.write(chunk)
        if hasher.hexdigest() != sha256:
            raise _Failed(f"its SHA-256 is {hasher.hexdigest()} and not {sha256}")


def _receive(url: str, progress: ReportProgress) -> Iterator[bytes]:
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                done += len(chunk)
                progress(done, total)
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _Failed(str(error).replace("\n", " ") or type(error).__name__) from error
