"""Makes and ends the records of runs that a driver starts by itself: flows, subflows, and tasks outside of flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestra_nb.acting_user import process_user
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.events import RunCreated, RunStateChanged
from orchestra_nb.model.identifiers import run_name
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver

#: The most characters of a parameter that a record keeps.
_PARAMETER_CHARACTERS = 10_000


def new_run(
    driver: Driver,
    kind: RunKind,
    flow_name: str,
    *,
    parameters: Mapping[str, object] | None = None,
    tags: Iterable[str] = (),
    parent_run_id: str | None = None,
    parent_task_run_id: str | None = None,
) -> Run:
    """Return the record of a new run, of which nobody knows yet."""
    now = datetime.now(UTC)
    run_id = fresh_id(now)
    return Run(
        run_id=run_id,
        name=run_name(run_id),
        flow_name=flow_name,
        kind=kind,
        state=State.PENDING,
        created_at=now,
        parameters={key: recordable(value) for key, value in (parameters or {}).items()},
        tags=dict.fromkeys(sorted(tags), ""),
        driver_id=driver.driver_id,
        parent_run_id=parent_run_id,
        parent_task_run_id=parent_task_run_id,
        owner=process_user(),
    )


def announce_run(driver: Driver, run: Run) -> None:
    """Announce a new run and that it is being run."""
    driver.sink.emit(RunCreated(run=run))
    driver.sink.emit(RunStateChanged(run_id=run.run_id, state=State.RUNNING, at=run.created_at))


def end_run(driver: Driver, run: Run, state: State, message: str, at: datetime) -> None:
    """Announce the end of a run."""
    driver.sink.emit(RunStateChanged(run_id=run.run_id, state=state, at=at, message=message))


def recordable(value: object) -> object:
    """Return a parameter as the record keeps it: JSON where it is, else its ``repr``, shortened."""
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, str) or len(value) <= _PARAMETER_CHARACTERS else _cut(value)
    if isinstance(value, list | tuple) and len(value) <= 1000:
        return [recordable(item) for item in value]
    if isinstance(value, Mapping) and len(value) <= 1000 and all(isinstance(key, str) for key in value):
        return {key: recordable(item) for key, item in value.items()}
    try:
        return _cut(repr(value))
    except Exception:  # the repr of a user's class
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _PARAMETER_CHARACTERS else f"{text[:_PARAMETER_CHARACTERS]}… ({len(text)} characters)"
