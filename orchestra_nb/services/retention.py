"""Deletes what is too old: the service does it hourly, little by little, so that nobody waits.

Of several services that share a store one does it. Files go before the rows that lead to them, so that one who dies in
between leaves nothing that nobody would find.
"""

from __future__ import annotations

import logging
import time
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
#: A clock that is wrong when a machine starts, and would make everything old, is mostly right so long after.
_SETTLE_SECONDS: Final = 3600.0
_FILES_AT_ONCE: Final = 200
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
        yield from self._delete_values(references)
        if has_deleted_runs:
            self._records.tell_views(now)

    def _delete_values(self, references: Sequence[ResultReference]) -> Iterator[Cleaned]:
        """Delete the files of results and values that nobody has any more, where these are named by their content.

        Before each few of them it is asked anew who has them: somebody may have got the same content meanwhile.
        """
        by_url = {one.url: one for one in references}
        urls = list(by_url)
        for start in range(0, len(urls), _FILES_AT_ONCE):
            used = self._records.used_urls()
            some = urls[start : start + _FILES_AT_ONCE]
            yield self._delete_files([by_url[url] for url in some if url not in used])

    def _delete_files(self, references: Sequence[ResultReference]) -> Cleaned:
        files = size = 0
        for reference in references:
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
    settle_seconds
        How long it does nothing at first.
    """

    def __init__(
        self,
        database: Database,
        horizon_at: Callable[[datetime], Horizon],
        outputs_folder: Path,
        *,
        settle_seconds: float = _SETTLE_SECONDS,
    ) -> None:
        self._settled_at = time.monotonic() + settle_seconds
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
            if (wait_seconds := self._settled_at - time.monotonic()) > 0:
                return now + timedelta(seconds=wait_seconds)
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
