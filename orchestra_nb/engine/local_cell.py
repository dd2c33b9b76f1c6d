"""A task cell that runs in the kernel itself (``%%task --local``): tracked like any other, on the kernel's objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestra_nb.engine.cell_body import cell_context
from orchestra_nb.engine.cell_session import CellOrigin, CellSession
from orchestra_nb.engine.drivers import current_driver
from orchestra_nb.engine.run_context import FlowFacts, entered, task_run_context
from orchestra_nb.engine.run_scope import RunScope
from orchestra_nb.engine.services import asking_as
from orchestra_nb.engine.task_call import CallerContext
from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.names import analyse_cell
from orchestra_nb.notebooks.task_line import TaskLine
from orchestra_nb.notebooks.user_traceback import describe_error

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def run_in_kernel(
    session: CellSession,
    shell: InteractiveShell,
    line: TaskLine,
    origin: CellOrigin,
    name: str,
    show: Callable[[TaskRun], None],
) -> None:
    """Run a task cell in this kernel, now, and raise what it raises.

    Raises
    ------
    BaseException
        What the cell raised; the task is FAILED, or CANCELLED when it was interrupted.
    """
    session.binder.bind(*session.binder.pending_names(analyse_cell(line.body, session.namespace)))
    task = session.record_local(line, origin, name)
    show(task)
    driver = current_driver()
    scope = RunScope(
        driver=driver,
        flow=FlowFacts(run_id=task.run_id, name="", flow_name="notebook"),
        task_runner=driver.default_task_runner(),
    )
    context = cell_context(task.run_id, task.task_run_id, task.name, task.tags, CallerContext(scope, task, 1))
    asker = Asker(run_id=task.run_id, task_run_id=task.task_run_id)
    with _without_traceback(shell), asking_as(asker), entered(task_run_context, context):
        result = shell.run_cell(line.body, store_history=False)  # type: ignore[no-untyped-call]
    error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
    state = State.COMPLETED
    info = None
    if error is not None:
        state = State.CANCELLED if isinstance(error, KeyboardInterrupt) else State.FAILED
        info = describe_error(error, "", origin.label)
    session.announce_local(
        TaskRunStateChanged(
            run_id=task.run_id,
            task_run_id=task.task_run_id,
            state=state,
            at=datetime.now(UTC),
            attempt=1,
            message=f"{info.type}: {info.message}"[:2000] if info is not None else "",
            error=info if state is State.FAILED else None,
            worker="this kernel",
        )
    )
    if error is not None:
        raise error


@contextlib.contextmanager
def _without_traceback(shell: InteractiveShell) -> Iterator[None]:
    """Keep the inner run of the cell from showing the error: the outer one shows it, once."""
    quiet = {"showtraceback": lambda *args, **kwargs: None, "showsyntaxerror": lambda *args, **kwargs: None}
    vars(shell).update(quiet)
    try:
        yield
    finally:
        for name in quiet:
            del vars(shell)[name]
