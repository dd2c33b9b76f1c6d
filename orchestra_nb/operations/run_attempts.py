"""How often a run was begun, and what became of each time: worked out from the history of its states."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import InvalidNotebook
from orchestra_nb.model.runs import Driver, Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_waits import tell_waits
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore, StateChange


class RunAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a run was begun: the first, or a retry, or after it was suspended.

    Parameters
    ----------
    number
        From 1: the run's epoch.
    state, message
        What became of it; of the newest attempt that of the run. PAUSED is one that was left and then resumed.
    opened_by, reason
        Who had it begun again, and why; empty for the first.
    started_at
        None where it did not begin.
    ended_at
        None while it has not ended, and is not suspended.
    driver, host, pid
        What drove it (``"service"``, ``"worker"``, ``"shell"`` …), and where; None where nothing did, or that is not
        known any more.
    output_path
        Its executed notebook on the machine that was asked; None where none was kept there.
    """

    number: int
    state: State
    message: str
    opened_by: str
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    driver: str | None
    host: str | None
    pid: int | None
    output_path: str | None = None


def list_attempts(store: RunStore, id_or_name: str) -> tuple[RunAttempt, ...]:
    """Return the attempts of a run, the oldest first.

    Raises
    ------
    RunNotFound
        There is no run with this id or name.
    """
    from orchestra_nb.store.leases import Leases

    (run,) = tell_waits(store, [find_run(store, id_or_name)])
    changes = store.state_changes(run.run_id, with_tasks=False)
    # whatever is no driver's id is not found
    drivers = Leases(store.database).find_drivers({change.actor for change in changes} | {run.driver_id or ""})
    files = _executed_files(run)
    return tuple(
        _attempt(run, list(of_epoch), drivers, files.get(epoch))
        for epoch, of_epoch in groupby(changes, key=lambda change: change.epoch)
    )


def _executed_files(run: Run) -> dict[int, Path]:
    from orchestra_nb.operations.executed_notebook import executed_files

    try:
        return executed_files(run)
    except InvalidNotebook:
        return {}


def _attempt(run: Run, changes: list[StateChange], drivers: dict[str, Driver], output: Path | None) -> RunAttempt:
    first, last = changes[0], changes[-1]
    is_newest = last.epoch == run.epoch
    known = [change.actor for change in changes if change.actor in drivers]
    driver = drivers.get((run.driver_id or "") if is_newest else "") or (drivers[known[-1]] if known else None)
    has_ended = last.to_state.is_terminal or (
        last.to_state is State.PAUSED and (not is_newest or run.driver_id is None)
    )
    return RunAttempt(
        number=last.epoch,
        state=run.state if is_newest else last.to_state,
        message=run.message if is_newest else last.message,
        opened_by=first.actor if last.epoch > 1 else "",
        reason=first.message if last.epoch > 1 else "",
        started_at=next((change.at for change in changes if change.to_state is State.RUNNING), None),
        ended_at=last.at if has_ended else None,
        driver=None if driver is None else driver.kind,
        host=None if driver is None else driver.host,
        pid=None if driver is None else driver.pid,
        output_path=None if output is None else str(output),
    )
