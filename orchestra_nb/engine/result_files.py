"""Files of results: whole or not there at all, in a local folder or anywhere that fsspec reaches."""

from __future__ import annotations

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestra_nb.errors import InvalidSetting, ResultNotFound

if TYPE_CHECKING:
    from orchestra_nb.model.result_reference import ResultReference

#: Where a file becomes visible only when it was written whole, and a rename would copy it.
_ATOMIC_PROTOCOLS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"})
#: How a file begins that is named by its content.
_DIGEST = re.compile("[0-9a-f]{64}")


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


def delete_file(url: str) -> bool:
    """Delete a file; False where there is none, as far as its file system tells."""
    try:
        if _is_local(url):
            Path(url).unlink()
        else:
            files, path = _open_remote(url)
            files.rm_file(path)
    except FileNotFoundError:
        return False
    return True


def written_at(url: str) -> datetime | None:
    """Return when a file was last written; None where there is none, or its file system does not tell."""
    try:
        if _is_local(url):
            return datetime.fromtimestamp(os.stat(url).st_mtime, UTC)
        files, path = _open_remote(url)
        at = files.modified(path)
    except (FileNotFoundError, NotImplementedError):
        return None
    if not isinstance(at, datetime):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def delete_by_content(reference: ResultReference, decided_at: datetime) -> bool:
    """Delete the file of a result that nobody needs, where it is named by its content; False where it stays.

    Who writes the same content has the same file, and tells the store of it a moment later: a file that was written
    anew since it was decided stays. So does one that a user has named, since the next result may have the name.
    """
    name = reference.url.rpartition("/")[2]
    # looked at, since a shared store holds what others wrote: it shall lead to no other file
    if not _DIGEST.fullmatch(reference.digest) or not name.startswith(reference.digest):
        return False
    at = written_at(reference.url)
    return (at is None or at <= decided_at) and delete_file(reference.url)


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
