"""What a driver knows of each of its tasks: its newest record, how it ended, and where its values are.

Most tasks of a large flow have completed, and differ in a few bytes only. Of those the book keeps an id, a name and
three times in about 300 bytes, and makes the record anew for who asks; what neighbours have in common is kept once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from orchestra_nb.engine.executors import Executor
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State

#: The attempt that left values, and the executor that has them.
Holder = tuple[str, Executor]

#: Microseconds since 1970 of a task's creation, begin and end; before its name.
_TIMES = struct.Struct("<3q")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class _Known:
    """What is known of a task in full."""

    record: TaskRun
    outcome: Outcome | None = None
    holder: Holder | None = None
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class _Shared:
    """What tasks that completed one after another have in common.

    Parameters
    ----------
    record
        Without id and name, and with times that stand for none.
    suffix
        What the key of the attempt has behind the task's id.
    executor
        None where the values were let go.
    """

    record: TaskRun
    suffix: str
    executor: Executor | None


class _Completed(msgspec.Struct, frozen=True, gc=False):
    """A task that completed, and whose outcome nobody asks for.

    The collector of cycles need not know it: what it refers to does not refer back.
    """

    shared: _Shared
    #: its times (:data:`_TIMES`) and its name
    data: bytes

    def record(self, task_run_id: str) -> TaskRun:
        """Make the record."""
        created_at, started_at, ended_at = _TIMES.unpack_from(self.data)
        return msgspec.structs.replace(
            self.shared.record,
            task_run_id=task_run_id,
            name=self.data[_TIMES.size :].decode("utf-8", "surrogatepass"),
            created_at=_time_of(created_at),
            started_at=_time_of(started_at),
            ended_at=_time_of(ended_at),
        )


class TaskBook:
    """The tasks of one flow runner.

    Thread safety: any thread may ask for one task at any time. Who changes something, or goes through all tasks, holds
    the runner's lock. A task may even be forgotten by the thread that goes through them, because the collector came
    upon a future: so what is gone through is a copy.
    """

    def __init__(self) -> None:
        #: by id, in order of submission
        self._tasks: dict[str, _Known | _Completed] = {}
        #: of the task that completed last
        self._shared: _Shared | None = None

    def __contains__(self, task_run_id: str) -> bool:
        return task_run_id in self._tasks

    # --- the record

    def add(self, record: TaskRun) -> None:
        """Take a new task."""
        self._tasks[record.task_run_id] = _Known(record)

    def get(self, task_run_id: str) -> TaskRun | None:
        """Return the newest record of a task; None where it is not known (any more)."""
        task = self._tasks.get(task_run_id)
        if task is None:
            return None
        return task.record if isinstance(task, _Known) else task.record(task_run_id)

    def __getitem__(self, task_run_id: str) -> TaskRun:
        record = self.get(task_run_id)
        if record is None:
            raise KeyError(task_run_id)
        return record

    def change(self, record: TaskRun) -> None:
        """Take a newer record of a task."""
        self._known(record.task_run_id).record = record

    def open_records(self, run_id: str | None = None) -> list[TaskRun]:
        """Return the records of the tasks (of a run) that have not ended, in order of submission."""
        known = (task.record for task in list(self._tasks.values()) if isinstance(task, _Known))
        return [record for record in known if not record.state.is_terminal and run_id in (None, record.run_id)]

    def records_of(self, run_id: str) -> list[TaskRun]:
        """Return the records of all tasks of a run, in order of submission."""
        return list(self._records_of(run_id))

    def _records_of(self, run_id: str) -> Iterator[TaskRun]:
        for task_run_id in list(self._tasks):
            task = self._tasks.get(task_run_id)
            if isinstance(task, _Known) and task.record.run_id == run_id:
                yield task.record
            elif isinstance(task, _Completed) and task.shared.record.run_id == run_id:
                yield task.record(task_run_id)

    # --- the end

    def end(self, task_run_id: str, *, keeps_outcome: bool = True) -> None:
        """Note that a task has ended, and that everybody was told.

        Parameters
        ----------
        keeps_outcome
            Whether somebody may ask for its outcome, although it completed.
        """
        task = self._known(task_run_id)
        task.has_ended = True
        if task.record.state is State.COMPLETED and not keeps_outcome:
            task.outcome = None
            self._tasks[task_run_id] = self._packed(task) or task

    def has_ended(self, task_run_id: str) -> bool:
        """Tell whether :meth:`end` was called; also where the task is known no more."""
        task = self._tasks.get(task_run_id)
        return task is None or isinstance(task, _Completed) or task.has_ended

    def outcome(self, task_run_id: str) -> Outcome | None:
        """Return the outcome of the last attempt, where it gave one that was kept."""
        task = self._tasks.get(task_run_id)
        return task.outcome if isinstance(task, _Known) else None

    def set_outcome(self, task_run_id: str, outcome: Outcome | None) -> None:
        """Keep the outcome of the last attempt, or let go of it."""
        task = self._tasks.get(task_run_id)
        if isinstance(task, _Known):
            task.outcome = outcome

    def forget(self, task_run_id: str) -> None:
        """Let go of all that is known of a task."""
        self._tasks.pop(task_run_id, None)

    # --- the values

    def holder(self, task_run_id: str) -> Holder | None:
        """Return who has the values of a task; None where nobody has (any more)."""
        task = self._tasks.get(task_run_id)
        if isinstance(task, _Completed):
            executor = task.shared.executor
            return None if executor is None else (task_run_id + task.shared.suffix, executor)
        return None if task is None else task.holder

    def hold(self, task_run_id: str, key: str, executor: Executor) -> bool:
        """Note that this attempt of a task left its values on this executor; False where the task is not known."""
        if task_run_id not in self._tasks:
            return False
        self._known(task_run_id).holder = (key, executor)
        return True

    def take_holder(self, task_run_id: str) -> Holder | None:
        """Return who has the values of a task, and note that nobody has any more."""
        holder = self.holder(task_run_id)
        if holder is not None:
            self._known(task_run_id).holder = None
        return holder

    def held_by(self, executor: Executor) -> list[str]:
        """Return the ids of the tasks whose values this executor has."""
        held = ((task_run_id, self.holder(task_run_id)) for task_run_id in list(self._tasks))
        return [task_run_id for task_run_id, holder in held if holder is not None and holder[1] is executor]

    def holders(self) -> set[int]:
        """Return the ``id`` of each executor that has values."""
        executors = (
            task.shared.executor if isinstance(task, _Completed) else task.holder[1] if task.holder else None
            for task in list(self._tasks.values())
        )
        return {id(executor) for executor in executors if executor is not None}

    # --- packing

    def _known(self, task_run_id: str) -> _Known:
        """Return a task in full, to change it."""
        task = self._tasks[task_run_id]
        if isinstance(task, _Completed):
            task = _Known(task.record(task_run_id), None, self.holder(task_run_id), True)
            self._tasks[task_run_id] = task
        return task

    def _packed(self, task: _Known) -> _Completed | None:
        """Return what is worth to be kept of a completed task; None where it is not of the usual kind."""
        record = task.record
        times = (record.created_at, record.started_at, record.ended_at)
        key, executor = task.holder or (record.task_run_id, None)
        if not key.startswith(record.task_run_id) or not all(at is not None and at.tzinfo is UTC for at in times):
            return None
        data = _TIMES.pack(*map(_microseconds, times)) + record.name.encode("utf-8", "surrogatepass")
        rest = msgspec.structs.replace(
            record, task_run_id="", name="", created_at=_EPOCH, started_at=_EPOCH, ended_at=_EPOCH
        )
        suffix = key[len(record.task_run_id) :]
        shared = self._shared
        if shared is None or shared.executor is not executor or shared.suffix != suffix or shared.record != rest:
            shared = self._shared = _Shared(rest, suffix, executor)
        return _Completed(shared, data)


def _microseconds(at: datetime | None) -> int:
    assert at is not None
    return (at - _EPOCH) // _MICROSECOND


def _time_of(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
