"""Looks for files where automations watch, and emits an event for each that has arrived.

Any number of services may work on one store. A look that is due is taken by one of them. What it finds is written in
one transaction with the events, by whoever has read what was known: so a file arrives once, however many look, and
also after a restart. Each look has a thread of its own: a store that does not answer stops no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import FilesUnreachable, OrchestraError, StoreUnavailable
from orchestra_nb.model.file_arrivals import KnownFile, Look, arrival_event, look_at
from orchestra_nb.model.masking import Mask
from orchestra_nb.services.file_listing import list_files
from orchestra_nb.store.database import Database
from orchestra_nb.store.file_watch_store import FileWatch, FileWatchStore

#: A look that takes longer is told as a problem.
_PATIENCE: Final = timedelta(seconds=60)
#: So often a look is judged anew when another service was faster.
_MOST_TRIES: Final = 5
#: Of how many watches it is kept what is known.
_MOST_KEPT: Final = 100
#: What looks that go on get to end by themselves.
_GRACE_SECONDS: Final = 2.0
#: How many files arrive in one transaction.
_ARRIVALS_AT_ONCE: Final = 1_000

#: Returns the options of a file system with the secrets that they name, where somebody's own come first.
Resolve = Callable[[Mapping[str, object], str | None], Mapping[str, object]]

_log = logging.getLogger(__name__)


class FileWatchService:
    """Takes looks that are due. For one thread.

    Parameters
    ----------
    resolve
        Gives options their secrets; what it raises of :class:`OrchestraError` is a problem of that watch.
    clock
        What the time is when a look begins.
    start
        Has a look be taken, beside this thread.
    """

    def __init__(
        self,
        database: Database,
        resolve: Resolve,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        start: Callable[[Callable[[], None]], None] = lambda look: threading.Thread(
            target=look, name="orchestra-file-look", daemon=True
        ).start(),
    ) -> None:
        self._store = FileWatchStore(database)
        self._resolve = resolve
        self._clock = clock
        self._start = start
        self._closing = threading.Event()
        self._looking: dict[tuple[str, str], datetime] = {}
        self._known: dict[tuple[str, str], tuple[int, dict[str, KnownFile]]] = {}

    def step(self, now: datetime) -> datetime | None:
        """Begin the looks that are due; return when the next is, None where nobody watches.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written now.
        """
        for watch in self._store.list_watches(due_at=now):
            if self._closing.is_set():
                return None
            key = (watch.automation, watch.match.url)
            begun_at = self._looking.get(key)
            next_look_at = now + timedelta(seconds=watch.match.every_seconds)
            if not self._store.claim(watch, next_look_at):
                continue
            if begun_at is None:
                self._looking[key] = now
                self._start(lambda watch=watch: self._look_safely(watch))  # type: ignore[misc]
            elif now - begun_at >= _PATIENCE:
                self._tell(watch, f"{watch.match.url} has not answered since {begun_at:%Y-%m-%d %H:%M:%S} UTC.", now)
        return self._store.next_look_at()

    def close(self) -> None:
        """Begin no look any more, and give those that go on a moment. May be called twice."""
        self._closing.set()
        until = time.monotonic() + _GRACE_SECONDS
        while self._looking and time.monotonic() < until:
            time.sleep(0.02)

    def _look_safely(self, watch: FileWatch) -> None:
        try:
            self._look(watch)
        except StoreUnavailable as error:
            _log.warning("The files at %s are looked at again later: %s", watch.match.url, error)
        except OrchestraError as error:
            self._tell(watch, str(error), self._clock())
        except Exception as error:
            _log.exception("A look at %s failed", watch.match.url)
            self._tell(watch, f"{type(error).__name__}: {error}", self._clock())
        finally:
            self._looking.pop((watch.automation, watch.match.url), None)

    def _look(self, watch: FileWatch) -> None:
        match = watch.match
        begun_at = self._clock()
        storage = self._resolve(match.storage, watch.owner)
        try:
            found = list_files(match.url, storage)
        except FilesUnreachable as error:  # the words are a library's
            raise FilesUnreachable(Mask(_texts_in(storage) - _texts_in(match.storage)).text(str(error))) from None
        for _ in range(_MOST_TRIES):
            look = look_at(
                found,
                self._known_files(watch),
                begun_at,
                settle_seconds=match.settle_seconds,
                known_before=watch.known_before,
            )
            may_be_told = bool(watch.problem) or self._clock() - begun_at >= _PATIENCE / 2
            if not look.has_news and not may_be_told and watch.revision:
                if look.next_at is not None:
                    self._store.look_earlier(watch, look.next_at)
                return
            if self._write(watch, look):
                if watch.problem:
                    _log.warning("Automation %s: %s can be looked at again.", watch.automation, match.url)
                return
            current = [one for one in self._store.list_watches() if _key(one) == _key(watch)]
            if not current:
                return  # the automation rests, or is no more
            watch = current[0]

    def _write(self, watch: FileWatch, look: Look) -> bool:
        """Write what a look gave; False where somebody else wrote meanwhile, and the rest is to be judged anew."""
        for part in look.parts(_ARRIVALS_AT_ONCE):
            now = self._clock()
            events = [
                arrival_event(file, fresh_id(now), watch.automation, watch.match.url, now) for file in part.arrived
            ]
            if not self._store.write(watch, part, events):
                return False
            watch = replace(watch, revision=watch.revision + 1, known_before=None)
        return True

    def _known_files(self, watch: FileWatch) -> dict[str, KnownFile]:
        kept = self._known.get(_key(watch))
        if kept is None or kept[0] != watch.revision:
            kept = (watch.revision, self._store.known_files(watch))
            self._known.pop(_key(watch), None)
            self._known[_key(watch)] = kept
            while len(self._known) > _MOST_KEPT:
                self._known.pop(next(iter(self._known)))
        return kept[1]

    def _tell(self, watch: FileWatch, problem: str, at: datetime) -> None:
        if problem == watch.problem or self._closing.is_set():
            return
        _log.warning("Automation %s: %s", watch.automation, problem)
        try:
            self._store.tell(watch, problem, at)
        except StoreUnavailable as error:
            _log.warning("This could not be noted: %s", error)


def _texts_in(storage: object) -> set[str]:
    if isinstance(storage, Mapping):
        return {text for value in storage.values() for text in _texts_in(value)}
    return {storage} if isinstance(storage, str) else set()


def _key(watch: FileWatch) -> tuple[str, str]:
    return watch.automation, watch.match.url
