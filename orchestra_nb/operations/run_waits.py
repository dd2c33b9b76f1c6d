"""What runs wait for that nobody has started yet, and those that have started one that waits for people.

Found out when somebody looks, so that it is never out of date.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.model.counted import counted
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.service_presence import how_to_serve, is_served
from orchestra_nb.time_zones import time_text

if TYPE_CHECKING:
    from orchestra_nb.store.run_rooms import Room, Rooms
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.work_queue import QueuedRun


def tell_waits(store: RunStore, runs: Sequence[Run]) -> list[Run]:
    """Return these runs; the message of one that waits, to be started or for people, says what for."""
    reasons = why_waiting(store, runs) | _asking_below(store, runs)
    return [msgspec.structs.replace(run, message=reasons[run.run_id]) if run.run_id in reasons else run for run in runs]


def why_waiting(store: RunStore, runs: Sequence[Run], now: datetime | None = None) -> dict[str, str]:
    """Return the id of each run that waits to be started, with what it waits for; nothing where none does."""
    waiting = [run for run in runs if run.state is State.SCHEDULED and run.driver_id is None]
    if not waiting:
        return {}
    from orchestra_nb.store.pool_store import PoolStore
    from orchestra_nb.store.work_queue import WorkQueue

    queue, now = WorkQueue(store.database), now or datetime.now(UTC)
    places = queue.places([run.run_id for run in waiting])
    pools = sorted({place.pool for place in places.values()})
    deployments = sorted({run.deployment for run in waiting if run.deployment is not None})
    with store.database.seen_by(None):  # they wait for the runs of all
        rooms = queue.rooms(deployments, pools, now)
    served = {worker.pool for worker in PoolStore(store.database).workers(pools)}
    has_service = bool(served) or is_served(store)
    reasons = {}
    for run in waiting:
        if (place := places.get(run.run_id)) is None:
            continue  # it has been claimed, or has ended, since it was read
        if place.due_at > now:
            reason = f"waits for its time, {time_text(place.due_at)}"
        else:
            reason = _reason(place, rooms, served, has_service=has_service)
        reasons[run.run_id] = f"{reason} ({run.message})" if run.message else reason
    return reasons


def _asking_below(store: RunStore, runs: Sequence[Run]) -> dict[str, str]:
    """Return the id of each run that goes on and has started one that waits for people, with what that asks."""
    going = [run for run in runs if run.state is State.RUNNING]
    if not going:
        return {}
    from orchestra_nb.store.paused_runs import paused_below

    below = paused_below(store.database, [run.run_id for run in going])
    reasons = {}
    for run in going:
        if (paused := below.get(run.run_id)) is not None:
            reason = f"waits for run {paused.name}, which {paused.message or 'is paused'}"
            reasons[run.run_id] = f"{reason} ({run.message})" if run.message else reason
    return reasons


def _reason(place: QueuedRun, rooms: Rooms, served: Collection[str], *, has_service: bool) -> str:
    """Return what a run waits for that is due: the first thing that has to change."""
    name, pool = place.pool, rooms.pools.get(place.pool)
    if pool is None:
        return f"waits for the pool {name}, which is not there: `orchestra pools create {name}` makes it"
    if pool.is_paused:
        return f"waits for the pool {name}, which is paused: `orchestra pools resume {name}` has it go on"
    if name not in served:
        if not has_service:
            return f"waits for a service, and none is up: `{how_to_serve(name)}` starts one"
        return f"waits for somebody who serves the pool {name}, and nobody does: `{how_to_serve(name)}` does"
    deployment = rooms.deployments.get(place.deployment or "")
    if deployment is not None and deployment.is_full:
        return f"waits for its turn: {_go_on(deployment, str(place.deployment))}"
    if pool.is_full:
        return f"waits for its turn: {_go_on(pool, f'the pool {name}')}"
    limit = rooms.full_limit(place.limits)
    if limit is not None:
        return f"waits for a slot of the limit {limit}: `orchestra concurrency ls` tells who has them"
    return f"waits to be started by whoever serves the pool {name}, as soon as there is room"


def _go_on(room: Room, what: str) -> str:
    return f"{counted(room.active, 'run')} of {what} {'goes' if room.active == 1 else 'go'} on, and {room.limit} may"
