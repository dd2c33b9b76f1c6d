"""Which result a cache key has, kept as files: what a policy's ``key_storage`` asks for in place of the store.

So keys can be shared by machines that share a folder or a bucket and no database. There is no single flight here: of
two calls at once both run, and the last record stays.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from orchestra_nb.engine.result_files import delete_file, normal_url, read_file, write_file
from orchestra_nb.errors import ResultNotFound
from orchestra_nb.model.result_reference import ResultReference


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    cache_key: str
    task_name: str
    reference: ResultReference


class CacheRecords:
    """The records below one URL of fsspec, a file each. May be used from all threads and processes at once."""

    def __init__(self, url: str) -> None:
        self._url = normal_url(url)

    def find(self, cache_key: str, now: datetime) -> ResultReference | None:
        """Return a key's result, None when there is none or it has expired."""
        try:
            record = msgspec.json.decode(read_file(self._file(cache_key)), type=_Record)
        except (ResultNotFound, msgspec.DecodeError):  # a damaged record is as good as none
            return None
        return None if record.reference.is_expired(now) else record.reference

    def put(self, cache_key: str, reference: ResultReference, *, task_name: str) -> None:
        """Record a key's result, in place of an earlier one."""
        record = _Record(cache_key=cache_key, task_name=task_name, reference=reference)
        write_file(self._file(cache_key), msgspec.json.encode(record))

    def forget(self, cache_key: str) -> None:
        """Delete a key's record."""
        delete_file(self._file(cache_key))

    def _file(self, cache_key: str) -> str:
        name = hashlib.sha256(cache_key.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._url}/{name}.json"
