"""What a client of the live stream asks to see, from the words of its request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.stream_views import MAX_RUNS, StreamView, read_kind, read_name, read_parts
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: What may be said of a view, beside ``since``.
VIEW_PARAMETERS = ("run", "flow", "deployment", "kind", "owner", "parts")


def view_of(
    store: RunStore,
    *,
    runs: list[str],
    flow: str | None,
    deployment: str | None,
    kind: str | None,
    owner: str | None,
    parts: list[str],
) -> StreamView:
    """Return what is to be seen.

    Parameters
    ----------
    runs
        Ids, or names, each of which means the newest run that has it now.
    parts
        Empty for all.

    Raises
    ------
    InvalidInput
        A word is none, or too many runs are named.
    RunNotFound
        There is no such run.
    """
    if len(runs) > MAX_RUNS:
        raise InvalidInput(f"{len(runs)} runs are too many for one stream. It has at most {MAX_RUNS}; or name a flow.")
    return StreamView(
        runs=tuple(sorted({find_run(store, run).run_id for run in runs})),
        flow=read_name("flow", flow),
        deployment=read_name("deployment", deployment),
        kind=read_kind(kind),
        owner=read_name("owner", owner),
        parts=read_parts(parts),
    )
