"""Deletes what is too old: the service does it hourly, little by little, so that nobody waits.

Of several services that share a store one does it. The files of a run go before the rows that lead to them; with the
rows they are recorded as doomed, and so are the files of results. Each service deletes what is doomed on its own
machine. So neither one who dies in between nor a machine that somebody else cleaned for leaves files that nobody finds.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from orchestra_nb.engine.result_files import delete_by_content
from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.audit import Via, entry_of
from orchestra_nb.model.counted import counted
from orchestra_nb.model.retention import Cleaned, Horizon
from orchestra_nb.services.run_files import RunFiles
from orchestra_nb.store.audit_store import AuditStore
from orchestra_nb.store.database import Database
from orchestra_nb.store.doomed_files import DoomedFile, DoomedFiles
from orchestra_nb.store.old_records import OldRecords
from orchestra_nb.store.old_runs import OldRuns
from orchestra_nb.store.used_results import UsedResults

_EVERY: Final = timedelta(hours=1)
#: What others get between two transactions.
_PAUSE: Final = timedelta(milliseconds=20)
#: A clock that is wrong when a machine starts, and would make everything old, is mostly right so long after.
_SETTLE_SECONDS: Final = 3600.0
_FILES_AT_ONCE: Final = 200

_log = logging.getLogger(__name__)


class Retention:
    """What is too old in a store, and beside it. For one thread.

    Parameters
    ----------
    outputs_folder
        Where runs on this machine leave their files.
    doomed_until
        Up to which number doomed files were deleted here before.
    """

    def __init__(self, database: Database, horizon: Horizon, outputs_folder: Path, doomed_until: int = 0) -> None:
        self.doomed_until = doomed_until
        self._doomed = DoomedFiles(database)
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
        has_deleted_runs = False
        if self._horizon.runs is not None:
            runs = OldRuns(self._database, self._horizon.runs)
            for group in runs.groups():
                files, size = self._files.delete(group)
                yield Cleaned(files=files, file_bytes=size)
                for deleted in runs.delete(group, now):
                    has_deleted_runs |= deleted.runs > 0
                    yield Cleaned(
                        runs=deleted.runs,
                        log_lines=deleted.log_lines,
                        artifacts=deleted.artifacts,
                        dead_letters=deleted.dead_letters,
                    )
        yield from self._records.delete()
        for number in self._records.delete_results(now):
            yield Cleaned(results=number)
        if has_deleted_runs:
            self._records.tell_views(now)
        yield from self.delete_doomed(now)

    def delete_doomed(self, now: datetime) -> Iterator[Cleaned]:
        """Delete files on this machine whose rows somebody has deleted, here or elsewhere; yield as :meth:`clean` does.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written; the rest goes the next time.
        """
        while some := self._doomed.list_after(self.doomed_until, _FILES_AT_ONCE):
            files, size = self._files.delete([one.run for one in some if one.run is not None])
            cleaned = Cleaned(files=files, file_bytes=size)
            if values := [one for one in some if one.value is not None]:
                # asked anew each time: somebody may have got the same content meanwhile
                used = UsedResults(self._database)
                gone = [one for one in values if one.value is not None and not used.may_hold(one.value.url)]
                cleaned += self._delete_values(gone)
            self.doomed_until = some[-1].number
            yield cleaned
        while self._doomed.forget_old(now):
            yield Cleaned()

    def _delete_values(self, doomed: Sequence[DoomedFile]) -> Cleaned:
        """Delete files of values, where these are named by their content and were not written anew since."""
        files = size = 0
        everywhere: list[int] = []
        for one in doomed:
            reference = one.value
            assert reference is not None
            is_local = "://" not in reference.url
            try:
                was_there = delete_by_content(reference, one.at)
            except Exception as error:  # any error of a file system's library, or that there is none here
                _log.info("The file of a deleted result stays at %s: %s", reference.url, error)
            else:
                if was_there:
                    files, size = files + 1, size + reference.size_bytes
                if not is_local:  # other machines see the same place
                    everywhere.append(one.number)
        if everywhere:
            self._doomed.forget(everywhere)
        return Cleaned(files=files, file_bytes=size)


class RetentionService:
    """Cleans hourly: the store in turn with others, its own machine in any case. For one thread.

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
        self._retention: Retention | None = None
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
            retention = self._retention = Retention(
                self._database, horizon, self._outputs_folder, self._retention.doomed_until if self._retention else 0
            )
            is_ours = OldRecords(self._database, horizon).begin(now, _EVERY)
            self._cleaning = retention.clean(now) if is_ours else retention.delete_doomed(now)
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
        if self._cleaned.runs:
            self._note(self._cleaned.runs)
        if self._cleaned.runs or self._cleaned.log_lines:
            runs, lines = counted(self._cleaned.runs, "run"), counted(self._cleaned.log_lines, "log line")
            _log.info("Deleted what was too old: %s, %s.", runs, lines)

    def _note(self, runs: int) -> None:
        entry = entry_of(
            "clean_store",
            counted(runs, "run"),
            at=datetime.now(UTC),
            actor="retention",
            via=Via.SERVICE,
            origin=socket.gethostname(),
        )
        try:
            AuditStore(self._database).add(entry)
        except StoreUnavailable as error:
            _log.warning("That %s were deleted is not in the audit trail: %s", counted(runs, "run"), error)
