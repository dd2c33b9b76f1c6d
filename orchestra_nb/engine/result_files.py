"""Files of results: whole or not there at all, in a local folder or anywhere that fsspec reaches."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestra_nb.errors import InvalidSetting, ResultNotFound

#: Where a file becomes visible only when it was written whole, and a rename would copy it.
_ATOMIC_PROTOCOLS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"})


def normal_url(url: str | os.PathLike[str]) -> str:
    """Return where results stand: an absolute path for a local folder, else the URL without a slash at its end.

    Raises
    ------
    InvalidSetting
        The URL holds a password, which would end up in every record of a result.
    """
    text = os.fspath(url)
    if "://" in text and not text.startswith(("file://", "local://")):
        if urlsplit(text).password:
            raise InvalidSetting(
                "The URL for results holds a password. Leave it out, and configure it for fsspec: "
                "https://filesystem-spec.readthedocs.io/en/latest/features.html#configuration"
            )
        return text.rstrip("/")
    return os.path.abspath(os.path.expanduser(text.partition("://")[2] or text))


def read_file(url: str) -> bytes:
    """Return the content of a file.

    Raises
    ------
    ResultNotFound
        There is none.
    """
    try:
        if _is_local(url):
            return Path(url).read_bytes()
        files, path = _open_remote(url)
        return bytes(files.cat_file(path))
    except (FileNotFoundError, NotADirectoryError):
        raise ResultNotFound(f"The result at {url} is not there any more. Run the task again.") from None


def write_file(url: str, *parts: bytes) -> None:
    """Write a file, made of parts, for this user alone where the file system knows users.

    It appears at once and whole: a reader never sees a part of it, and of several writers the last one stays. Not
    flushed to the disk: after a loss of power it may be damaged, which its digest tells.
    """
    if _is_local(url):
        _write_local(Path(url), parts)
        return
    files, path = _open_remote(url)
    protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
    if protocols & _ATOMIC_PROTOCOLS:
        files.pipe_file(path, b"".join(parts))
        return
    files.makedirs(files._parent(path), exist_ok=True)
    temporary = f"{path}.{secrets.token_hex(8)}.part"
    try:
        files.pipe_file(temporary, b"".join(parts))
        files.mv(temporary, path)
    except BaseException:
        if files.exists(temporary):
            files.rm_file(temporary)
        raise


def delete_file(url: str) -> None:
    """Delete a file; nothing happens when there is none."""
    try:
        if _is_local(url):
            Path(url).unlink()
            return
        files, path = _open_remote(url)
        files.rm_file(path)
    except FileNotFoundError:
        pass


def move_file(url: str, target: str) -> None:
    """Give a file another name in the same place; one that has it already is replaced.

    Raises
    ------
    ResultNotFound
        There is no such file.
    """
    try:
        if _is_local(url):
            _make_folder(Path(target).parent)
            os.replace(url, target)
            return
        files, path = _open_remote(url)
        _, target_path = _open_remote(target)
        files.makedirs(files._parent(target_path), exist_ok=True)
        files.mv(path, target_path)
    except FileNotFoundError:
        raise ResultNotFound(f"The result at {url} is not there any more. Run the task again.") from None


def _make_folder(path: Path) -> None:
    """Make a folder; each that is made on the way is this user's alone, which Path.mkdir does for the last one only."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def _write_local(path: Path, parts: tuple[bytes, ...]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileNotFoundError:
        _make_folder(path.parent)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _is_local(url: str) -> bool:
    return "://" not in url


def _open_remote(url: str) -> tuple[Any, str]:
    """Return (file system, path in it)."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise InvalidSetting(f"Results cannot be at {url}: {error}") from None
    return files, str(path)
