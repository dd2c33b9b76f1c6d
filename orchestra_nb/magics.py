"""``%%task``, ``%task``, ``%flow`` and ``%orchestra``: what a notebook's user types, translated for the session.

This module is loaded by ``%load_ext`` in a kernel, where IPython is there already.
"""

from __future__ import annotations

import ast
import builtins
import logging
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from orchestra_nb.engine.cell_session import CellOrigin
from orchestra_nb.engine.name_binder import error_of
from orchestra_nb.errors import InvalidInput, OrchestraError, TaskNotFound
from orchestra_nb.flow_display import flow_bundle
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.states import REOPENABLE_STATES, State
from orchestra_nb.notebooks.cell_files import present_cell
from orchestra_nb.notebooks.flow_line import HELP as FLOW_HELP
from orchestra_nb.notebooks.flow_line import HINT, RETURN_USAGE, parse_flow_line
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.task_line import HELP, NO_BODY, TaskLine, parse_task_line
from orchestra_nb.run_widget import is_voila

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

    from orchestra_nb.cell_display import CellDisplays
    from orchestra_nb.model.runs import TaskRun
    from orchestra_nb.notebook_session import NotebookSession
    from orchestra_nb.operations.interactive import KernelDriver

_FLOW_DISPLAY = "orchestra-flow"
#: How long somebody who asks for a retry waits for a kernel that does something else, which is no cell.
_RETRY_SECONDS = 3.0
_NOTHING_TO_RETRY = "There is nothing to run again: these tasks have been run again, or did not fail."
_COMMENT = re.compile(r"(^|\s)#.*")

_ORCHESTRA_HELP = """%orchestra cluster [local | ADDRESS | MAPPING]   show or change where task cells run
%orchestra status                               version, store, cluster, tasks of this kernel"""

_log = logging.getLogger(__name__)


