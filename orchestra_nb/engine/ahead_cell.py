"""A cell on a worker before its turn: run as a task cell is, with what it did beside its names seen and kept apart.

What it may not do before its turn (:mod:`orchestra_nb.engine.effect_guard`) ends it, and so does an error: then it runs
in order, in the kernel. All else that a cell does is told in an :class:`AheadReport` that travels with its values.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import msgspec

from orchestra_nb.engine.dask_generator import keep_dask_generator_apart
from orchestra_nb.engine.drivers import worker_driver
from orchestra_nb.engine.effect_guard import EffectGuard, EffectStopped
from orchestra_nb.engine.process_resources import ModuleWatch, Resource, resources_of_process
from orchestra_nb.engine.random_generators import GENERATORS
from orchestra_nb.engine.run_context import entered, flow_run_context, task_run_context
from orchestra_nb.engine.services import asking_through
from orchestra_nb.engine.user_modules import state_of_user_modules
from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model.attempts import AttemptContext, AttemptResult
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.model.events import Event
from orchestra_nb.model.fingerprints import fingerprint as content_of
from orchestra_nb.model.outcomes import ValueInfo
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.aliases import Aliases, Pickled
from orchestra_nb.notebooks.cell_task import CellAttempt, CellFailed, CellTask
from orchestra_nb.notebooks.cell_values import PackedGroup, PackResult, fingerprint, pack_values
from orchestra_nb.notebooks.output_recorder import OutputRecorder

#: The name under which the report travels among the values.
REPORT = "~report"
#: Resources that every task cell gets by other ways (:class:`CellTask`).
_SENT_OTHERWISE = frozenset({"environment", "working folder", "sys.path"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadReport:
    """What a cell did beside binding names.

    Parameters
    ----------
    problem
        Why it has to run in order; empty where nothing is known against what it gave.
    replaced
        Names of its inputs whose objects it changed, or that its outputs share something with.
    along
        Name to the fingerprint of what the short cells before it have made of it.
    resources
        Key to the new state of the resources that it changed.
    started
        Key to the fingerprint of the state of each resource before it ran.
    modules
        State of the user's own modules after it.
    files
        Files that it looked at, as they were.
    messages
        What it showed, piece by piece.
    """

    problem: str = ""
    replaced: tuple[str, ...] = ()
    along: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    started: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    messages: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadTask(CellTask):
    """A task cell that runs before its turn.

    Parameters
    ----------
    configuration
        Sources of the cells that set the process up, in order: they are run before it, and show nothing.
    along
        Sources of short cells that it needs and that run in the kernel, too: they are run before it, and show nothing.
    resources
        Key to the state of each resource in the kernel, pickled.
    """

    configuration: tuple[str, ...] = ()
    along: tuple[str, ...] = ()
    resources: bytes = b""

    def attempt(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> CellAttempt:
        """Return a new attempt."""
        assert isinstance(context, _Silent)
        return _AheadAttempt(self, upstream, context)


@dataclass(frozen=True, slots=True)
class AheadBody:
    """An :class:`~orchestra_nb.model.attempts.AttemptBody` that runs a cell before its turn."""

    cell: AheadTask

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run the cell in this thread."""
        silent: Any = _Silent(context)
        driver: Any = _NoDriver(silent)
        with (
            asking_through(silent),
            entered(flow_run_context, None),
            entered(task_run_context, None),
            entered(worker_driver(), driver),
        ):
            return self.cell.run(upstream, silent)


class _NoDriver:
    """Stands where the driver of flows and tasks does: what they would be recorded under is not there yet."""

    def __init__(self, silent: _Silent) -> None:
        self._silent = silent

    def __getattr__(self, name: str) -> NoReturn:
        self._silent.problem = self._silent.problem or "it runs flows or tasks"
        raise EffectStopped("it runs flows or tasks")


