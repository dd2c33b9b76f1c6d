"""Concurrency limits: list, create, update, delete.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import Conflict, InvalidInput, LimitNotFound
from orchestra_nb.model.limits import ConcurrencyLimit, HeldSlots, LimitState, check_limit
from orchestra_nb.model.variables import check_name

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def list_limits(store: RunStore, now: datetime) -> list[LimitState]:
    """Return all limits by name, with who holds their slots; of holders that are not seen only that they hold some."""
    from orchestra_nb.store.slot_store import SlotStore

    slots = SlotStore(store.database)
    if store.database.seen_owners is None:
        return slots.limits(now)
    seen = {(held.name, held.holder) for state in slots.limits(now) for held in state.held}
    with store.database.seen_by(None):
        every = slots.limits(now)
    return [
        msgspec.structs.replace(
            state,
            held=tuple(held if (held.name, held.holder) in seen else _by_somebody(held) for held in state.held),
        )
        for state in every
    ]


def _by_somebody(held: HeldSlots) -> HeldSlots:
    """Return what may be told of slots to those who may not know who holds them."""
    return msgspec.structs.replace(held, holder="", driver_id=None, run_id=None, task_run_id=None)


def get_limit(store: RunStore, name: str, now: datetime) -> ConcurrencyLimit:
    """Return a limit.

    Raises
    ------
    LimitNotFound
        There is none of this name.
    """
    found = [state.limit for state in list_limits(store, now) if state.limit.name == name]
    if not found:
        raise LimitNotFound(f"No concurrency limit {name!r}. `orchestra concurrency ls` lists them.")
    return found[0]


def create_limit(store: RunStore, limit: ConcurrencyLimit, now: datetime) -> None:
    """Add a limit.

    Raises
    ------
    InvalidInput
        The name or a number is none.
    NameTaken
        There is one of this name.
    """
    from orchestra_nb.store.slot_store import SlotStore

    check_name(limit.name, "concurrency limit")
    check_limit(limit.limit, limit.slot_decay_per_second)
    SlotStore(store.database).create_limit(limit, now)


def update_limit(
    store: RunStore,
    name: str,
    now: datetime,
    *,
    limit: int | None = None,
    slot_decay_per_second: float | None = None,
    is_active: bool | None = None,
) -> ConcurrencyLimit:
    """Change what is not None, and return the limit.

    Raises
    ------
    InvalidInput
        Nothing is to change, or a number is none.
    LimitNotFound
        There is none of this name.
    """
    from orchestra_nb.store.slot_store import SlotStore

    if limit is None and slot_decay_per_second is None and is_active is None:
        raise InvalidInput("Say what to change: the limit, the slot decay per second, or whether it is active.")
    check_limit(limit or 0, slot_decay_per_second or 0.0)
    return SlotStore(store.database).update_limit(
        check_name(name, "concurrency limit"),
        now,
        limit=limit,
        slot_decay_per_second=slot_decay_per_second,
        is_active=is_active,
    )


def delete_limit(store: RunStore, name: str, *, is_forced: bool = False) -> None:
    """Delete a limit; who waits for its slots goes on.

    Raises
    ------
    LimitNotFound
        There is none of this name.
    Conflict
        Deployments name it, and it is not forced.
    """
    from orchestra_nb.operations.deployments import deployment_store
    from orchestra_nb.store.slot_store import SlotStore

    named_by = [one.name for one in deployment_store(store).list_deployments() if name in one.spec.limits]
    if named_by and not is_forced:
        raise Conflict(
            f"Deployments name the concurrency limit {name!r}: {', '.join(sorted(named_by))}. Deploy them without it "
            "first, or force it (`--force`, over HTTP `force=true`): then nothing holds their runs back."
        )
    if not SlotStore(store.database).delete_limit(check_name(name, "concurrency limit")):
        raise LimitNotFound(f"No concurrency limit {name!r}. `orchestra concurrency ls` lists them.")