@magics_class
class TaskMagics(Magics):
    """The magics of one kernel."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, driver: KernelDriver, displays: CellDisplays) -> None:
        super().__init__(shell)
        self._driver = driver
        self._displays = displays
        #: cell id, and which of the tasks without a name in it, to the name that this one was given and keeps
        self._given_names: dict[tuple[str, int], str] = {}
        #: the cell that runs now, and how many tasks without a name it has begun: a loop may begin many
        self._unnamed: tuple[CellOrigin, int] | None = None
        self._flows_shown = 0
        #: name to the task cell that has it, as it was run last
        self._cells: dict[str, tuple[TaskLine, CellOrigin]] = {}
        #: made by the first `%flow` with a word
        self._session: NotebookSession | None = None

    @no_var_expand
    @line_cell_magic
    def task(self, line: str, cell: str | None = None) -> None:
        """Run this cell as a task on the cluster (see the help below)."""
        if cell is None:
            self._show_task(line)
            return
        try:
            parsed = parse_task_line(line, cell)
            if parsed.is_help:
                print(HELP)
                return
            self._run_task(parsed)
        except SyntaxError:
            raise
        except (InvalidInput, TaskNotFound) as error:
            raise UsageError(str(error)) from None

    @no_var_expand
    @line_magic
    def flow(self, line: str) -> None:
        """Show the graph of this notebook's tasks, live; with a word: return values, or see to cells that are stale."""
        try:
            said = parse_flow_line(line)
            if said.verb and said.returned is None and not said.help:
                self._notebook_session().perform(said)
        except OrchestraError as error:
            raise UsageError(str(error)) from None
        if said.help:
            print(said.help)
        elif said.returned is not None:
            self._return(said.returned)
        elif not said.verb:
            self._show_flow()

    def _show_flow(self) -> None:
        self._flows_shown += 1

        def bundle() -> dict[str, object]:
            session = self._driver.session
            return flow_bundle(self._driver.run.newest, session.tasks(), session.edges())

        self._displays.open_extra(f"{_FLOW_DISPLAY}-{self._driver.driver_id}-{self._flows_shown}", bundle)

        if not self._driver.session.tasks() and not is_voila():
            print(HINT)

    def _notebook_session(self) -> NotebookSession:
        from orchestra_nb.notebook_session import NotebookSession

        if self._session is None:
            self._session = NotebookSession(self.shell, lambda: self._origin().cell_id)
        return self._session

    @no_var_expand
    @line_magic
    def orchestra(self, line: str) -> None:
        """Show and change how this kernel runs its tasks."""
        words = _words_of(line, "%orchestra")
        if not words or words[-1] in ("--help", "-h"):
            print(_ORCHESTRA_HELP)
        elif words[0] == "cluster":
            self._cluster(_COMMENT.sub("", line.split("cluster", 1)[1]).strip())
        elif words == ["status"]:
            self._status()
        else:
            raise UsageError(f"%orchestra knows no {words[0]!r}. It takes:\n{_ORCHESTRA_HELP}")

    def _return(self, named: Mapping[str, ast.expr]) -> None:
        """Record values, each given by an expression."""
        from orchestra_nb.recording import record

        read = {node.id for value in named.values() for node in ast.walk(value) if isinstance(node, ast.Name)}
        for name, value in named.items():
            if isinstance(value, ast.Name) and value.id not in self.shell.user_ns and not hasattr(builtins, value.id):
                why = f"there is no variable {value.id!r}. Run the cell that makes it first."
                raise UsageError(f"%flow return {name}: {why} {RETURN_USAGE}")
        self._driver.session.binder.bind([name for name in sorted(read) if name in self.shell.user_ns])
        values = {
            name: eval(compile(ast.Expression(value), "<%flow return>", "eval"), self.shell.user_ns)
            for name, value in named.items()
        }
        record(**values)

    # --- %%task

    def _run_task(self, line: TaskLine) -> None:
        if line.body.strip() in ("", NO_BODY):
            raise UsageError("%%task: the cell is empty. Write the code of the task below the line.")
        origin = self._origin()
        name = line.name or self._given_name(line.body, origin)
        if line.local:
            from orchestra_nb.engine.local_cell import run_in_kernel

            run_in_kernel(self._driver.session, self.shell, line, origin, name, self._displays.open)
            return
        task = self._driver.session.submit(line, origin, name)
        self._cells[name] = line, origin
        self._displays.open(task)
        opaque = self._driver.session.opaque_reason(task.task_run_id)
        if not line.wait and opaque is None:
            return
        self._driver.session.wait([task.task_run_id])
        self._displays.flush(2.0)
        ended = self._driver.runner.task(task.task_run_id)
        if ended.state is not State.COMPLETED:
            raise error_of(ended)
        if opaque is not None:
            self._driver.session.binder.bind_all(task.task_run_id)

    def retry_tasks(self, task_run_ids: Sequence[str]) -> str:
        """Run task cells again that failed or were cancelled, as they were run last, each under its own line.

        Not in the thread of the cells: there they are run, after the cells that run or wait. Returns when they were
        submitted, or what they wait for, in people's words; what goes wrong after that is logged.

        Raises
        ------
        TaskNotFound
            None of these is the newest run of a task cell of this kernel that failed or was cancelled.
        OrchestraError
            A task could not be submitted.
        """
        wanted = set(task_run_ids)
        if not self._to_run_again(wanted):
            raise TaskNotFound(_NOTHING_TO_RETRY)
        loop = self.shell.kernel.io_loop  # type: ignore[attr-defined]
        submitted: Future[int] = Future()

        def run_again() -> None:
            if self._driver.run.is_cell_running:  # one that awaits something lets the loop go on in its midst
                self._call_after_cell(lambda: loop.add_callback(run_again))
                return
            self._driver.run.kernel_is_busy(True)
            try:
                bad = self._to_run_again(wanted)  # not before: somebody may have asked twice
                for task in bad:
                    self._run_again(task)
                submitted.set_result(len(bad))
            except BaseException as error:
                submitted.set_exception(error)
            finally:
                self._driver.run.kernel_is_busy(False)

        is_blocked = self._driver.run.is_cell_running
        loop.add_callback(run_again)
        if is_blocked or not wait([submitted], _RETRY_SECONDS).done:
            submitted.add_done_callback(_tell_late_error)
            return "These tasks are run again when the cell that runs now has ended."
        if not submitted.result():
            raise TaskNotFound(_NOTHING_TO_RETRY)
        return ""

    def _to_run_again(self, task_run_ids: Collection[str]) -> list[TaskRun]:
        """Return those of these that are the newest runs of their cells, and failed or were cancelled."""
        return [
            task
            for task in self._driver.session.tasks()
            if task.task_run_id in task_run_ids and task.state in REOPENABLE_STATES and task.name in self._cells
        ]

    def _call_after_cell(self, call: Callable[[], None]) -> None:
        """Call this once, when the cell that runs now has ended."""

        def cell_ended(result: ExecutionResult) -> None:
            self.shell.events.unregister("post_run_cell", cell_ended)
            call()

        self.shell.events.register("post_run_cell", cell_ended)

    def _run_again(self, task: TaskRun) -> None:
        line, origin = self._cells[task.name]
        session = self._driver.session
        again = session.submit(line, origin, task.name)
        self._displays.open(again, in_place_of=task.task_run_id)
        if session.opaque_reason(again.task_run_id) is None:
            return
        loop = self.shell.kernel.io_loop  # type: ignore[attr-defined]

        def bind() -> None:
            if self._driver.runner.task(again.task_run_id).state is State.COMPLETED:
                session.binder.bind_all(again.task_run_id)

        # nobody could tell before what names it gives
        self._driver.runner.call_when_ended(again.task_run_id, lambda: loop.add_callback(bind))

    def _origin(self) -> CellOrigin:
        label, cell_id = present_cell(self.shell)
        return CellOrigin(label=label, cell_id=cell_id)

    def _given_name(self, body: str, origin: CellOrigin) -> str:
        """Return a name for a cell that has none: what it binds first, else a number that it keeps."""
        number_in_cell = self._unnamed[1] + 1 if self._unnamed is not None and self._unnamed[0] == origin else 0
        self._unnamed = origin, number_in_cell
        key = (origin.cell_id or "", number_in_cell)
        if key in self._given_names:
            return self._given_names[key]
        name = _first_bound_name(body) or f"cell-{self.shell.displayhook.prompt_count}"
        taken = set(self._given_names.values())
        if origin.cell_id is not None:
            base, number = name, 2
            while name in taken:
                name, number = f"{base}-{number}", number + 1
            self._given_names[key] = name
        return name

    # --- %task, %orchestra

    def _show_task(self, line: str) -> None:
        words = _words_of(line, "%task")
        if words and words[0] in ("--help", "-h"):
            print(HELP)
            return
        if not words or len(words) > 2 or words[1:] not in ([], ["--cancel"]):
            raise UsageError("%task NAME shows a task, %task NAME --cancel cancels it; %%task runs a cell as one.")
        try:
            task = self._driver.session.task(words[0])
        except OrchestraError as error:
            raise UsageError(str(error)) from None
        if words[1:] == ["--cancel"] and not self._driver.session.cancel([task.task_run_id], cancelled_by("the user")):
            print(f"{task.name} has ended already: {task.state.value}")
        self._displays.show_again(task, self._driver.runner.outcome(task.task_run_id))

    def _cluster(self, text: str) -> None:
        if text:
            try:
                self._driver.use_cluster(text)
            except OrchestraError as error:
                raise UsageError(str(error)) from None
        print(f"Task cells run on: {self._driver.describe_cluster()}")

    def _status(self) -> None:
        from orchestra_nb.version import __version__

        tasks = self._driver.session.tasks()
        active = [task.name for task in tasks if not task.state.is_terminal]
        print(f"Orchestra NB {__version__}")
        print(f"cluster: {self._driver.describe_cluster()}")
        print(f"store:   {self._driver.describe_store()}")
        print(f"tasks:   {len(tasks)}, active: {', '.join(active) or 'none'}")


TaskMagics.task.__doc__ = HELP
TaskMagics.flow.__doc__ = FLOW_HELP


def _tell_late_error(submitted: Future[int]) -> None:
    """Log why tasks were not run again: who asked was answered before."""
    error = submitted.exception()
    if error is not None:
        _log.error(
            "Tasks could not be run again: %s", error, exc_info=None if isinstance(error, OrchestraError) else error
        )


def _words_of(line: str, magic: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        raise UsageError(f"A quote in `{magic} {line.strip()}` is not closed.") from None


def _first_bound_name(source: str) -> str | None:
    """Return the first name that a cell binds at its top level by assignment, ``def`` or ``class``."""
    try:
        body = parse_cell(source).body
    except SyntaxError:
        return None
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                return name
            case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target):
                first = next((node.id for node in ast.walk(target) if isinstance(node, ast.Name)), None)
                if first is not None and not first.startswith("_"):
                    return first
    return None
