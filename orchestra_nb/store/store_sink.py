"""Writes the events of a driver to the store, in a thread of its own, so that nobody waits for a disk.

A lone event is written at once. While a batch is being committed, and for a moment after it, the next one gathers, so
batches grow with the load and a busy driver spends little on commits; whoever waits for a flush ends that moment. When
the store is locked or away the events wait in memory: only log lines are dropped then, and the log says how many.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import InvalidSetting, StoreReadOnly, StoreTooNew, StoreUnavailable
from orchestra_nb.model.events import Event, LogsWritten
from orchestra_nb.model.runs import LogLine
from orchestra_nb.store.database_errors import StoreBusy

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most events in one transaction: about 20 ms of it.
MAX_BATCH = 1_000

#: How long after a commit events are gathered, while nobody waits for them.
GATHER_SECONDS = 0.03

#: How much text of log lines waits in memory at most.
MAX_PENDING_LOG_CHARACTERS = 16_000_000

#: How long the end of the process waits for a store that is locked, and for one that is away.
BUSY_PATIENCE_SECONDS = 60.0
PATIENCE_SECONDS = 5.0

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_CHARACTERS_A_LINE = 200  # what a line costs besides its text

_log = logging.getLogger(__name__)


class StoreSink:
    """An :class:`~orchestra_nb.model.events.EventSink` that writes to the store.

    What was emitted is written at the latest when the process ends in order. A forked child shares none of it: events
    emitted there are the parent's to tell, and are ignored.

    Parameters
    ----------
    store
        The store, or a function that opens it, called in the sink's thread: so SQLAlchemy is imported, and the file
        opened, beside whatever the driver does.
    waits_for_access
        Whether events wait, too, while the store can only be read: for a process that lives on. Else they are let go.
    """

    def __init__(
        self,
        store: RunStore | Callable[[], RunStore],
        *,
        max_pending_log_characters: int = MAX_PENDING_LOG_CHARACTERS,
        waits_for_access: bool = False,
    ) -> None:
        self._waits_for_access = waits_for_access
        self._store = None if callable(store) else store
        self._open: Callable[[], RunStore] | None = store if callable(store) else None
        self._max_pending_log_characters = max_pending_log_characters
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._pending: deque[Event] = deque()
        self._pending_log_characters = 0
        self._dropped: Counter[tuple[str, str | None]] = Counter()
        self._dropped_at: datetime | None = None
        self._accepted = 0
        self._settled = 0
        self._lost = 0
        self._is_closed = False
        self._flushing = 0
        self._committed_at = float("-inf")
        self._ending_since: float | None = None
        self._warned = False
        self._gave_up = False
        self._thread = threading.Thread(target=self._write_all, name="orchestra-store-sink", daemon=True)
        self._thread.start()
        atexit.register(self._flush_at_exit)

    def emit(self, event: Event) -> None:
        """Take one event; never waits for the store.

        Raises
        ------
        RuntimeError
            The sink is closed.
        """
        if os.getpid() != self._pid:
            return
        with self._changed:
            if self._is_closed:
                raise RuntimeError("The sink is closed: no event can be stored any more.")
            if isinstance(event, LogsWritten) and not self._has_room_for(event):
                return
            self._pending.append(event)
            self._accepted += 1
            # the thread waits for the first one; while it gathers more, each would only wake it for nothing
            if len(self._pending) == 1 or len(self._pending) >= MAX_BATCH:
                self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted before is committed; False when the time was not enough, or it was lost."""
        if os.getpid() != self._pid:
            return True
        with self._changed:
            target, lost = self._accepted, self._lost
            self._flushing += 1
            self._changed.notify_all()
            try:
                is_settled = self._changed.wait_for(lambda: self._settled >= target or self._gave_up, timeout_seconds)
            finally:
                self._flushing -= 1
            return is_settled and self._lost == lost and not self._gave_up

    def close(self) -> None:
        """Write what is pending and end the thread. May be called twice.

        A store that is locked is waited for up to a minute, one that is away for a few seconds; what could not be
        written then is said in a warning.
        """
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._is_closed = True
            self._begin_to_end()
        self._thread.join()
        atexit.unregister(self._flush_at_exit)

    def _flush_at_exit(self) -> None:
        """Write what is pending, and stay open: whoever registered earlier comes later, and may have more to say."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._begin_to_end()
        self.flush(BUSY_PATIENCE_SECONDS + PATIENCE_SECONDS)

    def _begin_to_end(self) -> None:
        if self._ending_since is None:
            self._ending_since = time.monotonic()
        self._changed.notify_all()

    def _has_room_for(self, event: LogsWritten) -> bool:
        size = _characters(event)
        if self._pending_log_characters + size <= self._max_pending_log_characters:
            self._pending_log_characters += size
            return True
        for line in event.lines:
            self._dropped[line.run_id, line.task_run_id] += 1
            self._dropped_at = line.at
        return False

    def _write_all(self) -> None:
        while batch := self._take():
            lost = self._write(batch)
            with self._changed:
                self._settled += len(batch)
                self._committed_at = time.monotonic()
                self._lost += lost
                self._changed.notify_all()
        if self._lost:
            _log.warning("Events that could not be stored: %d. Their runs are incomplete in the store.", self._lost)

    def _take(self) -> list[Event]:
        """Wait for events and return a batch of them; an empty one when the sink is closed and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._pending or self._dropped) or self._is_closed)
            self._gather()
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_BATCH))]
            self._pending_log_characters -= sum(_characters(event) for event in batch if isinstance(event, LogsWritten))
            if self._dropped:
                batch.append(self._notice_of_drops())
                self._accepted += 1
            return batch

    def _gather(self) -> None:
        """Let events gather for the rest of the moment after a commit, unless somebody waits or there are many."""
        until = self._committed_at + GATHER_SECONDS
        while (
            (seconds := until - time.monotonic()) > 0
            and not (self._flushing or self._is_closed or self._ending_since is not None)
            and len(self._pending) < MAX_BATCH
        ):
            self._changed.wait(seconds)

    def _notice_of_drops(self) -> LogsWritten:
        assert self._dropped_at is not None
        lines = tuple(
            LogLine(
                run_id=run_id,
                task_run_id=task_run_id,
                at=self._dropped_at,
                level=logging.WARNING,
                logger="orchestra",
                message=f"{count:,} log lines were dropped: the store could not take them fast enough.",
            )
            for (run_id, task_run_id), count in self._dropped.items()
        )
        self._dropped.clear()
        return LogsWritten(lines=lines)

    def _write(self, batch: Sequence[Event]) -> int:
        """Write a batch, however long it takes, and return how many of its events are lost."""
        pause = _FIRST_PAUSE_SECONDS
        while not self._gave_up:
            try:
                lost = self._apply(self._opened_store(), batch)
            except (StoreTooNew, InvalidSetting) as error:
                self._give_up(error)
            except StoreUnavailable as error:
                is_hopeless = isinstance(error, StoreReadOnly) and not self._waits_for_access
                if not is_hopeless and self._is_worth_waiting(error):
                    if not self._warned:
                        _log.warning("Runs will be recorded later: %s", error)
                        self._warned = True
                    self._pause(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                else:
                    self._give_up(error)
            except Exception as error:  # not of one event, those were tried alone: the store cannot be used at all
                self._give_up(error)
            else:
                self._warned = False
                return lost
        return len(batch)

    def _give_up(self, error: Exception) -> None:
        _log.warning("Runs are not recorded: %s", error)
        with self._changed:
            self._gave_up = True
            self._changed.notify_all()

    def _opened_store(self) -> RunStore:
        if self._store is None:
            assert self._open is not None
            self._store = self._open()
        return self._store

    def _apply(self, store: RunStore, batch: Sequence[Event]) -> int:
        """Apply a batch; when one of its events cannot be stored at all, the others are."""
        try:
            store.apply(batch)
            return 0
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(batch) == 1:
                _log.exception("An event cannot be stored (%s): %s", type(batch[0]).__name__, error)
                return 1
        return sum(self._apply(store, [event]) for event in batch)

    def _is_worth_waiting(self, error: StoreUnavailable) -> bool:
        with self._changed:
            if self._ending_since is None:
                return True
            patience = BUSY_PATIENCE_SECONDS if isinstance(error, StoreBusy) else PATIENCE_SECONDS
            return time.monotonic() < self._ending_since + patience

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if self._ending_since is None:
                self._changed.wait_for(lambda: self._ending_since is not None, seconds)
                return
        time.sleep(_FIRST_PAUSE_SECONDS)


def _characters(event: LogsWritten) -> int:
    return sum(len(line.message) + _CHARACTERS_A_LINE for line in event.lines)
