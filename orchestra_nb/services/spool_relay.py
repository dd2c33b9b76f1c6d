"""Passes on what a remote worker has written to its own store: events in their order, and the files that they tell of.

Nothing is forgotten before the server has said that it is written there. While the server is away the events wait in
the worker's store, and its runs go on.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestra_nb.errors import (
    InvalidInput,
    NotFound,
    NotThisWorkers,
    OrchestraError,
    ScopeMissing,
    StoreUnavailable,
    TokenRefused,
)
from orchestra_nb.model.events import (
    Event,
    RunOutputWritten,
    RunStateChanged,
    RunSuspended,
    ValueRecorded,
    decode_event,
)
from orchestra_nb.services.worker_api import WorkerApi
from orchestra_nb.services.worker_messages import MAX_FILE_BYTES, MAX_MESSAGE_BYTES, EventsTold, HeldRun
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.event_spool import EventSpool

_MOST_EVENTS: Final = 500
_MOST_CHARACTERS: Final = MAX_MESSAGE_BYTES // 8
_LARGEST_EVENT_BYTES: Final = MAX_MESSAGE_BYTES // 2
#: How long events gather, and how often the growing notebooks are looked at.
_GATHER_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 1.0
#: An executed notebook is sent again and again while it grows, but not for more than this part of the time, and not
#: when it is large.
_SENDING_PART: Final = 0.2
_LARGEST_GROWING_BYTES: Final = 32_000_000
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Growing:
    """The executed notebook of a run that goes on, as it was sent the last time."""

    seen: tuple[int, int] = (0, 0)
    next_at: float = 0.0
    is_whole: bool = False


class SpoolRelay:
    """Passes on what is in the spool of a store, in a thread of its own from :meth:`start` until it is closed.

    Parameters
    ----------
    on_end
        Called with each epoch of a run whose end, or whose loss, has arrived.
    on_lost
        Called with each epoch of a run that is not this worker's any more.
    on_refused
        Called when the server takes nothing of this worker any more, with why.
    growing
        Returns the runs that go on to where their executed notebooks grow.
    """

    def __init__(
        self,
        database: Database,
        api: WorkerApi,
        worker_id: str,
        *,
        on_end: Callable[[HeldRun], None],
        on_lost: Callable[[HeldRun], None],
        on_refused: Callable[[OrchestraError], None],
        growing: Callable[[], Mapping[HeldRun, Path]],
    ) -> None:
        self._spool = EventSpool(database)
        self._api = api
        self._worker_id = worker_id
        self._on_end = on_end
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._growing = growing
        self._sent: dict[HeldRun, _Growing] = {}
        self._watcher = ChangeWatcher(database)
        self._closing = threading.Event()
        self._is_refused = False
        self._progress = threading.Condition()
        self._steps = 0
        #: the number of the last event that the server has answered for
        self.told_until = 0
        self._thread = threading.Thread(target=self._run, name="orchestra-spool-relay", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was written before has arrived; False when the time was not enough, or it never will."""
        deadline = time.monotonic() + timeout_seconds
        with self._progress:
            while not self._is_over:
                seen = self._steps
                if self._spool.is_empty:
                    return True
                rest = deadline - time.monotonic()
                if not self._progress.wait_for(lambda seen=seen: self._steps != seen or self._is_over, max(0.0, rest)):  # type: ignore[misc]
                    return False
        return False

    @property
    def _is_over(self) -> bool:
        """Whether nothing more will arrive."""
        return self._is_refused or self._closing.is_set()

    def close(self) -> None:
        """End the thread; what has not arrived by then never does. May be called twice."""
        with self._progress:
            self._closing.set()
            self._progress.notify_all()
        self._watcher.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.is_set() and not self._is_refused:
            try:
                has_news = self.step()
                if pause:
                    _log.warning("The server is reached again.")
                pause = 0.0
            except (NotThisWorkers, NotFound, TokenRefused, ScopeMissing) as error:
                self._refuse(error)
                return
            except StoreUnavailable as error:
                if not pause:
                    _log.warning("What happens is told later: %s", error)
                pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause or _FIRST_PAUSE_SECONDS)
                self._closing.wait(pause)
                continue
            except Exception:
                _log.exception("What happens cannot be told")
                self._closing.wait(_LONGEST_PAUSE_SECONDS)
                continue
            if has_news:
                self._closing.wait(_GATHER_SECONDS)
            else:
                with contextlib.suppress(StoreUnavailable):
                    self._watcher.wait(_LOOK_SECONDS)

    def step(self) -> bool:
        """Pass on what there is, as far as one call goes; False where there was nothing."""
        batch = self._spool.read(_MOST_EVENTS, _MOST_CHARACTERS)
        waiting: list[tuple[int, Event]] = []
        for spooled in batch:
            if len(text := spooled.text.encode()) > _LARGEST_EVENT_BYTES:  # the server would cut the connection
                _log.error("An event of %d bytes is too large to be told. It stands in this worker's store.", len(text))
                continue
            event = decode_event(text)
            if _has_file(event):
                self._tell(waiting)  # the server must know its run
                waiting.clear()
                self._send_file_of(event)
            waiting.append((spooled.number, event))
        self._tell(waiting)
        if batch:
            self._spool.forget(batch[-1].number)
            with self._progress:
                self._steps += 1
                self._progress.notify_all()
        self._send_growing()
        return bool(batch)

    def _refuse(self, error: OrchestraError) -> None:
        with self._progress:
            self._is_refused = True
            self._progress.notify_all()
        self._on_refused(error)

    def _tell(self, numbered: list[tuple[int, Event]]) -> None:
        if not numbered:
            return
        told = EventsTold(numbers=tuple(number for number, _ in numbered), events=tuple(event for _, event in numbered))
        try:
            taken = self._api.tell(self._worker_id, told)
        except InvalidInput as error:
            if len(numbered) > 1:  # one of them is at fault, and the others are not lost with it
                for one in numbered:
                    self._tell([one])
                return
            _log.error("The server does not take %s: %s", type(numbered[0][1]).__name__, error)
            return
        self.told_until = taken.until
        for lost in taken.lost:
            self._on_lost(lost)
        for ended in _ends(event for _, event in numbered):
            self._on_end(ended)

    def _send_file_of(self, event: Event) -> None:
        """Send the file that an event tells of; one that cannot be sent stays here."""
        try:
            if isinstance(event, RunOutputWritten):
                held = HeldRun(run_id=event.run_id, epoch=event.epoch)
                self._sent.setdefault(held, _Growing()).is_whole = True
                self._send_notebook(held, Path(event.output_path), is_whole=True)
            elif isinstance(event, ValueRecorded) and event.value.reference is not None:
                held = HeldRun(run_id=event.value.run_id, epoch=event.epoch)
                reference = event.value.reference
                path = Path(reference.url)
                if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
                    self._api.send_value(self._worker_id, held, path, reference.digest, reference.serializer)
        except (InvalidInput, OSError) as error:
            _log.warning("A file of run %s cannot be sent: %s", _run_of(event), error)
        except (NotThisWorkers, NotFound):  # of this run alone: the next call tells whether it is of the whole worker
            _log.info("Run %s is not this worker's any more.", _run_of(event))

    def _send_notebook(self, held: HeldRun, path: Path, *, is_whole: bool) -> None:
        content = path.read_bytes()  # at once: while it is read nobody can write it
        if len(content) > MAX_FILE_BYTES:
            raise InvalidInput(f"{path} has {len(content):,} bytes, more than are sent. It stands on this machine.")
        self._api.send_notebook(self._worker_id, held, io.BytesIO(content), len(content), is_whole=is_whole)

    def _send_growing(self) -> None:
        growing = self._growing()
        self._sent = {held: sent for held, sent in self._sent.items() if held in growing}
        for held, path in growing.items():
            sent = self._sent.setdefault(held, _Growing())
            if sent.is_whole:
                continue
            began = time.monotonic()
            try:
                status = path.stat()
                now = (status.st_mtime_ns, status.st_size)
                if now == sent.seen or began < sent.next_at or status.st_size > _LARGEST_GROWING_BYTES:
                    continue
                self._send_notebook(held, path, is_whole=False)
            except (OSError, InvalidInput, NotThisWorkers, NotFound):  # not there yet, or of no use any more
                continue
            finally:
                sent.next_at = time.monotonic() + max(_LOOK_SECONDS, (time.monotonic() - began) / _SENDING_PART)
            sent.seen = now


def _has_file(event: Event) -> bool:
    is_value = isinstance(event, ValueRecorded) and event.value.reference is not None
    return is_value or isinstance(event, RunOutputWritten)


def _run_of(event: Event) -> str:
    return event.value.run_id if isinstance(event, ValueRecorded) else getattr(event, "run_id", "")


def _ends(events: Iterable[Event]) -> Iterable[HeldRun]:
    for event in events:
        if (isinstance(event, RunStateChanged) and event.state.is_terminal) or isinstance(event, RunSuspended):
            yield HeldRun(run_id=event.run_id, epoch=event.epoch)
