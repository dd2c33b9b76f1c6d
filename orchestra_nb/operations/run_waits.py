"""What runs wait for that nobody has started yet: found out when somebody looks, so that it is never out of date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.model.counted import counted
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.service_presence import is_served

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def tell_waits(store: RunStore, runs: Sequence[Run]) -> list[Run]:
    """Return these runs; the message of one that waits to be started says what it waits for."""
    reasons = why_waiting(store, runs)
    return [msgspec.structs.replace(run, message=reasons[run.run_id]) if run.run_id in reasons else run for run in runs]


def why_waiting(store: RunStore, runs: Sequence[Run], now: datetime | None = None) -> dict[str, str]:
    """Return the id of each run that waits to be started, with what it waits for; nothing where none does."""
    waiting = [run for run in runs if run.state is State.SCHEDULED and run.driver_id is None]
    if not waiting:
        return {}
    from orchestra_nb.store.work_queue import WorkQueue

    queue, now = WorkQueue(store.database), now or datetime.now(UTC)
    places = queue.places([run.run_id for run in waiting])
    rooms = queue.rooms(sorted({run.deployment for run in waiting if run.deployment is not None}))
    has_service = is_served(store)
    reasons = {}
    for run in waiting:
        if (place := places.get(run.run_id)) is None:
            continue  # it has been claimed, or has ended, since it was read
        active, limit = rooms.get(run.deployment or "", (0, None))
        if place.due_at > now:
            reason = f"waits for its time, {place.due_at:%Y-%m-%d %H:%M:%S} UTC"
        elif not has_service:
            reason = "waits for a service, and none is up: `orchestra serve` starts one"
        elif limit is not None and active >= limit:
            verb = "goes" if active == 1 else "go"
            reason = f"waits for its turn: {counted(active, 'run')} of {run.deployment} {verb} on, and {limit} may"
        else:
            reason = f"waits for room in a service of pool {place.pool}"
        reasons[run.run_id] = f"{reason} ({run.message})" if run.message else reason
    return reasons
