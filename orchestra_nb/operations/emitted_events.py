"""Events that users emitted: list them.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most events that one call returns.
MAX_EVENTS = 500


def list_emitted_events(
    store: RunStore,
    *,
    event: str | None = None,
    resource: str | None = None,
    run: str | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[CustomEvent]:
    """Return events, the newest first.

    Parameters
    ----------
    event
        A name; with ``*`` at its end all names that begin so. None for all.
    resource
        The ``id`` of what they are about; None for all.
    run
        Id or name of a run; None for those of all, and of none.
    since
        Only those that occurred then or later.
    before
        Only those older than the one with this id, the last of the page before.

    Raises
    ------
    RunNotFound
        There is no such run.
    """
    from orchestra_nb.store.custom_event_store import CustomEventStore

    if not 1 <= limit <= MAX_EVENTS + 1:  # one more tells whether there are more
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_EVENTS}.")
    run_id = None if run is None else find_run(store, run).run_id
    return CustomEventStore(store.database).newest_events(
        event=event, resource=resource, run_id=run_id, since=since, before=before, limit=limit
    )
