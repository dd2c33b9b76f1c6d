"""``orchestra runs retry``: run a run again in the same run, here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.late_progress import LateProgress
from orchestra_nb.cli.opened_store import as_json_option, caller, opened_store
from orchestra_nb.cli.run_tables import printable, state_text
from orchestra_nb.cli.stop_signals import signals_stop
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.operations.run_again import Watcher
    from orchestra_nb.store.run_store import RunStore


@click.command()
@click.argument("run")
@click.option("--note", default="", metavar="TEXT", help="Why, for the run's history.")
@as_json_option
def retry(run: str, note: str, as_json: bool) -> int:
    """Run a run again that failed, crashed, timed out or was cancelled, here, until it has ended.

    Tasks whose results were persisted are not run again, nor are the runs of a sweep that completed. A notebook that
    ran with --cache goes on at the cell that failed, and otherwise starts over, with the source and the parameters that
    it had.

    Exits with 1 when it does not end well.
    """
    from orchestra_nb.operations.run_again import retry_run
    from orchestra_nb.operations.runs import find_run

    with opened_store() as store:
        if find_run(store, run).kind is RunKind.SWEEP:
            from orchestra_nb.cli.sweep_retries import retry_sweep_here

            return retry_sweep_here(store, run, note, as_json)
        with watching() as watcher:
            ended = retry_run(store, run, actor=caller(), note=note, watcher=watcher)
        return tell_end(store, ended, as_json)


@contextmanager
def watching() -> Iterator[Watcher]:
    """Show how a notebook goes that runs again, and have Ctrl-C stop it."""
    from orchestra_nb.operations.run_again import Watcher

    shown = LateProgress()
    try:
        yield Watcher(shown.take, signals_stop)
    finally:
        shown.close()


def tell_end(store: RunStore, run: Run, as_json: bool) -> int:
    """Print how a run ended that was run again, and return the exit code."""
    if as_json:
        print_json({"run_id": run.run_id, "name": run.name, "state": run.state, "epoch": run.epoch})
    elif run.kind is RunKind.NOTEBOOK:
        _tell_notebook(store, run)
    else:
        message = f"  {printable(run.message)}" if run.message else ""
        click.echo(f"{run.name}  {printable(run.flow_name)}  {state_text(run.state)}{message}", err=True)
    return 0 if run.state in (State.COMPLETED, State.PAUSED) else 1


def _tell_notebook(store: RunStore, run: Run) -> None:
    """Print what ``orchestra run`` prints at its end."""
    from orchestra_nb.cli.run_progress import ending_lines
    from orchestra_nb.cli.run_results import returned_text
    from orchestra_nb.operations.run_results import returned_by_run
    from orchestra_nb.operations.runs import show_run

    details = show_run(store, run.run_id)
    for line in ending_lines(details.run, details.cells, details.tasks):
        click.echo(line, err=True)
    if records := returned_by_run(store, details.run):
        click.echo(f"  returned {returned_text(records)}", err=True)
