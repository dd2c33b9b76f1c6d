"""Concurrency limits and who holds their slots.

Slots are leased: they are free again when they are given back, when nobody renews the lease, when the driver of their
holder has ended, and when the run or the task run of their holder has. All that decides reads and writes under the
store's write lock, so processes that ask at the same time never hold more than there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, exists, func, insert, or_, select, update

from orchestra_nb.errors import InvalidInput, LimitNotFound, NameTaken
from orchestra_nb.model.counted import counted
from orchestra_nb.model.limits import ConcurrencyLimit, HeldSlots, LimitState, decayed
from orchestra_nb.model.questions import Asker, SlotsAcquired, SlotsRefused
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.code_tables import concurrency_limits, held_slots
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import drivers, runs, task_runs

#: When to ask again for slots that somebody holds: nobody knows when they are given back.
_ASK_AGAIN_SECONDS = 0.1
#: Room that is less than this short of a whole slot is one: numbers of floats.
_TINY = 1e-9
#: What a run is in that nobody drives: it waits to be started again, or to be resumed.
_RESTING = [State.SCHEDULED.value, State.PAUSED.value]
_TERMINAL = [state.value for state in TERMINAL_STATES]
#: Made once: each claim asks it.
_SELECT_LIMITS = select(concurrency_limits)


class SlotStore:
    """The limits of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_limit(self, limit: ConcurrencyLimit, at: datetime) -> None:
        """Add a limit.

        Raises
        ------
        NameTaken
            There is one of this name.
        """
        with self._database.write() as connection:
            if _limit_row(connection, limit.name) is not None:
                raise NameTaken(
                    f"There is a limit {limit.name!r} already. Change it with `orchestra concurrency update`."
                )
            connection.execute(
                insert(concurrency_limits).values(
                    name=limit.name,
                    slot_limit=limit.limit,
                    slot_decay_per_second=limit.slot_decay_per_second,
                    is_active=limit.is_active,
                    decaying=0.0,
                    decaying_at=at,
                )
            )

    def update_limit(
        self,
        name: str,
        at: datetime,
        *,
        limit: int | None = None,
        slot_decay_per_second: float | None = None,
        is_active: bool | None = None,
    ) -> ConcurrencyLimit:
        """Change what is not None and return the limit. Who holds more slots than a lower limit has keeps them.

        Raises
        ------
        LimitNotFound
            There is none of this name.
        """
        with self._database.write() as connection:
            row = _limit_row(connection, name)
            if row is None:
                raise _not_found(name)
            values: dict[str, object] = {"decaying": _decaying(row, at), "decaying_at": at}
            for column, value in (
                ("slot_limit", limit),
                ("slot_decay_per_second", slot_decay_per_second),
                ("is_active", is_active),
            ):
                if value is not None:
                    values[column] = value
            same = concurrency_limits.c.name == name
            connection.execute(update(concurrency_limits).where(same).values(values))
            return _limit_of_row(connection.execute(select(concurrency_limits).where(same)).mappings().one())

    def delete_limit(self, name: str) -> bool:
        """Delete a limit and what is held of it; False when there is none."""
        with self._database.write() as connection:
            connection.execute(delete(held_slots).where(held_slots.c.limit_name == name))
            return connection.execute(delete(concurrency_limits).where(concurrency_limits.c.name == name)).rowcount == 1

    def names(self) -> set[str]:
        """Return the names of all limits."""
        with self._database.connect() as connection:
            return set(connection.execute(select(concurrency_limits.c.name)).scalars())

    def limits(self, at: datetime) -> list[LimitState]:
        """Return all limits by name, with who holds their slots at this time."""
        held: dict[str, list[HeldSlots]] = {}
        with self._database.connect() as connection:
            query = select(held_slots).where(~_is_free(at)).order_by(held_slots.c.acquired_at, held_slots.c.holder)
            for row in connection.execute(query).mappings():
                held.setdefault(row["limit_name"], []).append(_held_of_row(row))
            found = connection.execute(select(concurrency_limits).order_by(concurrency_limits.c.name)).mappings()
            return [
                LimitState(limit=_limit_of_row(row), held=tuple(held.get(row["name"], ())), decaying=_decaying(row, at))
                for row in found
            ]

    def acquire(
        self,
        names: Sequence[str],
        occupy: int,
        holder: str,
        at: datetime,
        lease_seconds: float,
        *,
        asker: Asker | None = None,
        driver_id: str | None = None,
        is_strict: bool = False,
    ) -> SlotsAcquired | SlotsRefused:
        """Take slots of all limits, or of none. A holder that has them already gets a new lease of them.

        Raises
        ------
        LimitNotFound
            A limit does not exist and ``is_strict``.
        InvalidInput
            A limit has fewer slots than are asked for, so that there would never be room.
        """
        refused = self._refused_at_sight(names, occupy, holder, at)
        if refused is not None:
            return refused
        asker = asker or Asker()
        until = at + timedelta(seconds=lease_seconds)
        with self._database.write() as connection:
            enforced, unlimited = _enforced(connection, names, occupy, is_strict)
            # its own first, as they may be expired and still there: nobody has wanted their room
            own = set(_names_held(connection, holder))
            connection.execute(update(held_slots).where(held_slots.c.holder == holder).values(until=until))
            wanted = [row for row in enforced if row["name"] not in own]
            connection.execute(
                delete(held_slots)
                .where(held_slots.c.limit_name.in_([row["name"] for row in wanted]), held_slots.c.holder != holder)
                .where(_is_free(at))
            )
            for row in wanted:
                if (refusal := _refusal(connection, row, occupy, at)) is not None:
                    return refusal
            for row in wanted:
                connection.execute(
                    insert(held_slots).values(
                        limit_name=row["name"],
                        holder=holder,
                        occupied=occupy,
                        acquired_at=at,
                        until=until,
                        driver_id=driver_id,
                        run_id=asker.run_id,
                        task_run_id=asker.task_run_id,
                    )
                )
        return SlotsAcquired(unlimited=unlimited)

    def renew(self, holder: str, at: datetime, lease_seconds: float) -> bool:
        """Give a holder a new lease of its slots, also after the old one ran out if nobody has wanted their room.

        Returns False when it holds none (any more).
        """
        until = at + timedelta(seconds=lease_seconds)
        renewal = update(held_slots).where(held_slots.c.holder == holder).values(until=until)
        with self._database.write(durable=False) as connection:
            return connection.execute(renewal).rowcount > 0

    def release(self, holder: str) -> bool:
        """Give the slots of a holder back; False when it holds none."""
        with self._database.write(durable=False) as connection:
            return connection.execute(delete(held_slots).where(held_slots.c.holder == holder)).rowcount > 0

    def given_by(self, holder: str) -> set[str | None]:
        """Return the drivers that have given a holder its slots; None for who drives nothing, and for the queue."""
        query = select(held_slots.c.driver_id).where(held_slots.c.holder == holder)
        with self._database.connect() as connection:
            return set(connection.execute(query).scalars())

    def release_of_task_run(self, task_run_id: str) -> int:
        """Give back what an attempt of this task run has left, and return how many holdings that were."""
        of_task = held_slots.c.task_run_id == task_run_id
        with self._database.connect() as connection:  # most tasks hold none: no write for them
            if connection.execute(select(held_slots.c.holder).where(of_task).limit(1)).first() is None:
                return 0
        with self._database.write(durable=False) as connection:
            return connection.execute(delete(held_slots).where(of_task)).rowcount

    def take_rate(
        self, names: Sequence[str], occupy: int, at: datetime, *, is_strict: bool = False
    ) -> SlotsAcquired | SlotsRefused:
        """Take slots of all limits, or of none, that come back by themselves at the rate of each limit.

        Raises
        ------
        LimitNotFound
            A limit does not exist and ``is_strict``.
        InvalidInput
            A limit has no rate, or fewer slots than are asked for.
        """
        with self._database.write() as connection:
            enforced, unlimited = _enforced(connection, names, occupy, is_strict)
            for row in enforced:
                if row["slot_decay_per_second"] <= 0:
                    raise InvalidInput(
                        f"The limit {row['name']!r} has no rate at which slots come back. Give it one: "
                        f"`orchestra concurrency update {row['name']} --slot-decay-per-second 1`."
                    )
                connection.execute(delete(held_slots).where(held_slots.c.limit_name == row["name"]).where(_is_free(at)))
                if (refusal := _refusal(connection, row, occupy, at)) is not None:
                    return refusal
            for row in enforced:
                connection.execute(
                    update(concurrency_limits)
                    .where(concurrency_limits.c.name == row["name"])
                    .values(decaying=_decaying(row, at) + occupy, decaying_at=max(at, row["decaying_at"]))
                )
        return SlotsAcquired(unlimited=unlimited)

    def _refused_at_sight(self, names: Sequence[str], occupy: int, holder: str, at: datetime) -> SlotsRefused | None:
        """Return a refusal that needs no write lock: many wait for long, and each asks again and again."""
        with self._database.connect() as connection:
            if _names_held(connection, holder):
                return None
            for name in names:
                row = _limit_row(connection, name)
                if row is None or not row["is_active"] or 0 < row["slot_limit"] < occupy:
                    continue  # decided, or refused as an error, with the lock
                if (refusal := _refusal(connection, row, occupy, at)) is not None:
                    return refusal
        return None


