"""Ends the runs of drivers that died: what ran is CRASHED, what waited is CANCELLED, and each says why.

A driver on this machine is judged by its process alone: one that is there is alive, also when its interpreter has been
busy for an hour, and one that is not there is dead at once. A driver on another machine is judged by its lease, and
gets some more time where nobody could have renewed one: while the store was locked.
All of it may be done by several processes at once: the store's compare-and-set lets one of them win.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, DriverEnded, Event, RunStateChanged
from orchestra_nb.model.open_runs import cell_ended, has_begun, task_ended
from orchestra_nb.model.runs import Driver, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.services.abandoned_outputs import has_runners, settle_outputs
from orchestra_nb.services.process_watch import ProcessEnd, boot_id, is_alive
from orchestra_nb.store.leases import Leases, has_not_moved
from orchestra_nb.store.run_code_store import RunCodeStore
from orchestra_nb.store.run_store import RunStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

ACTOR = "recovery"
#: How a worker is called among the drivers of a store that reaches it over the REST API.
REMOTE_WORKER_KIND: Final = "remote worker"

_SERVED = "A service runs it again where its deployment allows, and after `orchestra runs retry` in any case."
#: Kind of driver to (what people call it, what to do when it died).
_KINDS = {
    "kernel": ("kernel", "Restart the kernel and run the cells again."),
    "shell": ("shell command", "Run the command again."),
    "script": ("script", "Run the script again."),
    "service": ("service", _SERVED),
    "deployment": ("process of the flow", _SERVED),
    REMOTE_WORKER_KIND: ("remote worker", _SERVED.replace("service", "worker")),
}

#: What the runner of a notebook whose driver died gets to end its kernel and write its file.
_RUNNER_SECONDS = 20.0


class Suspects:
    """Drivers elsewhere whose lease ran out, remembered from one sweep of a process to the next. For one thread.

    A lease may have run out because the store was locked, for all of them. So a driver is taken for dead when a third
    of a lease has passed since the store was seen to take heartbeats, and it has written none.
    """

    def __init__(self) -> None:
        #: driver id to the lease that ran out, and since when it could have been renewed
        self._since: dict[str, tuple[datetime, datetime]] = {}

    def is_dead(self, leases: Leases, driver: Driver, now: datetime) -> bool:
        """Tell whether a driver whose lease ran out is dead.

        Raises
        ------
        StoreUnavailable
            The store cannot be written now.
        """
        lease, since = self._since.get(driver.driver_id, (None, now))
        if lease != driver.lease_until:
            leases.check_writable()
            self._since[driver.driver_id] = (driver.lease_until, now)
            return False
        return now - since >= (driver.lease_until - driver.heartbeat_at) / 3


def sweep(
    store: RunStore, now: datetime, suspects: Suspects | None = None, *, watching_since: datetime | None = None
) -> list[Run]:
    """End what dead drivers have left, and return the runs that this ended.

    Cheap when nobody died: two reads by an index, no write.

    Parameters
    ----------
    suspects
        Of the process that sweeps again and again; None for one that does so once, which takes a driver elsewhere for
        dead when its lease ran out as long ago as it held.
    watching_since
        Since when the caller has swept again and again; None for one that only begins. What a remote worker calls may
        have been away until then: it is taken for dead only when it has had the time of its lease since.

    Raises
    ------
    StoreUnavailable
        The store cannot be read, or somebody died and it cannot be written.
    """
    leases = Leases(store.database)
    ended: list[Run] = []
    for driver in leases.drivers_without_end():
        if driver.kind == REMOTE_WORKER_KIND and not _had_its_time(driver, watching_since, now):
            continue
        if _is_here(driver):
            if not is_alive(driver.pid, driver.process_started_at) and not _is_being_told(leases, driver, now):
                ended += end_driver(store, driver, f"{describe_driver(driver)} died: {ProcessEnd()}.", now)
        elif _is_silent(leases, driver, now, suspects):
            since = f"no sign of life since {driver.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
            cause = f"{describe_driver(driver)} died: {since}."
            ended += end_driver(store, driver, cause, now, where=has_not_moved(driver))
    for driver in leases.ended_drivers_with_unfinished_runs():
        ended += end_driver(store, driver, f"{describe_driver(driver)} ended before this did.", now)
    return ended + _end_overdue_suspensions(store, now)


def has_ended(driver: Driver, now: datetime) -> bool:
    """Tell whether a driver has ended, or whoever looks once may take it for dead: by its process, or by its lease."""
    if driver.ended_at is not None:
        return True
    if _is_here(driver):
        return not is_alive(driver.pid, driver.process_started_at)
    return _is_silent_for_long(driver, now)


def record_death(store: RunStore, driver_id: str, end: ProcessEnd, now: datetime) -> list[Run]:
    """End what a driver left that somebody saw die, and return the runs that this ended.

    Nothing happens when the driver had said before that it ends. The runners of its notebooks, which end by themselves
    when it is gone, are waited for.
    """
    driver = Leases(store.database).find_driver(driver_id)
    if driver is None or driver.ended_at is not None:
        return []
    return end_driver(store, driver, f"{describe_driver(driver)} died: {end}.", now, wait_seconds=_RUNNER_SECONDS)


def end_driver(
    store: RunStore,
    driver: Driver,
    cause: str,
    now: datetime,
    *,
    wait_seconds: float = 0.0,
    where: Callable[[Connection], bool] | None = None,
) -> list[Run]:
    """Write in one transaction that a driver has ended, and all that it had not; return the runs that this ended.

    The outputs of its notebooks are files by then that say the same: whoever hears of the end may open them. One that
    turns out to live meanwhile writes its files again, at its own end at the latest.

    Parameters
    ----------
    cause
        A sentence; what to do about it is added.
    wait_seconds
        How long to wait for the runners of its notebooks to leave these as they should be.
    where
        Asked before anything is done, and once more in the transaction; where it returns False nothing is written from
        then on.
    """
    remedy = _KINDS.get(driver.kind, ("", "Run it again."))[1]
    message = f"{cause} {remedy}"
    unfinished = Leases(store.database).unfinished_runs_of(driver.driver_id)

    if where is not None:  # it may live, and so may what writes its files
        with store.database.connect() as connection:
            if not where(connection):
                return []
    # its runners would not be seen from elsewhere; what a remote worker has sent stands with the server
    if driver.host == socket.gethostname() or driver.kind == REMOTE_WORKER_KIND:
        # before the transaction: it reads and writes whole notebooks, and all who write would wait
        settle_outputs(unfinished, message, now, wait_seconds)
    events: list[Event] = []
    for run in unfinished:
        tasks, cells = store.task_runs(run.run_id), store.cell_runs(run.run_id)
        events += [
            task_ended(task, State.CRASHED, _words_of(task, message), now, actor=ACTOR)
            for task in tasks
            if not task.state.is_terminal
        ]
        open_cells = [cell for cell in cells if not cell.state.is_terminal]
        if run.state.is_terminal:  # what was not reached when it ended stays as it was
            open_cells = [cell for cell in open_cells if cell.state is not State.PENDING]
        events += [cell_ended(cell, State.CRASHED, message, now) for cell in open_cells]
        events.append(
            RunStateChanged(
                run_id=run.run_id, state=State.CRASHED, at=now, epoch=run.epoch, message=message, actor=ACTOR
            )
        )
        if run.kind in (RunKind.FLOW, RunKind.TASK) and run.parent_run_id is None:
            events.append(DeadLetterAdded(letter=_letter_of(store, run, message, now)))
    events.append(DriverEnded(driver_id=driver.driver_id, at=now))
    ended = _run_ids_ended(events, store.apply(events, where=where))
    return store.get_runs(ended) if ended else []


def _end_overdue_suspensions(store: RunStore, now: datetime) -> list[Run]:
    """End the suspended runs that nobody resumed in time."""
    overdue = RunCodeStore(store.database).overdue_suspensions(now)
    events: list[Event] = [
        RunStateChanged(
            run_id=run.run_id,
            state=State.FAILED,
            at=now,
            epoch=run.epoch,
            message=f"It was suspended and nobody resumed it in time: {run.message}",
            actor=ACTOR,
        )
        for run in overdue
    ]
    ended = _run_ids_ended(events, store.apply(events))
    return store.get_runs(ended) if ended else []


def describe_driver(driver: Driver) -> str:
    """Return a driver in people's words: ``"The kernel (pid 123 on host)"``."""
    name = _KINDS.get(driver.kind, (driver.kind, ""))[0]
    return f"The {name} (pid {driver.pid} on {driver.host})"


