"""Runs cells of a notebook ahead of their turn on a cluster, and lets each take effect at its turn, in the kernel.

The kernel runs the cells in order, as ever. Before each, those later ones are sent to workers whose inputs are known by
then. When the turn comes to a cell that was sent, its result is taken if what it was given is what the kernel has now:
the values by their fingerprints, the generators and settings of the process, your own modules, and the files
that it looked at. Then its values are bound and what it showed is shown, as of that cell. If anything is otherwise, or
it did what cannot be taken back, or failed, its result is dropped and the cell runs in the kernel. So all takes effect
in the order of the notebook, and an analysis that has missed something costs time and nothing else.

(Processors do this: they execute out of order and retire in order; Smith and Pleszkun 1985.)
"""

from __future__ import annotations

import builtins
import os
import pickle
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestra_nb.engine.ahead_cell import REPORT, AheadBody, AheadReport, AheadTask, report_in
from orchestra_nb.engine.ahead_checks import (
    SentCell,
    difference,
    has_own_threads,
    roundabout_way,
    shared_elsewhere,
)
from orchestra_nb.engine.cell_session import is_of_shell
from orchestra_nb.engine.driver_environment import EnvironmentChanges, environment_of_driver
from orchestra_nb.engine.executors import ClusterChanged
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.pending import PendingValue
from orchestra_nb.engine.process_resources import ModuleWatch, resources_of_process
from orchestra_nb.engine.submissions import Submission
from orchestra_nb.engine.user_modules import state_of_user_modules
from orchestra_nb.errors import OrchestraError, ValueNotPortable
from orchestra_nb.model.ahead_plans import AheadPlan
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.model.events import Event
from orchestra_nb.model.fingerprints import fingerprint as content_of
from orchestra_nb.model.machine_messages import TaskPlan
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import LogLine, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.ahead_plan import cells_along, may_go_now
from orchestra_nb.notebooks.cell_values import fingerprint, pack_values, unpack_values
from orchestra_nb.notebooks.names import analyse_cell

#: How long the news that a worker has begun may be on its way.
_NEWS_SECONDS = 0.1
_WORD = re.compile(r"\w+")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a cell that was run ahead and takes effect now."""

    started_at: datetime
    ended_at: datetime
    worker: str


class AheadStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened before a cell.

    Parameters
    ----------
    sent
        Cells that were sent to workers.
    dropped
        Cells whose results will not be taken.
    taken
        The cell itself was run ahead, and takes effect with the next code that this kernel is sent.
    notes
        What is worth a line in the log.
    """

    sent: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    taken: Taken | None = None
    notes: tuple[str, ...] = ()


class NoSink:
    """Takes the events of cells that nobody sees before their turn."""

    def emit(self, event: Event) -> None:
        """Drop it."""

    def flush(self, timeout_seconds: float) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing."""


class NoListener:
    """Is told what nobody has to be told."""

    def task_changed(self, task_run: TaskRun) -> None:
        """Do nothing."""

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """Do nothing."""

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """Do nothing."""

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """Do nothing."""

    def cluster_changed(self, change: ClusterChanged) -> None:
        """Do nothing."""

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _Accepted:
    """A result that takes effect with the next code."""

    index: int
    source: str
    report: AheadReport
    values: dict[str, object]
    deleted: tuple[str, ...]


class _NotYet(Exception):
    """A cell has to wait for others that its source did not show."""


class _CannotGo(Exception):
    """A cell cannot be sent; why, in people's words."""


