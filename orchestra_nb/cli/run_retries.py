"""``orchestra runs retry``: run a run again in the same run, here or in the pool of its deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.late_progress import LateProgress
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_tables import printable, state_text
from orchestra_nb.cli.stop_signals import signals_stop
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.runs import is_suspended

if TYPE_CHECKING:
    from orchestra_nb.cli.backend import Backend
    from orchestra_nb.operations.run_again import Watcher
    from orchestra_nb.operations.shell_reruns import Rerun

#: The exit code of a command that Ctrl-C ends.
INTERRUPTED = 130

is_here_option = click.option(
    "--here", "is_here", is_flag=True, help="Run it in this shell where it would wait in the pool of its deployment."
)
is_waiting_option = click.option(
    "--wait",
    "is_waiting",
    is_flag=True,
    help="Stay until it has ended, or is suspended. What runs here is stayed with anyway.",
)


@click.command()
@click.argument("run")
@click.option("--note", default="", metavar="TEXT", help="Why, for the run's history.")
@click.option(
    "--from",
    "from_step",
    metavar="CELL|TASK",
    help="Run this cell of a notebook that ran with --cache, by number or id, and all below it, or this task of a "
    "flow, by name, and all that depends on it, whatever was kept.",
)
@is_here_option
@is_waiting_option
@as_json_option
def retry(run: str, note: str, from_step: str | None, is_here: bool, is_waiting: bool, as_json: bool) -> int:
    """Run a run again that failed, crashed, timed out or was cancelled; with --from also one that completed.

    A run of a deployment waits in its pool again, for the services or workers that serve it. Any other runs here, until
    it has ended.

    Tasks whose results were persisted are not run again, nor are the runs of a sweep that completed. A notebook that
    ran with --cache goes on at the cell that failed, and otherwise starts over, with the source and the parameters that
    it had. --from CELL has the cells above CELL replayed, and that one and all below it run. --from TASK has that task
    of a flow run (all its runs, or the one that is named with its number) and all that depends on it; the results of
    other tasks are taken where they were kept. What runs again beside, since it was not kept, is said before, and where
    the code is not that of today.

    Exits with 1 when it does not end well; with 0 when it waits in its pool.
    """
    from orchestra_nb.cli.rerun_forecast_lines import tell_forecast
    from orchestra_nb.operations.rerun_forecast import foresee_rerun
    from orchestra_nb.operations.runs import find_run
    from orchestra_nb.operations.shell_reruns import retry_from_shell

    with opened_backend(is_lasting=is_waiting) as backend:
        if from_step is None and not backend.is_remote and backend.call(find_run, run).kind is RunKind.SWEEP:
            from orchestra_nb.cli.sweep_retries import retry_sweep_here

            return retry_sweep_here(backend.store, run, note, as_json)
        tell_forecast(backend.call(foresee_rerun, run, from_step=from_step))
        with watching() as watcher:
            rerun = backend.call(
                retry_from_shell,
                run,
                is_here=is_here,
                actor=caller(),
                now=datetime.now(UTC),
                note=note,
                from_step=from_step,
                watcher=watcher,
            )
        return tell_rerun(backend, rerun, is_waiting, as_json)


def tell_rerun(backend: Backend, rerun: Rerun, is_waiting: bool, as_json: bool) -> int:
    """Print how a run ended that was run again, or where it waits; return the exit code."""
    if rerun.place == "pool":
        return _tell_waiting(backend, rerun.run, is_waiting, as_json)
    return _tell_end(backend, rerun.run, as_json)


def _tell_waiting(backend: Backend, run: Run, is_waiting: bool, as_json: bool) -> int:
    """Print where a run waits that was put into its pool, and for what, or how it ended; return the exit code."""
    from orchestra_nb.cli.waited_runs import stay_with
    from orchestra_nb.operations.pool_retries import wait_of

    reason = backend.call(wait_of, run, datetime.now(UTC))
    if not as_json and run.pool is None:  # a notebook that a server runs
        click.echo(f"Run {run.name} is run again by the server: orchestra runs show {typed_run(run)}")
    elif not as_json:
        click.echo(
            f"Run {run.name} of {printable(str(run.deployment))} waits in the pool {run.pool} to be run again: "
            f"orchestra runs show {typed_run(run)}"
        )
        if reason:
            click.echo(f"It {reason}.", err=True)
    if is_waiting:
        try:
            found = stay_with(backend, run)
        except KeyboardInterrupt:
            click.echo(f"It goes on: orchestra runs cancel {typed_run(run)} stops it.", err=True)
            return INTERRUPTED
        code = _tell_end(backend, found, as_json)
        return 1 if is_suspended(found) else code
    if as_json:
        print_json(_document(run) | {"pool": run.pool, "message": reason})
    return 0


@contextmanager
def watching() -> Iterator[Watcher]:
    """Show how a notebook goes that runs again, and have Ctrl-C stop it."""
    from orchestra_nb.operations.run_again import Watcher

    shown = LateProgress()
    try:
        yield Watcher(shown.take, signals_stop)
    finally:
        shown.close()


def _tell_end(backend: Backend, run: Run, as_json: bool) -> int:
    """Print how a run ended that was run again, and return the exit code."""
    if as_json:
        print_json(_document(run))
    elif run.kind is RunKind.NOTEBOOK:
        _tell_notebook(backend, run)
    else:
        message = f"  {printable(run.message)}" if run.message else ""
        click.echo(f"{run.name}  {printable(run.flow_name)}  {state_text(run.state)}{message}", err=True)
    return 0 if run.state in (State.COMPLETED, State.PAUSED) else 1


def _tell_notebook(backend: Backend, run: Run) -> None:
    """Print what ``orchestra run`` prints at its end."""
    from orchestra_nb.cli.run_progress import ending_lines
    from orchestra_nb.cli.run_results import returned_text
    from orchestra_nb.operations.run_results import returned_by_run
    from orchestra_nb.operations.runs import show_run

    details = backend.call(show_run, run.run_id)
    for line in ending_lines(details.run, details.cells, details.tasks):
        click.echo(line, err=True)
    if records := backend.call(returned_by_run, details.run):
        click.echo(f"  returned {returned_text(records)}", err=True)


def _document(run: Run) -> dict[str, object]:
    return {"run_id": run.run_id, "name": run.name, "state": run.state, "epoch": run.epoch}