class _Silent:
    """The context of a cell that nobody sees yet: what it shows is kept, and what it wants of others ends it."""

    def __init__(self, context: AttemptContext) -> None:
        self.worker = context.worker
        self.attempt = context.attempt
        self.messages: list[Mapping[str, Any]] = []
        self.problem = ""

    def show(self, message: Mapping[str, object]) -> None:
        """Keep what is shown."""
        self.messages.append(dict(message))

    def log(self, line: LogLine) -> None:
        """Note that it logged: where that appears is the kernel's."""
        self.problem = self.problem or "it logs"

    def emit(self, event: Event) -> None:
        """Note that it began runs of its own."""
        self.problem = self.problem or "it runs flows or tasks"

    def ask(self, question: bytes, timeout_seconds: float) -> NoReturn:
        """Refuse."""
        self.problem = self.problem or "it uses Orchestra's services"
        raise ConnectionError("This cell runs before its turn.")

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Do nothing: what may be told to stop is not run here."""


class _AheadAttempt(CellAttempt):
    def __init__(self, task: AheadTask, upstream: Mapping[str, AttemptResult], context: _Silent) -> None:
        super().__init__(task, upstream, context)
        self._ahead = task
        self._silent = context
        self._guard = EffectGuard()
        self._resources: dict[str, Resource] = {}
        self._found: dict[str, object] = {}
        self._kept_prints: dict[str, bytes | None] = {}
        self._modules = ModuleWatch()
        self._along: dict[str, str] = {}

    def _enter(self) -> None:
        self._resources = {
            resource.key: resource for resource in resources_of_process() if resource.name not in _SENT_OTHERWISE
        }
        keep_dask_generator_apart()
        self._found = _look(self._resources)
        super()._enter()
        assert self._shell is not None
        self._run_unseen(self._ahead.configuration)
        self._shell.mark_results(True)

    def _run_unseen(self, sources: Sequence[str]) -> None:
        """Run cells that show nothing here."""
        assert self._shell is not None
        nothing = OutputRecorder(lambda message: None)
        for number, source in enumerate(sources):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                with self._guard.watching():
                    error = self._shell.run_source(source, f"<cell before {number}>", 0, self._namespace, nothing)
            if error is not None or self._guard.deed:
                raise CellFailed("CellFailed", f"a cell that it needs failed here: {error or self._guard.deed}")

    def _take_inputs(self) -> dict[str, object]:
        """Put the inputs into the namespace, run the short cells that come along, and return what is there then."""
        values = super()._take_inputs()
        self._modules.look(self._namespace, is_users)
        if not self._ahead.along:
            return values
        namespace = self._namespace
        before = {name: (id(value), fingerprint(value, namespace)) for name, value in values.items()}
        known = {name: id(value) for name, value in namespace.items()}
        self._run_unseen(self._ahead.along)
        changed = [
            name for name, value in namespace.items() if known.get(name) != id(value) and not name.startswith("_")
        ]
        changed += [
            name
            for name, (number, old) in before.items()
            if id(namespace.get(name)) == number and fingerprint(namespace[name], namespace) != old
        ]
        try:
            self._along = {name: content_of(namespace[name]) for name in changed}
        except ValueNotHashable as error:
            raise CellFailed("ValueNotHashable", str(error)) from error
        return {name: namespace[name] for name in (*values, *changed) if name in namespace}

    def _run_cell(self, initial: Mapping[str, object]) -> BaseException | None:
        self._kept_prints = {name: fingerprint(value, self._namespace) for name, value in initial.items()}
        # last, since what is imported for the values may draw from a generator, or set options
        states = pickle.loads(self._ahead.resources)
        for key in sorted(states.keys() & self._resources.keys(), key=self._is_of_generator):
            self._resources[key].put(states[key])
        self._set_before = {key: content_of(state) for key, state in _look(self._resources).items()}
        self._environment_before = self._environment()
        with self._guard.watching():
            return super()._run_cell(initial)

    def _is_of_generator(self, key: str) -> bool:
        return self._resources[key].name in GENERATORS

    def _environment(self) -> object:
        return dict(os.environ), os.getcwd(), list(sys.path)

    def _pack_outputs(self, initial: Mapping[str, object]) -> PackResult:
        """Pack all that the cell bound or changed, what shares something with it, and the report."""
        namespace = self._namespace
        given = [name for name in namespace if name in self._bound_names()]
        given += [
            name
            for name, value in initial.items()
            if namespace.get(name) is value and fingerprint(value, namespace) != self._kept_prints[name]
        ]
        replaced = {name for name in given if namespace.get(name) is initial.get(name, self)}
        problem = self._silent.problem or (self._guard.deed and f"it {self._guard.deed}")
        if self._guard.has_too_many_files:
            problem = problem or "it looks at too many files"
        if patches := self._modules.look(namespace, is_users):
            problem = problem or f"it replaces {patches[0]} in a module"
        if self._environment_before != self._environment():
            problem = problem or "it changes the environment, the working folder or the module path"
        shared = self._sharing(given, initial)
        packed = pack_values({name: namespace[name] for name in (*given, *shared)}, namespace, None)
        if packed.not_portable:
            problem = problem or f"its result cannot travel: {next(iter(packed.not_portable.values()))}"
        report = AheadReport(
            problem=problem,
            replaced=tuple(sorted({*replaced, *shared})),
            along=self._along,
            resources=self._changed_resources(),
            started=self._set_before,
            modules=state_of_user_modules(),
            files=self._guard.files,
        )
        self._report = report
        return packed

    def _sharing(self, given: Sequence[str], initial: Mapping[str, object]) -> list[str]:
        """Return the inputs that were not changed, but that what the cell gives shares something mutable with."""
        namespace = self._namespace
        others = [name for name in initial if name not in given and name in namespace]
        if not given or not others:
            return []
        parts: dict[str, Pickled] = {}
        for name in (*given, *others):
            with contextlib.suppress(Exception):  # pickling runs code of any class; it is told when it is packed
                parts[name] = Pickled.of({name: namespace[name]}, namespace, None)
        groups = Aliases(parts).groups()
        return [name for group in groups if set(group) & set(given) for name in group if name in others]

    def _changed_resources(self) -> dict[str, Any]:
        now = _look(self._resources)
        return {key: state for key, state in now.items() if self._set_before.get(key) != content_of(state)}

    def _compute(self, initial: Mapping[str, object]) -> AttemptResult:
        result = super()._compute(initial)
        if result.outcome.state is not State.COMPLETED:
            return result
        # what it showed is complete only now
        report = replace(self._report, messages=self._silent.messages)
        data = pickle.dumps(report, protocol=5)
        info = ValueInfo(type="AheadReport", group=len(result.groups), size_bytes=len(data))
        outcome = msgspec.structs.replace(result.outcome, values={**result.outcome.values, REPORT: info}, outputs=[])
        return AttemptResult(outcome, (*result.groups, PackedGroup((REPORT,), data)))

    def _restore(self) -> None:
        super()._restore()
        resources, self._resources = self._resources, {}
        for key, state in self._found.items():
            with contextlib.suppress(Exception):  # a package of another version
                resources[key].put(state)
        self._found = {}


def _look(resources: Mapping[str, Resource]) -> dict[str, Any]:
    """Return the state of the resources that are there."""
    found: dict[str, Any] = {}
    for key, resource in resources.items():
        state = resource.look()
        if state is not None:
            found[key] = state
    return found


def report_in(groups: Sequence[object]) -> AheadReport | None:
    """Return the report among the groups of a result."""
    for group in groups:
        if isinstance(group, PackedGroup) and group.names == (REPORT,):
            report: AheadReport = pickle.loads(group.data)
            return report
    return None
