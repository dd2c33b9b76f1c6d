"""Which of the events that a remote worker tells are its to tell.

It speaks for the runs that it has claimed, in the epoch of the claim, and for those that these start. Whatever else it
says changes nothing, so that a worker that was taken for dead, or somebody who has got hold of its token, can do no
harm to other runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    Event,
    LogsWritten,
    RunCreated,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
)
from orchestra_nb.model.states import State

#: The form of our ids: they become names of files.
_ID: Final = re.compile(r"[0-9a-f]{32}")
#: What is said of a flow that would leave its process until somebody resumes it.
_NO_SUSPENSION: Final = (
    "It suspended itself, and what a remote worker runs cannot be resumed elsewhere. Use pause_flow_run in place of "
    "suspend_flow_run, or run it again when the answer is given."
)


@dataclass(frozen=True, slots=True)
class KnownRun:
    """What the store has of a run."""

    driver_id: str | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is to be written.

    Parameters
    ----------
    lost
        (run id, epoch) of runs of which was told and that are not this worker's, each once.
    """

    events: tuple[Event, ...]
    lost: tuple[tuple[str, int], ...]


def runs_told_of(events: Iterable[Event]) -> tuple[set[str], set[str]]:
    """Return the ids of the runs, and of the task runs, that must be known to judge events."""
    runs: set[str] = set()
    tasks: set[str] = set()
    for event in events:
        match event:
            case RunCreated(run=run):
                runs |= {run.run_id, run.parent_run_id or ""}
            case TaskRunCreated(task_run=task):
                runs.add(task.run_id)
                tasks.add(task.task_run_id)
            case TaskRunStateChanged():
                runs.add(event.run_id)
                tasks.add(event.task_run_id)
            case RunStateChanged() | RunSuspended():
                runs.add(event.run_id)
            case CellRunChanged(cell=cell):
                runs.add(cell.run_id)
            case ValueRecorded(value=value):
                runs.add(value.run_id)
            case LogsWritten(lines=lines):
                runs.update(line.run_id for line in lines)
            case DeadLetterAdded(letter=letter):
                runs.add(letter.run_id)
    return runs, tasks


def admit(
    events: Sequence[Event], driver_id: str, runs: Mapping[str, KnownRun], task_runs: Mapping[str, str]
) -> Admitted:
    """Return what of it a worker may tell, in the form in which it is written.

    Where the code of a run stands, and what its process does besides, is its own affair: that is passed over.

    Parameters
    ----------
    runs, task_runs
        What the store has: run id to the run, task run id to the run that it is of.
    """
    judge = _Judge(driver_id, dict(runs), dict(task_runs))
    admitted = tuple(event for told in events if (event := judge.admit(told)) is not None)
    return Admitted(admitted, tuple(judge.lost))


class _Judge:
    def __init__(self, driver_id: str, runs: dict[str, KnownRun], task_runs: dict[str, str]) -> None:
        self._driver_id = driver_id
        self._runs = runs
        self._task_runs = task_runs
        self.lost: dict[tuple[str, int], None] = {}

    def admit(self, event: Event) -> Event | None:
        match event:
            case RunCreated():
                return self._create(event)
            case RunStateChanged():
                return event if self._is_own(event.run_id, event.epoch) else None
            case RunSuspended():
                return _refuse_suspension(event) if self._is_own(event.run_id, event.epoch) else None
            case TaskRunCreated(task_run=task):
                known = self._task_runs.setdefault(task.task_run_id, task.run_id)
                return event if self._is_own(task.run_id, task.epoch) and known == task.run_id else None
            case TaskRunStateChanged():
                is_of_run = self._task_runs.get(event.task_run_id) == event.run_id
                return event if self._is_own(event.run_id, event.epoch) and is_of_run else None
            case CellRunChanged(cell=cell):
                return event if self._is_own(cell.run_id, cell.epoch) else None
            case ValueRecorded(value=value):
                return event if self._is_own(value.run_id, event.epoch) else None
            case LogsWritten(lines=lines):
                kept = tuple(line for line in lines if self._is_own(line.run_id, None))
                return msgspec.structs.replace(event, lines=kept) if kept else None
            case DeadLetterAdded(letter=letter):
                return event if self._is_own(letter.run_id, letter.epoch) else None
        return None

    def _create(self, event: RunCreated) -> RunCreated | None:
        run = event.run
        if run.run_id in self._runs or not _ID.fullmatch(run.run_id):
            return None
        if run.parent_run_id is None or not self._is_own(run.parent_run_id, None):
            return None
        self._runs[run.run_id] = KnownRun(self._driver_id, run.epoch)
        return RunCreated(
            run=msgspec.structs.replace(
                run,
                driver_id=self._driver_id,
                output_path=None,  # it is not on this machine
                deployment=None,
                deployment_version=None,
                occurrence=None,
                due_at=None,
                pool=None,  # it counts for none: its root does
                owner=None,  # it is that of the run that started it
            )
        )

    def _is_own(self, run_id: str, epoch: int | None) -> bool:
        """Tell whether a run is this worker's; None for whatever epoch it has. What is not is noted as lost."""
        known = self._runs.get(run_id)
        if known is not None and known.driver_id == self._driver_id and epoch in (None, known.epoch):
            return True
        if epoch is not None:
            self.lost[run_id, epoch] = None
        return False


def _refuse_suspension(event: RunSuspended) -> RunStateChanged:
    return RunStateChanged(
        run_id=event.run_id, state=State.FAILED, at=event.at, epoch=event.epoch, message=_NO_SUSPENSION
    )