def _is_being_told(leases: Leases, driver: Driver, now: datetime) -> bool:
    """Tell whether a dead driver's runners still write their files: its watcher, which waits for them, tells its end.

    Where it has none any more, it is not waited for longer than its lease.
    """
    return now <= driver.lease_until and has_runners(leases.unfinished_runs_of(driver.driver_id))


def _is_silent(leases: Leases, driver: Driver, now: datetime, suspects: Suspects | None) -> bool:
    """Tell whether a driver elsewhere is taken for dead."""
    if now <= driver.lease_until:
        return False
    if suspects is not None:
        return suspects.is_dead(leases, driver, now)
    if driver.kind == REMOTE_WORKER_KIND:  # it had its time
        return True
    return _is_silent_for_long(driver, now)


def _is_silent_for_long(driver: Driver, now: datetime) -> bool:
    """Tell whether the lease of a driver ran out as long ago as it held."""
    return now > driver.lease_until + (driver.lease_until - driver.heartbeat_at)


def _is_here(driver: Driver) -> bool:
    here = boot_id()
    return bool(here) and driver.boot_id == here


def _had_its_time(driver: Driver, watching_since: datetime | None, now: datetime) -> bool:
    lease = driver.lease_until - driver.heartbeat_at
    return watching_since is not None and now > watching_since + lease


def _words_of(task: TaskRun, message: str) -> str:
    if has_begun(task.state):
        what = f"was running (attempt {task.attempt})"
    else:
        what = "was not running" if task.attempt else "never ran"
    return f"Task {task.name!r} {what}: {message}"


def _letter_of(store: RunStore, run: Run, message: str, now: datetime) -> DeadLetter:
    code = RunCodeStore(store.database).find(run.run_id)
    return DeadLetter(
        run_id=run.run_id,
        epoch=run.epoch,
        name=run.name,
        flow_name=run.flow_name,
        ended_as=State.CRASHED,
        attempts=1,
        message=message[:2000],
        inputs=dict.fromkeys(run.parameters),
        code=None if code is None else code.entrypoint,
        created_at=now,
    )


def _run_ids_ended(events: Sequence[Event], applied: Sequence[bool]) -> list[str]:
    return [
        event.run_id
        for event, is_applied in zip(events, applied, strict=True)
        if is_applied and isinstance(event, RunStateChanged)
    ]
