"""Deletes what is too old: the service does it hourly, little by little, so that nobody waits.

Of several services that share a store one does it. Files go before the rows that lead to them, so that one who dies in
between leaves nothing that nobody would find.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from orchestra_nb.engine.result_files import delete_file
from orchestra_nb.model.counted import counted
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.retention import Cleaned, Horizon
from orchestra_nb.services.run_files import RunFiles
from orchestra_nb.store.database import Database
from orchestra_nb.store.old_records import OldRecords
from orchestra_nb.store.old_runs import OldRuns

_EVERY: Final = timedelta(hours=1)
#: What others get between two transactions.
_PAUSE: Final = timedelta(milliseconds=20)
#: A file that is named by its content begins with so many hexadecimal digits.
_DIGEST_DIGITS: Final = 64

_log = logging.getLogger(__name__)


class Retention:
    """What is too old in a store, and beside it. For one thread.

    Parameters
    ----------
    outputs_folder
        Where runs on this machine leave their files.
    """

    def __init__(self, database: Database, horizon: Horizon, outputs_folder: Path) -> None:
        self._database = database
        self._horizon = horizon
        self._records = OldRecords(database, horizon)
        self._files = RunFiles(outputs_folder)

    def count(self) -> Cleaned:
        """Return how much would go, and delete nothing."""
        cleaned = self._records.count()
        if self._horizon.runs is not None:
            for group in OldRuns(self._database, self._horizon.runs).groups():
                files, size = self._files.count(group)
                cleaned += Cleaned(runs=len(group), files=files, file_bytes=size)
        return cleaned

    def clean(self, now: datetime) -> Iterator[Cleaned]:
        """Delete what is too old, and yield after each transaction what went.

        Raises
        ------
        StoreUnavailable
            The store cannot be written; the rest goes the next time.
        """
        references: list[ResultReference] = []
        has_deleted_runs = False
        if self._horizon.runs is not None:
            runs = OldRuns(self._database, self._horizon.runs)
            for group in runs.groups():
                files, size = self._files.delete(group)
                yield Cleaned(files=files, file_bytes=size)
                for deleted in runs.delete(group):
                    references += deleted.references
                    has_deleted_runs |= deleted.runs > 0
                    yield Cleaned(
                        runs=deleted.runs,
                        log_lines=deleted.log_lines,
                        artifacts=deleted.artifacts,
                        dead_letters=deleted.dead_letters,
                    )
        yield from self._records.delete()
        for old in self._records.delete_results():
            references += old
            yield Cleaned(results=len(old))
        if references:
            yield self._delete_values(references)
        if has_deleted_runs:
            self._records.tell_views(now)

    def _delete_values(self, references: Sequence[ResultReference]) -> Cleaned:
        """Delete the files of results and values that nobody has any more, where these are named by their content."""
        used = self._records.used_urls()
        files = size = 0
        for reference in {one.url: one for one in references if one.url not in used}.values():
            name = reference.url.rpartition("/")[2]
            # looked at, since a shared store holds what others wrote: it shall lead to no other file
            if len(reference.digest) != _DIGEST_DIGITS or not name.startswith(reference.digest):
                continue
            try:
                delete_file(reference.url)
            except Exception as error:  # any error of a file system's library, or that there is none here
                _log.info("The file of a deleted result stays at %s: %s", reference.url, error)
            else:
                files, size = files + 1, size + reference.size_bytes
        return Cleaned(files=files, file_bytes=size)


class RetentionService:
    """Cleans hourly. For one thread.

    Parameters
    ----------
    horizon_at
        Returns what is too old at a time.
    """

    def __init__(self, database: Database, horizon_at: Callable[[datetime], Horizon], outputs_folder: Path) -> None:
        self._database = database
        self._horizon_at = horizon_at
        self._outputs_folder = outputs_folder
        self._next_at: datetime | None = None
        self._cleaning: Iterator[Cleaned] | None = None
        self._cleaned = Cleaned()

    def step(self, now: datetime) -> datetime | None:
        """Delete a little when it is time; return when to be called again.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written; the rest goes an hour later.
        """
        if self._cleaning is None:
            if self._next_at is not None and now < self._next_at:
                return self._next_at
            self._next_at = now + _EVERY
            horizon = self._horizon_at(now)
            if not OldRecords(self._database, horizon).begin(now, _EVERY):
                return self._next_at
            self._cleaning = Retention(self._database, horizon, self._outputs_folder).clean(now)
            self._cleaned = Cleaned()
        try:
            self._cleaned += next(self._cleaning)
        except StopIteration:
            self._end()
            return self._next_at
        except BaseException:
            self._end()
            raise
        return now + _PAUSE

    def _end(self) -> None:
        self._cleaning = None
        if self._cleaned.runs or self._cleaned.log_lines:
            runs, lines = counted(self._cleaned.runs, "run"), counted(self._cleaned.log_lines, "log line")
            _log.info("Deleted what was too old: %s, %s.", runs, lines)
