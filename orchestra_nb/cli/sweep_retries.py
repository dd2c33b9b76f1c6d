"""``orchestra runs retry`` of a sweep: those combinations again that did not complete, with their progress."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from orchestra_nb.cli.opened_store import caller
from orchestra_nb.cli.run_sweep import tell_sweep
from orchestra_nb.cli.stop_signals import signals_stop
from orchestra_nb.cli.sweep_progress import open_sweep_progress
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_sweep import NotebookSweep
from orchestra_nb.operations.run_again import check_retry
from orchestra_nb.operations.sweep_retry import retry_sweep
from orchestra_nb.operations.sweep_views import sweep_request, sweep_table

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def retry_sweep_here(store: RunStore, id_or_name: str, note: str, as_json: bool) -> int:
    """Run it; return the exit code."""
    run = check_retry(store, id_or_name)
    actor = caller()
    done = sum(row.is_completed for row in sweep_table(store, run).rows)
    progress = open_sweep_progress(sweep_request(store, run), done)
    with contextlib.ExitStack() as stack:
        stack.callback(progress.close)

        def on_start(sweep: NotebookSweep) -> None:
            stack.enter_context(signals_stop(sweep.stop))

        message = f"retried by {actor}{f': {note}' if note else ''}"
        result = retry_sweep(store, run, actor=actor, message=message, on_event=progress.take, on_start=on_start)
    tell_sweep(result, as_json)
    return 0 if result.run.state is State.COMPLETED else 1
