"""``orchestra --server URL run``: a notebook of the server's folder, run there and shown here as it goes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from orchestra_nb.cli.late_progress import LateProgress
from orchestra_nb.cli.remote.remote_runs import returned_by_run
from orchestra_nb.cli.stop_signals import signals_stop
from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.events import CellRunChanged, Event, RunCreated, RunStateChanged, TaskRunCreated
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_notebook import RunResult

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.operations.notebook_plan import NotebookPlan
    from orchestra_nb.operations.notebook_request import NotebookRequest
    from orchestra_nb.operations.run_views import RunSummary
    from orchestra_nb.rest.run_endpoints import RunAnswer
    from orchestra_nb.settings import Settings

#: What of the options of ``orchestra run`` a server takes, by the names of their arguments.
_TAKEN: Final = frozenset(
    {
        *("notebook", "typed", "raw", "files", "yaml_texts", "base64_texts", "secrets", "kernel_name", "cluster"),
        *("is_cached", "is_refreshed", "is_parallel", "is_waiting", "as_json", "execution_timeout", "has_progress"),
    }
)
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersNotebook:
    """A run of a notebook as a server is asked for it.

    Parameters
    ----------
    path
        Relative to the server's root folder.
    texts
        Parameters as text, which the notebook's declaration gives their meaning.
    """

    path: str
    parameters: Mapping[str, object]
    texts: Mapping[str, str]
    kernel_name: str | None
    cluster: str | None
    is_cached: bool
    is_refreshed: bool
    is_parallel: bool
    cell_timeout_seconds: float | None


def check_options() -> None:
    """Refuse options of the command that runs that no server takes.

    Raises
    ------
    InvalidInput
        One was given; the message names it.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in _TAKEN:
            what = parameter.opts[0] if parameter.param_type_name == "option" else name.upper()
            raise InvalidInput(
                f"{what} is for notebooks of this machine, and a server runs one of its own folder. Leave it out, or "
                "run the notebook here with `orchestra --local run`."
            )
    if context.params["notebook"] == "-":
        raise InvalidInput("A server runs notebooks of its own folder, not one that is piped in. Name its path there.")


def start_notebook(client: Client, asked: ServersNotebook) -> RunSummary:
    """Start a run at a server, and return it once it is recorded there."""
    return client.run_notebook(
        path=asked.path,
        parameters=_sent(asked.parameters),
        texts=asked.texts,
        cache=asked.is_cached or asked.is_refreshed,
        refresh=asked.is_refreshed,
        parallel=asked.is_parallel,
        cluster=asked.cluster,
        kernel=asked.kernel_name,
        cell_timeout_seconds=asked.cell_timeout_seconds,
    )


def plan_notebook(
    client: Client, request: NotebookRequest, settings: Settings, now: datetime, *, is_refreshed: bool = False
) -> NotebookPlan:
    """Return what would become of each cell of a notebook of the server's folder."""
    return client.plan_notebook(
        path=request.path,
        parameters=_sent(request.parameters),
        texts=request.parameter_texts,
        refresh=is_refreshed,
        kernel=request.kernel_name,
    )


def follow_notebook(client: Client, run: RunSummary, *, shows_progress: bool) -> tuple[RunResult, bool]:
    """Show a run until it has ended, and have signals stop it; return it, and whether Ctrl-C was pressed."""
    hurry = threading.Event()
    shown = LateProgress(is_shown=shows_progress)
    with signals_stop(lambda message, actor: hurry.set()) as was_interrupted:
        try:
            answer = client.show_run(run.run_id)
            for event in _events(None, answer):
                shown.take(event)
            while not answer.run.state.is_terminal:
                if hurry.wait(_LOOK_SECONDS):
                    hurry.clear()
                    with contextlib.suppress(Conflict):  # it has ended meanwhile
                        client.cancel_run(run.run_id)
                before, answer = answer, client.show_run(run.run_id)
                for event in _events(before, answer):
                    shown.take(event)
        finally:
            shown.close()
        records = returned_by_run(client, answer.run)
        return RunResult(answer.run, answer.cells, answer.tasks, tuple(records)), was_interrupted()


def _sent(parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: value.get() if isinstance(value, Secret) else value for name, value in parameters.items()}


def _events(before: RunAnswer | None, after: RunAnswer) -> Iterator[Event]:
    """Yield what has become of a run between two looks at it."""
    if before is None:
        yield RunCreated(run=after.run)
    cells = {} if before is None else {cell.index: cell for cell in before.cells}
    tasks = {} if before is None else {task.task_run_id: task for task in before.tasks}
    for cell in after.cells:
        if cells.get(cell.index) != cell:
            yield CellRunChanged(cell=cell)
    for task in after.tasks:
        if tasks.get(task.task_run_id) != task:
            yield TaskRunCreated(task_run=task)
    # of a run that is stopped a terminal says what Ctrl-C does next, which is nothing more here
    if before is not None and before.run.state is not after.run.state is not State.CANCELLING:
        yield _state_of(after.run)
    asked = "" if before is None else _asked_of_people(before.run)
    if after.run.state is State.RUNNING and _asked_of_people(after.run) != asked:
        yield _state_of(after.run)


def _asked_of_people(run: RunSummary) -> str:
    """Return what a run that goes on waits for: a run that it has started asks people for it."""
    return run.message if run.state is State.RUNNING else ""


def _state_of(run: RunSummary) -> RunStateChanged:
    at = run.ended_at or run.started_at or run.created_at
    return RunStateChanged(run_id=run.run_id, state=run.state, at=at, message=run.message)
