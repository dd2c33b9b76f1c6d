"""Where the records of notebook cells and their values are kept: files below the folder of results, one user's.

A record is a file of JSON, ``records/CODE/ID.json``; what it refers to is in ``values`` and named by its content.
Everything appears whole or not at all, so that any number of runs and kernels use the store at once; of two that keep
the same cell at once both records stay. The store is bounded: what was not used for longest is deleted first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from orchestra_nb.engine.result_files import write_file
from orchestra_nb.engine.result_serializers import NotExact, is_tabular
from orchestra_nb.engine.results import ResultStore, default_results_url
from orchestra_nb.engine.signing_key import load_signing_key
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.cell_records import CellRecord, KeptGroup
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.notebooks.cell_values import PackedGroup, unpack_values

#: So many records are kept of one piece of code; one more replaces the one that was not used for longest.
_MOST_RECORDS = 20
#: What is pruned is pruned to this share of the bound, so that not every run has to.
_PRUNED_SHARE = 0.8
#: A file this young may belong to a record that is being written.
_YOUNG_SECONDS = 600.0

_DECODER = msgspec.json.Decoder(CellRecord)


@dataclass(frozen=True)
class CellRecordStore:
    """The records and values of cells in one folder."""

    folder: Path

    @classmethod
    def default(cls) -> CellRecordStore:
        """Return the user's."""
        return cls(Path(default_results_url()) / "cells")

    @cached_property
    def _key(self) -> bytes:
        return load_signing_key()

    def records(self, code: str) -> list[CellRecord]:
        """Return the records of a piece of code, in no order; a damaged one is left out."""
        return [record for path in self._files_of(code) if (record := _read(path)) is not None]

    def put(self, record: CellRecord) -> None:
        """Keep a record; what it refers to is there already."""
        write_file(str(self._path(record)), msgspec.json.encode(record))
        files = self._files_of(record.code)
        if len(files) > _MOST_RECORDS:
            for path in sorted(files, key=_used_at)[: len(files) - _MOST_RECORDS]:
                path.unlink(missing_ok=True)

    def used(self, record: CellRecord) -> None:
        """Note that a record was used now."""
        with contextlib.suppress(OSError):  # deleted meanwhile, or read-only
            os.utime(self._path(record))

    def forget(self, record: CellRecord) -> None:
        """Delete a record: something that it refers to is gone or damaged."""
        self._path(record).unlink(missing_ok=True)

    def keep_group(self, group: PackedGroup, values: Mapping[str, object], now: datetime) -> KeptGroup:
        """Keep the values of names that share something; ``values`` are the ones that are packed."""
        if len(group.names) == 1 and is_tabular(value := values[group.names[0]]):
            with contextlib.suppress(NotExact, OrchestraError, ImportError, ValueError, TypeError):
                reference = self._results("arrow").write(value, name=group.names[0], now=now)
                return KeptGroup(names=group.names, reference=reference, is_table=True)
        reference = self._results("pickle").write(group, name=", ".join(group.names), now=now)
        return KeptGroup(names=group.names, reference=reference)

    def load_group(self, group: KeptGroup, names: Sequence[str], namespace: dict[str, Any]) -> dict[str, object]:
        """Return fresh values of names of a group.

        Raises
        ------
        ResultNotFound, ResultNotTrusted
            They are gone, or not what was kept.
        ValueNotPortable
            They cannot be rebuilt in this process.
        """
        content = self._results("arrow" if group.is_table else "pickle").read(group.reference)
        if group.is_table:
            return {group.names[0]: content}
        return unpack_values([content], names, namespace)

    def keep_outputs(self, messages: Sequence[Mapping[str, object]], now: datetime) -> ResultReference:
        """Keep what a cell showed."""
        return self._results("json").write(list(messages), name="outputs", now=now)

    def load_outputs(self, reference: ResultReference) -> list[dict[str, Any]]:
        """Return what a cell showed; raises as :meth:`load_group`."""
        messages: list[dict[str, Any]] = self._results("json").read(reference)
        return messages

    def prune(self, max_bytes: int, now: datetime) -> int:
        """Delete what was not used for longest until at most ``max_bytes`` are left; return how many bytes went."""
        values = dict(_walk(self.folder / "values"))
        sizes = {path: status.st_size for path, status in _walk(self.folder / "records")}
        total = sum(status.st_size for status in values.values()) + sum(sizes.values())
        if total <= max_bytes:
            return 0
        records = [(path, _read(path)) for path in sizes]
        users: dict[str, int] = {}
        for _, record in records:
            for url in _urls(record):
                users[url] = users.get(url, 0) + 1
        freed = 0
        for path, status in values.items():
            if str(path) not in users and now.timestamp() - status.st_mtime > _YOUNG_SECONDS:
                freed += _delete(path, status.st_size)
        for path, record in sorted(records, key=lambda pair: _used_at(pair[0])):
            if total - freed <= max_bytes * _PRUNED_SHARE:
                break
            freed += _delete(path, sizes[path])
            with contextlib.suppress(OSError):  # of other records of the same code
                path.parent.rmdir()
            for url in _urls(record):
                users[url] -= 1
                if not users[url] and (found := values.get(Path(url))) is not None:
                    freed += _delete(Path(url), found.st_size)
        return freed

    def _results(self, serializer: str) -> ResultStore:
        return ResultStore(str(self.folder / "values"), self._key, serializer)

    def _path(self, record: CellRecord) -> Path:
        return self.folder / "records" / record.code / f"{record.record_id}.json"

    def _files_of(self, code: str) -> list[Path]:
        try:
            return [path for path in (self.folder / "records" / code).iterdir() if path.suffix == ".json"]
        except OSError:
            return []


def _read(path: Path) -> CellRecord | None:
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def _urls(record: CellRecord | None) -> list[str]:
    if record is None:
        return []
    references = [group.reference for group in record.groups]
    if record.outputs is not None:
        references.append(record.outputs)
    return list({reference.url for reference in references})


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with contextlib.suppress(OSError):
                yield path, path.stat()


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _delete(path: Path, size: int) -> int:
    try:
        path.unlink()
    except OSError:
        return 0
    return size
