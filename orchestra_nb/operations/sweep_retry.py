"""Runs those combinations of a sweep again, in the sweep's own run, that did not end well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestra_nb.model.events import Event, RunReopened
from orchestra_nb.model.runs import Run
from orchestra_nb.operations.notebook_sweep import NotebookSweep
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.sweep_result import SweepResult
from orchestra_nb.operations.sweep_views import sweep_request, sweep_table
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def retry_sweep(
    store: RunStore,
    run: Run,
    *,
    actor: str,
    message: str,
    on_event: Callable[[Event], None] | None = None,
    on_start: Callable[[NotebookSweep], object] | None = None,
) -> SweepResult:
    """Run what did not complete again, and return the sweep as it ended then.

    Parameters
    ----------
    run
        It has ended otherwise than well.
    on_start
        Given the sweep before it begins, for whoever wants to stop it.

    Raises
    ------
    CodeNotFound
        What it was asked to do is not in the store.
    NotebookNotFound, InvalidInput
        The notebook is gone, or does not take the parameters any more, or the folder cannot be made.
    Conflict
        Somebody else retried it at the same time.
    """
    request = sweep_request(store, run)
    done = {row.index: row for row in sweep_table(store, run).rows if row.is_completed}
    settings = load_settings()
    home = StoreHome(settings, "shell")
    try:
        sweep = NotebookSweep(request, home, on_event=on_event, settings=settings)
        if on_start is not None:
            on_start(sweep)
        assert home.driver_id is not None
        reopened = RunReopened(
            run_id=run.run_id,
            at=datetime.now(UTC),
            epoch=run.epoch + 1,
            driver_id=home.driver_id,
            actor=actor,
            message=message,
        )
        return sweep.execute_again(run, done, reopened)
    finally:
        home.close()
