"""Parquet files in any store that fsspec reaches: finding and opening them."""

from __future__ import annotations

from typing import Any

from majolica.data.store.table_kind import explain_text_tables
from majolica.errors import UserError

LOCAL = ("file", "local")
EXTRAS = {"s3": "majolica[s3]", "s3a": "majolica[s3]", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub"}


def find_tables(text: str) -> dict[str, str]:
    """Return the version of each file that a path, a glob, a folder or a URL stands for, by path, in order of names.

    A version changes when the content does: it is the size with an ETag or the time of change. Of a folder they are the
    parquet files in it and in the folders in it, without those whose names begin with a dot or an underscore. Paths are
    absolute, or URLs. Raises UserError if there is no such file, or if the store refuses.
    """
    fs, path = open_store(text)
    try:
        if any(sign in path for sign in "*?[") and not fs.exists(path):  # the name of a file may hold these signs
            hidden = path.rpartition("/")[2].startswith(".")
            names = [name for name in fs.glob(path) if not fs.isdir(name) and (hidden or "/." not in name)]
            what = "matches no file: give parquet files"
        elif fs.isdir(path):
            inside = [name for name in fs.find(path) if not _is_hidden(name, path)]
            names = [name for name in inside if name.endswith((".parquet", ".parq"))]
            advice = explain_text_tables(_full_path(fs, name) for name in inside) or ": give parquet files"
            what = f"holds no .parquet file{advice}"
        else:
            names, what = [path], ""
        infos = {name: fs.info(name) for name in sorted(names)}
    except FileNotFoundError:
        raise UserError(f"there is no {text}") from None
    except Exception as error:  # each store has its own errors
        raise UserError(f"cannot read {text}: {_explain(error, text)}") from error
    if not infos:
        raise UserError(f"{text} {what}")
    return {_full_path(fs, name): _version(info) for name, info in infos.items()}


def open_table(path: str) -> Any:
    """Open a local or remote file for reading in binary. Raises UserError if it cannot be opened."""
    fs, inner = open_store(path)
    try:
        return fs.open(inner, "rb")
    except Exception as error:  # each store has its own errors
        raise UserError(f"cannot read {path}: {_explain(error, path)}") from error


def open_store(text: str) -> tuple[Any, str]:
    """Return the file system of fsspec for a path or URL, and the path in it. Raises UserError if there is none."""
    try:
        import fsspec
    except ImportError as error:
        raise UserError("reading tables needs fsspec: pip install 'majolica[data]'") from error
    try:
        fs, path = fsspec.core.url_to_fs(text)
    except ImportError as error:
        package = EXTRAS.get(protocol_of(text), f"the fsspec package of {protocol_of(text)}")
        raise UserError(f"{text} needs another package: pip install '{package}'") from error
    except ValueError as error:
        raise UserError(f"cannot read {text}: {first_line(error)}") from error
    return fs, path


def protocol_of(path: str) -> str:
    """The protocol of a path, such as s3; it is file for paths of this machine."""
    protocol = path.partition("://")[0] if "://" in path else "file"
    return "file" if protocol in LOCAL else protocol


def first_line(error: BaseException) -> str:
    """The first line of an error of a library, without the name of its class."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.removeprefix("IO Error: ").removeprefix("Invalid Input Error: ")


def _is_hidden(name: str, folder: str) -> bool:
    inner = name.removeprefix(folder).strip("/")
    return any(part.startswith((".", "_")) for part in inner.split("/"))


def _full_path(fs: Any, name: str) -> str:
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return name if protocol in LOCAL else str(fs.unstrip_protocol(name))


def _version(info: dict[str, Any]) -> str:
    keys = ("ETag", "etag", "md5Hash", "blob_id", "mtime", "LastModified", "last_modified", "created")
    mark = next((info[key] for key in keys if info.get(key)), "")
    return f"{info.get('size')} {mark}"


def _explain(error: Exception, path: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error) or f"{type(error).__name__} from {protocol_of(path)}"
