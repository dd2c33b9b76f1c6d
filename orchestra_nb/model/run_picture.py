"""A run as it is kept in a notebook: small, whatever its size. What was mapped is counted, and failures come first.

The grouping is that of the drawings (``labextension/src/drawing/taskGroups.ts``): task runs of one name, without its
number, and of one place in the graph are one group; a cell is always one of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from orchestra_nb.model.events import TaskRunStateChanged, apply_to_task
from orchestra_nb.model.runs import Run, TaskRun
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.model.task_names import task_of

#: So many groups are told apart; what follows is counted only.
MOST_GROUPS: Final = 150
#: So many task runs of one group, and of all, are written out.
MOST_OF_GROUP: Final = 20
MOST_TASKS: Final = 200

#: The word of a completed task whose result was kept: its code did not run.
CACHED: Final = "CACHED"

#: What a group is said to be: that of these which one of its task runs is, the first in this order.
_PRECEDENCE = (
    *("FAILED", "TIMED_OUT", "CRASHED", "CANCELLING", "RUNNING", "RETRYING", "PAUSED", "PENDING"),
    *("SCHEDULED", "UPSTREAM_FAILED", "CANCELLED", "SKIPPED", "MISSED", "COMPLETED", CACHED),
)
_RANKS = {word: rank for rank, word in enumerate(_PRECEDENCE)}
_WAITING = (State.PENDING, State.SCHEDULED)


def state_word(task: TaskRun) -> str:
    """Return the state of a task run as it is shown: that a result was taken from the cache is one of its own."""
    return CACHED if task.is_cached and task.state is State.COMPLETED else task.state.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureGroup:
    """Task runs that are drawn as one.

    Parameters
    ----------
    group_id
        The id of its first task run, which is always among ``tasks``.
    name
        Without the number where there are several.
    counts
        How many task runs are in each state, by :func:`state_word`, the gravest state first.
    tasks
        Those that are written out, in the order of their creation; what they come after is left to the group.
    upstream
        The ids of the groups that it comes after, of those that are kept.
    """

    group_id: str
    name: str
    counts: Mapping[str, int]
    tasks: tuple[TaskRun, ...]
    upstream: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many task runs it has."""
        return sum(self.counts.values())

    @property
    def state(self) -> str:
        """The state that stands for all of it."""
        return next(iter(self.counts))

    @property
    def omitted(self) -> dict[str, int]:
        """How many that are not written out are in each state."""
        return dict(Counter(self.counts) - Counter(map(state_word, self.tasks)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPicture:
    """What is kept of a run.

    Parameters
    ----------
    groups
        In the order of their first task runs.
    rest
        How many task runs of other groups are in each state.
    """

    run: Run | None
    groups: tuple[PictureGroup, ...]
    rest: Mapping[str, int]

    @property
    def is_live(self) -> bool:
        """Whether something may still happen."""
        if self.run is not None and not self.run.state.is_terminal:
            return True
        return any(word != CACHED and not State(word).is_terminal for word in self.counts)

    @property
    def counts(self) -> Counter[str]:
        """How many task runs are in each state."""
        return sum((Counter(group.counts) for group in self.groups), Counter(self.rest))

    @property
    def seconds_at_work(self) -> float | None:
        """For how long the run, which has ended, or one of its tasks ran, without what was idle in between.

        The newest task runs of an open notebook are of several runs; None before the run began or ended.
        """
        if self.run is None or self.run.started_at is None or self.run.ended_at is None:
            return None
        tasks = (task for group in self.groups for task in group.tasks)
        spans = [(self.run.started_at, self.run.ended_at)]
        spans += [(task.started_at, task.ended_at) for task in tasks if task.started_at and task.ended_at]
        spans.sort()
        until, seconds = spans[0][0], 0.0
        for start, end in spans:
            seconds += max(0.0, (end - max(start, until)).total_seconds())
            until = max(until, end)
        return seconds


@dataclass(slots=True)
class _Group:
    group_id: str
    name: str
    place: int
    upstream: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    #: those that may be written out, by id
    kept: dict[str, TaskRun] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return min((_RANKS[word] for word, count in self.counts.items() if count), default=len(_RANKS))


class RunPicture:
    """Takes what becomes of the tasks of a run, and gives what is kept of it. Not thread-safe.

    Memory: the records of open tasks, and the id of each other one. ``add`` and ``change`` cost microseconds.
    """

    def __init__(self, run: Run | None) -> None:
        self.run = run
        self._groups: dict[object, _Group] = {}
        self._group_of: dict[str, _Group] = {}
        #: task runs that have not ended and may be left out, by id
        self._open: dict[str, TaskRun] = {}

    @classmethod
    def of(
        cls, run: Run | None, tasks: Iterable[TaskRun], edges: Iterable[tuple[str, str]] | None = None
    ) -> RunPicture:
        """Return the picture of these task runs.

        Parameters
        ----------
        edges
            Pairs of task run ids, from and to; None where the records tell themselves what they come after.
        """
        picture = cls(run)
        sources: dict[str, list[str]] = {}
        for start, end in edges or ():
            sources.setdefault(end, []).append(start)
        for task in tasks:
            if edges is not None:
                task = msgspec.structs.replace(task, upstream=tuple(sources.get(task.task_run_id, ())))
            picture.add(task)
        return picture

    def add(self, task: TaskRun) -> None:
        """Take a new task run."""
        before = {found.group_id: found for item in task.upstream if (found := self._group_of.get(item)) is not None}
        place = max((found.place + 1 for found in before.values()), default=0)
        name = task_of(task)
        key = task.task_run_id if task.cell_id is not None else (place, name)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(task.task_run_id, task.name, place)
        else:
            group.name = name
        group.upstream.update(dict.fromkeys(before))
        group.counts[state_word(task)] += 1
        self._group_of[task.task_run_id] = group
        if len(group.kept) < MOST_OF_GROUP:
            group.kept[task.task_run_id] = msgspec.structs.replace(task, upstream=())
        elif task.state in FAILURE_STATES:
            self._keep_failure(group, msgspec.structs.replace(task, upstream=()))
        elif not task.state.is_terminal:
            self._open[task.task_run_id] = task

    def change(self, change: TaskRunStateChanged) -> None:
        """Take a change of a task run."""
        task_run_id = change.task_run_id
        group = self._group_of.get(task_run_id)
        if group is None:
            return
        is_kept = task_run_id in group.kept
        record = group.kept[task_run_id] if is_kept else self._open.get(task_run_id)
        if record is None:
            return
        newer = apply_to_task(record, change)
        group.counts[state_word(record)] -= 1
        group.counts[state_word(newer)] += 1
        if is_kept:
            group.kept[task_run_id] = newer
        elif not newer.state.is_terminal:
            self._open[task_run_id] = newer
        else:
            del self._open[task_run_id]
            if newer.state in FAILURE_STATES:
                self._keep_failure(group, newer)

    def _keep_failure(self, group: _Group, failed: TaskRun) -> None:
        """Have a failure in the place of one that went well, or has not ended, or only followed another failure."""
        others = [task for task in reversed(group.kept.values()) if task.task_run_id != group.group_id]
        for task in sorted(others, key=lambda task: task.state is State.UPSTREAM_FAILED):
            if task.state not in FAILURE_STATES or _is_graver(failed, task):
                del group.kept[task.task_run_id]
                group.kept[failed.task_run_id] = failed
                if not task.state.is_terminal:
                    self._open[task.task_run_id] = task
                return

    @property
    def has_failures(self) -> bool:
        """Whether the run or a task of it failed. O(groups)."""
        if self.run is not None and self.run.state in FAILURE_STATES:
            return True
        return any(group.counts[state.value] for group in self._groups.values() for state in FAILURE_STATES)

    def kept(self) -> KeptPicture:
        """Return what is kept. O(groups + open tasks)."""
        groups = list(self._groups.values())
        shown = sorted(groups, key=lambda group: group.rank)[:MOST_GROUPS]
        ids = {group.group_id for group in shown}
        rest = sum((group.counts for group in groups if group.group_id not in ids), Counter[str]())
        chosen = self._chosen(shown)
        return KeptPicture(
            run=self.run,
            groups=tuple(self._kept_group(group, ids, chosen) for group in groups if group.group_id in ids),
            rest=_ordered(rest),
        )

    def _chosen(self, groups: Sequence[_Group]) -> dict[str, list[TaskRun]]:
        """Return group id to the task runs that are written out: the first of each, and the gravest of the others."""
        chosen = {group.group_id: [group.kept[group.group_id]] for group in groups}
        begun = (task for task in self._open.values() if task.state not in _WAITING)
        candidates = [task for group in groups for task in group.kept.values()]
        candidates += [task for task in begun if self._group_of[task.task_run_id].group_id in chosen]
        candidates.sort(key=lambda task: _RANKS[state_word(task)])
        room = MOST_TASKS - len(chosen)
        for task in candidates:
            of_group = chosen[self._group_of[task.task_run_id].group_id]
            if room <= 0:
                break
            if task is not of_group[0] and len(of_group) < MOST_OF_GROUP:
                of_group.append(task)
                room -= 1
        return chosen

    def _kept_group(self, group: _Group, ids: set[str], chosen: Mapping[str, list[TaskRun]]) -> PictureGroup:
        first, *others = chosen[group.group_id]
        others.sort(key=lambda task: task.task_run_id)
        return PictureGroup(
            group_id=group.group_id,
            name=group.name,
            counts=_ordered(group.counts),
            tasks=(first, *others),
            upstream=tuple(item for item in group.upstream if item in ids),
        )


def _is_graver(one: TaskRun, other: TaskRun) -> bool:
    """Tell whether of two that ended badly one failed itself, and the other could not run."""
    return other.state is State.UPSTREAM_FAILED is not one.state


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return {word: counts[word] for word in _PRECEDENCE if counts.get(word)}
