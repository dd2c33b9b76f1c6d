"""The runs that wait at a server, for a worker that reaches it over its REST API alone.

The worker has a store of its own, in which its runs are driven as in any other; what happens there is passed on. One
thread calls the server again and again: each call renews the lease, waits for work, and brings what others ask for.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from orchestra_nb.errors import (
    NotFound,
    NotThisWorkers,
    OrchestraError,
    RunNotFound,
    ScopeMissing,
    StoreUnavailable,
    TaskNotFound,
    TokenRefused,
)
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.operations.folders_here import on_this_machine
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.store_work import StoreWork
from orchestra_nb.services.spool_relay import SpoolRelay
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.services.worker_api import WorkerApi
from orchestra_nb.services.worker_messages import HeldRun, WorkAsked, WorkerWelcome, WorkGiven
from orchestra_nb.settings import Settings
from orchestra_nb.store.taken_runs import take_run

#: How long a call waits for work: with room and without, when only requests to cancel may come.
_WAIT_SECONDS: Final = 20.0
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
#: What becomes of pauses, so that workers whose server was away do not all come back at once.
_JITTER: Final = 0.3

#: What the server says of this worker as a whole, and will say again.
_FINAL: Final = (NotThisWorkers, NotFound, TokenRefused, ScopeMissing)

_log = logging.getLogger(__name__)


class RemoteWork(StoreWork):
    """Implements :class:`~orchestra_nb.services.work_source.WorkSource`.

    Parameters
    ----------
    home
        Of this process, in its own store, which is a spool; announced.
    folder
        Where runs go on whose own folders are not on this machine.
    """

    def __init__(
        self, home: StoreHome, api: WorkerApi, welcome: WorkerWelcome, settings: Settings, folder: Path
    ) -> None:
        super().__init__(home)
        self._api = api
        self._worker_id = welcome.worker_id
        self._settings = settings
        self._folder = folder
        self._wait_seconds = min(_WAIT_SECONDS, welcome.lease_seconds / 3)
        self._lock = threading.Lock()
        #: held while an answer is taken in: two may come at once
        self._taking = threading.Lock()
        self._held: dict[HeldRun, Run] = {}
        self._arrived: deque[ClaimedRun] = deque()
        self._has_news = threading.Event()
        self._closing = threading.Event()
        self._is_stopping = False
        self._is_dead = False
        self._room = 0
        #: the room that the call which waits just now has told
        self._asked_room = 0
        self._heard = 0
        self._on_lost: Callable[[Run], None] = lambda run: None
        #: why the server takes nothing of this worker any more, where that cannot change
        self.failure: OrchestraError | None = None
        self._relay = SpoolRelay(
            home.store.database,
            api,
            welcome.worker_id,
            on_end=self._forget,
            on_lost=self._lose,
            on_refused=self._refused,
            growing=self._growing,
        )
        self._thread = threading.Thread(target=self._call_again_and_again, name="orchestra-server-calls", daemon=True)

    def start(self, on_lost: Callable[[Run], None]) -> None:
        """Begin to call the server; ``on_lost`` is told of runs that are to end, since they are not this worker's."""
        self._on_lost = on_lost
        self._relay.start()
        self._thread.start()

    def announce(self, pools: Sequence[str], *, name: str, room: int) -> None:
        """Do nothing: the server knows it from the worker's first call."""

    def claim(self, pools: Sequence[str], room: int, now: datetime) -> list[ClaimedRun]:
        """Return what has arrived; where that call which waits has told of no room, the server is asked at once."""
        with self._lock:
            self._room = 0 if self._is_stopping else room
            may_wait = room <= len(self._arrived) or self._asked_room > 0
        if not may_wait and not self._is_stopping:
            try:
                self._take(self._ask(0.0))
            except _FINAL as error:
                self._refused(error)
        with self._lock:
            if self._is_stopping:  # what has arrived is the server's again
                return []
            claimed = [self._arrived.popleft() for _ in range(min(room, len(self._arrived)))]
            self._room = max(0, self._room - len(claimed))
        return claimed

    def next_look(self, pools: Sequence[str], now: datetime) -> datetime | None:
        """Leave it to the server."""
        return None

    def is_alive(self) -> bool:
        """Tell what the server has said."""
        return not self._is_dead

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for something that has arrived."""
        is_set = self._has_news.wait(timeout_seconds)
        if self._is_stopping:  # it stays set: nobody waits any more
            return False
        self._has_news.clear()
        return is_set

    def close(self) -> None:
        """Take no more work; what goes on is told as before."""
        with self._lock:
            is_first, self._is_stopping, self._room = not self._is_stopping, True, 0
        self._has_news.set()
        if is_first and not self._is_dead and self.failure is None:
            try:
                self._take(self._ask(0.0))  # so that the call which waits brings nothing more
            except OrchestraError as error:
                _log.debug("The server does not hear that this worker ends: %s", error)
        super().close()

    def finish(self, timeout_seconds: float) -> bool:
        """Tell what is left, and that this worker ends; False where that did not arrive in time."""
        is_told = not self._is_dead and self.failure is None and self._relay.flush(timeout_seconds)
        if is_told:
            try:
                self._api.end(self._worker_id)
            except OrchestraError as error:
                _log.debug("The server does not hear that this worker has ended: %s", error)
        self._closing.set()
        self._relay.close()
        return is_told

    def _call_again_and_again(self) -> None:
        pause = 0.0
        while not self._closing.is_set():
            try:
                self._take(self._ask(self._wait_seconds))
                if pause:
                    _log.warning("The server is reached again, and this worker takes work.")
                pause = 0.0
            except _FINAL as error:
                self._refused(error)
                return
            except StoreUnavailable as error:
                if not pause:
                    _log.warning("%s What goes on here goes on.", error)
                pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause or _FIRST_PAUSE_SECONDS)
                self._closing.wait(pause * random.uniform(1 - _JITTER, 1 + _JITTER))
            except Exception:
                _log.exception("A call to the server failed")
                self._closing.wait(_LONGEST_PAUSE_SECONDS)

    def _ask(self, wait_seconds: float) -> WorkGiven:
        told = self._relay.told_until  # before what is held is read: what has begun by then is held, or has ended
        with self._lock:
            room = max(0, self._room - len(self._arrived))
            asked = WorkAsked(
                room=room, held=tuple(self._held), heard=self._heard, told=told, wait_seconds=wait_seconds
            )
            if wait_seconds:
                self._asked_room = room
        try:
            return self._api.ask_for_work(self._worker_id, asked)
        finally:
            if wait_seconds:
                with self._lock:
                    self._asked_room = 0

    def _take(self, given: WorkGiven) -> None:
        with self._taking:
            self._take_one_by_one(given)

    def _take_one_by_one(self, given: WorkGiven) -> None:
        for claimed in given.claimed:
            held = HeldRun(run_id=claimed.run.run_id, epoch=claimed.run.epoch)
            if held in self._held:
                continue
            here = self._have_here(claimed)  # where that fails it is given again
            with self._lock:
                self._held[held] = here.run
                self._arrived.append(here)
        self._heard = max([self._heard, *(one.sequence for one in given.cancels)])
        if given.claimed:
            self._has_news.set()
        for cancel in given.cancels:
            self._pass_on_cancel(cancel.run_id, cancel.task_run_id, cancel.actor)
        for lost in given.lost:
            self._lose(lost)

    def _have_here(self, claimed: ClaimedRun) -> ClaimedRun:
        """Have a run in the store here, driven by this process; return it with folders that this machine has."""
        run = msgspec.structs.replace(
            claimed.run,
            driver_id=self._driver_id,
            cluster=claimed.version.spec.cluster or self._settings.cluster,  # the server's own is another machine's
        )
        version = on_this_machine(claimed.version, self._folder)
        take_run(self._home.store.database, run, version)
        return msgspec.structs.replace(claimed, run=run, version=version)

    def _pass_on_cancel(self, run_id: str, task_run_id: str | None, actor: str) -> None:
        try:
            self._home.store.request_cancel(run_id, task_run_id, actor, datetime.now(UTC))
        except (RunNotFound, TaskNotFound) as error:
            _log.debug("A request to cancel came too late: %s", error)

    def _lose(self, lost: HeldRun) -> None:
        """End a run that is not this worker's any more, where it goes on."""
        with self._lock:
            run = self._held.pop(lost, None)
            self._arrived = deque(one for one in self._arrived if one.run is not run)
        if run is not None:
            _log.warning("Run %s of %s is not this worker's any more, and ends.", run.name, run.flow_name)
            self._on_lost(run)

    def _forget(self, ended: HeldRun) -> None:
        with self._lock:
            self._held.pop(ended, None)

    def _refused(self, error: OrchestraError) -> None:
        if isinstance(error, TokenRefused | ScopeMissing):
            self.failure = error
        self._is_dead = True
        self._has_news.set()

    def _growing(self) -> Mapping[HeldRun, Path]:
        with self._lock:
            return {
                held: attempts_folder() / f"{run.run_id}.{run.epoch}.ipynb"
                for held, run in self._held.items()
                if run.kind is RunKind.NOTEBOOK
            }
