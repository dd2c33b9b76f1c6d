"""Concurrency limits: list, create, update, delete.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import InvalidInput, LimitNotFound
from orchestra_nb.model.limits import ConcurrencyLimit, LimitState, check_limit
from orchestra_nb.model.variables import check_name

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def list_limits(store: RunStore, now: datetime) -> list[LimitState]:
    """Return all limits by name, with who holds their slots."""
    from orchestra_nb.store.slot_store import SlotStore

    return SlotStore(store.database).limits(now)


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
        raise InvalidInput("Say what to change: --limit, --slot-decay-per-second, --enable or --disable.")
    check_limit(limit or 0, slot_decay_per_second or 0.0)
    return SlotStore(store.database).update_limit(
        check_name(name, "concurrency limit"),
        now,
        limit=limit,
        slot_decay_per_second=slot_decay_per_second,
        is_active=is_active,
    )


def delete_limit(store: RunStore, name: str) -> None:
    """Delete a limit; who waits for its slots goes on.

    Raises
    ------
    LimitNotFound
        There is none of this name.
    """
    from orchestra_nb.store.slot_store import SlotStore

    if not SlotStore(store.database).delete_limit(check_name(name, "concurrency limit")):
        raise LimitNotFound(f"No concurrency limit {name!r}. `orchestra concurrency ls` lists them.")