def free_slots(connection: Connection, at: datetime) -> dict[str, float]:
    """Return limit to how many of its slots are free; of one that is not enforced, endlessly many."""
    limits = connection.execute(_SELECT_LIMITS).mappings().all()
    if not limits:
        return {}
    query = (
        select(held_slots.c.limit_name, func.sum(held_slots.c.occupied))
        .where(~_is_free(at))
        .group_by(held_slots.c.limit_name)
    )
    held = {name: int(number) for name, number in connection.execute(query)}
    return {
        row["name"]: row["slot_limit"] - held.get(row["name"], 0) - _decaying(row, at) + _TINY
        if row["is_active"]
        else math.inf
        for row in limits
    }


def drop_free(connection: Connection, names: Sequence[str], at: datetime) -> None:
    """Delete what is held of these limits and counts no more."""
    connection.execute(delete(held_slots).where(held_slots.c.limit_name.in_(names)).where(_is_free(at)))


def _enforced(
    connection: Connection, names: Sequence[str], occupy: int, is_strict: bool
) -> tuple[list[RowMapping], tuple[str, ...]]:
    """Return the rows of the limits that hold, and the names of those that do not."""
    enforced: list[RowMapping] = []
    unlimited: list[str] = []
    for name in sorted(set(names)):
        row = _limit_row(connection, name)
        if row is None and is_strict:
            raise _not_found(name)
        if row is None or not row["is_active"]:
            unlimited.append(name)
            continue
        if 0 < row["slot_limit"] < occupy:
            raise InvalidInput(f"{occupy} slots of {name!r} are asked for, and it has only {row['slot_limit']}.")
        enforced.append(row)
    return enforced, tuple(unlimited)