@dataclass
class CellsAhead:
    """The cells of one notebook run in one kernel. All methods belong to the kernel's main thread.

    Parameters
    ----------
    runner
        Has the cluster.
    """

    namespace: dict[str, Any]
    plan: AheadPlan
    runner: FlowRunner
    _sent: dict[int, SentCell] = field(default_factory=dict)
    #: cell that took effect from a worker to the fingerprints of what it gave
    _taken: dict[int, dict[str, bytes | None]] = field(default_factory=dict)
    _never: set[int] = field(default_factory=set)
    _held: list[str] = field(default_factory=list)
    _modules: ModuleWatch = field(default_factory=ModuleWatch)
    _is_off: bool = False
    accepted: _Accepted | None = None

    def __post_init__(self) -> None:
        self._resources = resources_of_process()
        self._environment_changes = EnvironmentChanges()
        self._modules.look(self.namespace, is_users)

    def step(self, index: int) -> AheadStep:
        """Send what can go ahead beside the cell at ``index``, and wait for that cell's own result if it was sent."""
        notes: list[str] = []
        dropped: list[int] = self._forget_stranded(index)
        if not self._is_off and (patches := self._modules.look(self.namespace, is_users)):
            notes.append(f"The notebook replaces {patches[0]} in a module: the rest runs in order.")
            dropped += self.drop_all()
        sent = [] if self._is_off else self._send_all(index, notes)
        taken = None
        if (own := self._sent.pop(index, None)) is not None:
            problem = self._take(own)
            if isinstance(problem, Taken):
                taken = problem
            else:
                if problem:
                    notes.append(f"{self._name(index)} ran ahead, but is run again in order: {problem}.")
                dropped.append(index)
                if self._is_off:
                    dropped += self.drop_all()
        return AheadStep(sent=tuple(sent), dropped=tuple(dropped), taken=taken, notes=tuple(notes))

    def close(self) -> None:
        """Stop what runs on workers."""
        self.drop_all()
        self.runner.close("the notebook has ended")

    def _name(self, index: int) -> str:
        """Return what a cell is called at the begin of a sentence."""
        name = self.plan.cells[index].name
        return name[0].upper() + name[1:]

    def _task_name(self, index: int) -> str:
        """Return the name of the task that a cell is."""
        return self.plan.cells[index].name.replace(" ", "-")

    def _forget_stranded(self, index: int) -> list[int]:
        """Forget the cells that waited for one that was not begun in time: they may be sent again."""
        stranded = []
        for other, sent in self._sent.items():
            task = self.runner.task(sent.task_run_id)
            if other != index and task.state.is_terminal and task.started_at is None:
                stranded.append(other)
        for other in stranded:
            del self._sent[other]
        return stranded

    def waited_for(self) -> list[str]:
        """Return the ids of the task runs of the cells that were sent and whose turn has not come."""
        return [sent.task_run_id for sent in self._sent.values()]

    # --- sending

    def _send_all(self, index: int, notes: list[str]) -> list[int]:
        sent: list[int] = []
        if has_own_threads():
            return sent  # what they change would not reach a worker
        state: tuple[bytes, dict[str, str]] | None = None
        for cell in self.plan.cells[index:]:
            if not cell.goes_ahead or cell.index in self._sent or cell.index in self._never:
                continue
            if not may_go_now(cell, index, self.plan.cells, self._sent):
                continue
            try:
                if state is None:
                    state = self._state()
                self._sent[cell.index] = self._send(cell.index, index, state)
                sent.append(cell.index)
            except _NotYet:
                continue
            except _CannotGo as reason:
                self._never.add(cell.index)
                notes.append(f"{self._name(cell.index)} cannot run ahead: {reason}.")
        return sent

    def _state(self) -> tuple[bytes, dict[str, str]]:
        """Return the state of the resources, pickled, and a digest of each."""
        found = {resource.key: resource.look() for resource in self._resources}
        there = {key: state for key, state in found.items() if state is not None}
        try:
            return pickle.dumps(there), {key: content_of(state) for key, state in there.items()}
        except Exception as error:  # a setting may be anything
            raise _CannotGo(f"the state of the process cannot travel ({error})") from error

    def _send(self, index: int, now: int, state: tuple[bytes, dict[str, str]]) -> SentCell:
        source = self.plan.cells[index].source
        names = analyse_cell(source, self.namespace)
        if names.opaque is not None:
            raise _CannotGo(names.opaque)
        along = cells_along(self.plan.cells[index], now, self.plan.cells, self._sent) or ()
        reads, made = set[str](), set[str]()
        for other in (*along, index):
            each = names if other == index else analyse_cell(self.plan.cells[other].source, self.namespace)
            if each.opaque is not None:
                raise _CannotGo(each.opaque)
            reads |= (each.reads | each.mutates) - made
            made |= each.defines - each.conditional
        modules = state_of_user_modules()
        if unknown := [name for name, digest in modules.items() if digest is None]:
            raise _CannotGo(f"nobody can tell what is in the variables of module {unknown[0]}")
        upstream = self._upstream(index, now, reads, along)
        from_tasks = {name for given in upstream.values() for name in given}
        inputs: dict[str, Any] = {}
        absent: set[str] = set()
        for name in sorted(reads):
            if name not in self.namespace:
                if name not in from_tasks and not hasattr(builtins, name):
                    absent.add(name)
            elif isinstance(self.namespace[name], PendingValue):
                raise _CannotGo(f"`{name}` is given by a task")
            elif not is_of_shell(name, self.namespace[name]) and name not in from_tasks:
                inputs[name] = self.namespace[name]
        if way := roundabout_way(inputs):
            raise _CannotGo(way)
        packed = pack_values(inputs, self.namespace, frozenset(_WORD.findall(source)))
        if packed.not_portable:
            raise _CannotGo(next(iter(packed.not_portable.values())))
        task_ids = {other: self._sent[other].task_run_id for other in upstream}
        body = AheadTask(
            source=source,
            name=self._task_name(index),
            label=self.plan.cells[index].name,
            lines_above=0,
            outputs=tuple(sorted(names.defines)),
            reads=tuple(sorted(reads)),
            inputs=packed.groups,
            upstream_names={task_ids[other]: given for other, given in upstream.items()},
            cwd=os.getcwd(),
            sys_path=tuple(sys.path),
            environ=self._environment_changes.now(),
            configuration=tuple(
                cell.source for cell in self.plan.cells[:index] if cell.is_configuration and cell.index < now
            ),
            resources=state[0],
            along=tuple(self.plan.cells[number].source for number in along),
        )
        created = datetime.now(UTC)
        task_run_id = fresh_id(created)
        run_id = os.environ.get("ORCHESTRA_RUN_ID", "") or fresh_id(created)
        name = self._task_name(index)
        self.runner.submit(
            Submission(
                task_run=TaskRun(
                    task_run_id=task_run_id,
                    run_id=run_id,
                    name=name,
                    state=State.PENDING,
                    created_at=created,
                    upstream=tuple(task_ids.values()),
                ),
                plan=TaskPlan(
                    task_run_id=task_run_id,
                    run_id=run_id,
                    name=name,
                    upstream=tuple(task_ids.values()),
                    retry=RetryPolicy(infrastructure_retries=0),
                ),
                body=AheadBody(body),
                needs={task_ids[other]: given for other, given in upstream.items()},
                environment=environment_of_driver(),
            )
        )
        self._held.append(task_run_id)
        prints = {name: fingerprint(value, self.namespace) for name, value in inputs.items()}
        return SentCell(index, task_run_id, prints, upstream, frozenset(absent), state[1], modules)

    def _upstream(
        self, index: int, now: int, reads: Collection[str], along: Collection[int]
    ) -> dict[int, tuple[str, ...]]:
        """Return the cells that were sent and give names that this one reads: of each name the last one."""
        giver: dict[str, int] = {}
        needs = self.plan.cells[index].needs
        remade: set[str] = set()
        for cell in self.plan.cells[now:index]:
            if cell.index in along:  # it runs there, after what is fetched
                remade |= set(cell.gives)
                continue
            if found := remade & set(cell.gives) & set(reads):
                raise _NotYet(f"{cell.name} may change `{min(found)}`")
            for name in set(cell.gives) & set(reads):
                if cell.index not in self._sent or cell.index not in needs:
                    raise _NotYet(f"{cell.name} may change `{name}`")
                giver[name] = cell.index
        fetched: dict[int, list[str]] = {}
        for name, other in sorted(giver.items()):
            fetched.setdefault(other, []).append(name)
        return {other: tuple(given) for other, given in sorted(fetched.items())}

    # --- taking

    def _take(self, sent: SentCell) -> Taken | str:
        """Wait for a result and check it; return it, or why it is not taken (empty where that needs no words)."""
        runner = self.runner
        if not self._has_begun(sent):
            # what it may still do on its worker changes nothing, so nobody waits for its end
            runner.cancel([sent.task_run_id], "its turn came before a worker had begun with it")
            return ""
        runner.wait([sent.task_run_id])
        task, outcome = runner.task(sent.task_run_id), runner.outcome(sent.task_run_id)
        if task.state is not State.COMPLETED or outcome is None:
            if task.started_at is None:
                return ""
            what = f"{task.error.type}: {task.error.message}" if task.error is not None else task.message
            return f"there it ended otherwise ({what.rstrip('.')[:200]})"
        try:
            groups = runner.fetch(sent.task_run_id, [*outcome.values]).groups
        except OrchestraError as error:
            return str(error).rstrip(".")
        report = report_in(groups)
        assert report is not None
        if problem := report.problem:
            return problem
        if problem := difference(sent, report, self.namespace, self._resources, self._taken, self.plan.cells):
            self._is_off = True
            return problem
        if problem := shared_elsewhere(report.replaced, outcome.values, self.namespace):
            return problem
        try:
            given = [name for name in outcome.values if name != REPORT]
            values = unpack_values([group for group in groups if group is not None], given, self.namespace)  # type: ignore[misc]
        except ValueNotPortable as error:
            return str(error).rstrip(".")
        source = self.plan.cells[sent.index].source
        self.accepted = _Accepted(sent.index, source, report, values, outcome.deleted)
        return Taken(started_at=outcome.started_at, ended_at=outcome.ended_at, worker=outcome.worker)

    def _has_begun(self, sent: SentCell) -> bool:
        """Tell whether a worker has begun with a cell, or does so before the news of it would be here."""
        task = self.runner.task(sent.task_run_id)
        if task.started_at is None and not task.state.is_terminal:
            self.runner.wait([sent.task_run_id], _NEWS_SECONDS)
        task = self.runner.task(sent.task_run_id)
        return task.started_at is not None or task.state.is_terminal

    def bind(self) -> AheadReport:
        """Bind the values of the accepted result; return what it did beside."""
        accepted, self.accepted = self.accepted, None
        assert accepted is not None
        for name in accepted.deleted:
            self.namespace.pop(name, None)
        self.namespace.update(accepted.values)
        for resource in self._resources:
            if resource.key in accepted.report.resources:
                resource.put(accepted.report.resources[resource.key])
        self._taken[accepted.index] = {
            name: fingerprint(value, self.namespace) for name, value in accepted.values.items()
        }
        return accepted.report

    def drop_all(self) -> list[int]:
        """Stop all that runs ahead; return which cells that were."""
        self._is_off = True
        dropped = [*self._sent]
        self.runner.cancel([self._sent.pop(index).task_run_id for index in dropped], "the cells run in order")
        return dropped
