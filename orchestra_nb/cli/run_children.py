"""The runs that a run started, as ``orchestra runs show`` lists them; of a sweep its table."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.run_tables import print_table, took
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.operations.run_views import RunSummary
    from orchestra_nb.operations.sweep_result import SweepResult
    from orchestra_nb.store.run_store import RunStore


def children_of(store: RunStore, run: RunSummary) -> tuple[Run, ...] | SweepResult:
    """Return the runs that a run started; of a sweep with their parameters and what they returned."""
    if run.kind is not RunKind.SWEEP:
        return tuple(store.children(run.run_id))
    from orchestra_nb.operations.sweep_views import sweep_table

    return sweep_table(store, run)


def children_document(children: tuple[Run, ...] | SweepResult) -> dict[str, object]:
    """Return them as ``--json`` prints them."""
    if not isinstance(children, tuple):
        from orchestra_nb.cli.sweep_tables import sweep_document

        document = sweep_document(children)
        return {"swept": document["swept"], "runs": document["runs"]}
    fields = ("run_id", "name", "flow_name", "kind", "state", "message", "started_at", "ended_at")
    return {"runs": [{name: getattr(child, name) for name in fields} for child in children]}


def print_children(children: tuple[Run, ...] | SweepResult, now: datetime) -> None:
    """Print a table of them; nothing where there are none."""
    if not isinstance(children, tuple):
        from orchestra_nb.cli.sweep_tables import print_sweep

        click.echo()
        print_sweep(children)
    elif children:
        click.echo()
        rows: list[list[str | State]] = [
            [child.name, child.flow_name, child.state, took(child.started_at, child.ended_at, now), child.message]
            for child in children
        ]
        print_table(("RUN", "FLOW", "STATE", "TOOK", "MESSAGE"), rows)