def _refusal(connection: Connection, limit: RowMapping, occupy: int, at: datetime) -> SlotsRefused | None:
    """Return why a limit has no room for so many more slots, None when it has."""
    name, slots, rate = limit["name"], limit["slot_limit"], limit["slot_decay_per_second"]
    held_query = select(func.coalesce(func.sum(held_slots.c.occupied), 0)).where(held_slots.c.limit_name == name)
    held = int(connection.execute(held_query.where(~_is_free(at))).scalar_one())
    decaying = _decaying(limit, at)
    missing = occupy - (slots - held - decaying)
    if slots and missing <= _TINY:
        return None
    wait = missing / rate if rate > 0 and held + occupy <= slots else _ASK_AGAIN_SECONDS
    verb = "is" if slots == 1 else "are"
    detail = f"{held + math.ceil(decaying - _TINY)} of {counted(slots, 'slot')} of {name!r} {verb} taken"
    return SlotsRefused(name=name, detail=detail, retry_after_seconds=wait)


def _is_free(at: datetime) -> ColumnElement[bool]:
    """What makes a row of held slots count no more."""
    return or_(
        held_slots.c.until <= at,
        exists().where(drivers.c.driver_id == held_slots.c.driver_id, drivers.c.ended_at.is_not(None)),
        exists().where(task_runs.c.task_run_id == held_slots.c.task_run_id, task_runs.c.state.in_(_TERMINAL)),
        exists().where(runs.c.run_id == held_slots.c.run_id, runs.c.state.in_(_TERMINAL)),
        and_(
            held_slots.c.task_run_id.is_(None),
            exists().where(
                runs.c.run_id == held_slots.c.run_id, runs.c.state.in_(_RESTING), runs.c.driver_id.is_(None)
            ),
        ),
    )


def _names_held(connection: Connection, holder: str) -> list[str]:
    query = select(held_slots.c.limit_name).where(held_slots.c.holder == holder)
    return [name for (name,) in connection.execute(query)]


def _limit_row(connection: Connection, name: str) -> RowMapping | None:
    query = select(concurrency_limits).where(concurrency_limits.c.name == name)
    return connection.execute(query).mappings().first()


def _decaying(row: RowMapping, at: datetime) -> float:
    return decayed(row["decaying"], (at - row["decaying_at"]).total_seconds(), row["slot_decay_per_second"])


def _limit_of_row(row: RowMapping) -> ConcurrencyLimit:
    return ConcurrencyLimit(
        name=row["name"],
        limit=row["slot_limit"],
        slot_decay_per_second=row["slot_decay_per_second"],
        is_active=row["is_active"],
    )


def _held_of_row(row: RowMapping) -> HeldSlots:
    fields: dict[str, Any] = {**row}
    fields["name"] = fields.pop("limit_name")
    return HeldSlots(**fields)


def _not_found(name: str) -> LimitNotFound:
    return LimitNotFound(f"No concurrency limit {name!r}. Make it: `orchestra concurrency create {name} --limit 1`.")
