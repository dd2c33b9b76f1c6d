"""The files that a URL with wildcards names, on any file system that fsspec knows, with what tells versions apart.

fsspec's own ``glob`` takes a folder that cannot be read for an empty one, so the folder is listed first: what is wrong
with it is an error here. Listings are never taken from a cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from orchestra_nb.errors import FilesUnreachable
from orchestra_nb.model.file_arrivals import SeenFile

#: More files than this are no inbox, and would fill the store.
MOST_FILES: Final = 100_000
#: Where file systems say when a file was changed, the first that is there; and its entity tag.
_MODIFIED: Final = ("mtime", "LastModified", "last_modified", "updated", "modified", "modificationTime", "modify")
_ETAGS: Final = ("ETag", "etag", "md5Hash", "generation")
_WILDCARDS: Final = re.compile(r"[*?[]")
#: Numbers of seconds are below this until the year 5138, and numbers of milliseconds above since 1973.
_MOST_SECONDS: Final = 1e11


def list_files(url: str, storage: Mapping[str, object]) -> list[SeenFile]:
    """Return the files that a URL names now. May take as long as the store takes.

    Raises
    ------
    FilesUnreachable
        The store does not answer, refuses, or there is no library for it; the message says what is wrong.
    """
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **storage)
        files.invalidate_cache()
        infos = _infos(files, str(path).rstrip("/"))
    except FilesUnreachable:
        raise
    except Exception as error:  # of whichever library the file system has
        words = str(error).strip() or "it says nothing"
        raise FilesUnreachable(f"{url} cannot be looked at: {type(error).__name__}: {words}") from error
    if len(infos) > MOST_FILES:
        raise FilesUnreachable(f"{url} names {len(infos):,} files. {MOST_FILES:,} are the most that can be watched.")
    return [_seen(files, path, info) for path, info in sorted(infos.items())]


def _infos(files: Any, pattern: str) -> dict[str, dict[str, Any]]:
    first = _WILDCARDS.search(pattern)
    if first is None:
        try:
            info = files.info(pattern)
        except FileNotFoundError:
            _list(files, pattern.rpartition("/")[0])  # raises where that is what is wrong
            return {}
        return {} if info["type"] == "directory" else {pattern: info}
    folder, _, rest = pattern[: first.start()].rpartition("/")
    listed = _list(files, folder or files.root_marker)
    if "/" in pattern[first.start() :] or "**" in rest:
        listed = list(files.glob(pattern, detail=True).values()) if listed else []
        return {str(info["name"]): info for info in listed if info["type"] != "directory"}
    from fsspec.utils import glob_translate

    wanted = re.compile(glob_translate(pattern))
    return {
        str(info["name"]): info
        for info in listed
        if info["type"] != "directory" and wanted.match(str(info["name"]).rstrip("/"))
    }


def _list(files: Any, folder: str) -> list[dict[str, Any]]:
    """Return what is in a folder; in an object store none need be there before its first file."""
    try:
        return list(files.ls(folder, detail=True))
    except FileNotFoundError:
        protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        if "file" in protocols or "/" not in folder.strip("/"):
            raise FilesUnreachable(f"There is no folder {folder}.") from None
        return []


def _seen(files: Any, path: str, info: Mapping[str, Any]) -> SeenFile:
    size = info.get("size")
    return SeenFile(
        url=str(files.unstrip_protocol(path)),
        path=path,
        size_bytes=size if isinstance(size, int) else None,
        modified_at=_modified(files, path, info),
        etag=next((str(info[name]) for name in _ETAGS if isinstance(info.get(name), str | int)), ""),
    )


def _modified(files: Any, path: str, info: Mapping[str, Any]) -> datetime | None:
    value = next((info[name] for name in _MODIFIED if info.get(name) is not None), None)
    if value is None:
        try:
            value = files.modified(path)
        except Exception:  # most file systems that do not say it in a listing cannot say it at all
            return None
    try:
        return _time(value)
    except (ValueError, OverflowError, OSError):
        return None


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / (1000 if value > _MOST_SECONDS else 1), UTC)
    if isinstance(value, str):
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return None
