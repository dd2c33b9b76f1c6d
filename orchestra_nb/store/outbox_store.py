"""The outbox of notifications: each message is sent by whoever claims it, and by nobody else meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, or_, select, update

from orchestra_nb.errors import Conflict, NotificationNotFound
from orchestra_nb.model.automations import CallWebhook
from orchestra_nb.model.outbox import Delivery, DeliveryState
from orchestra_nb.model.webhook_calls import call_title, origin_of
from orchestra_nb.store.database import Database
from orchestra_nb.store.service_tables import notification_channels, notifications
from orchestra_nb.store.stored_records import short_message

_LONGEST_TITLE: Final = 250
_IS_PENDING = notifications.c.state == DeliveryState.PENDING.value


class OutboxStore:
    """The outbox of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, number: int) -> Delivery:
        """Return a message.

        Raises
        ------
        NotificationNotFound
            There is none of this number.
        """
        with self._database.connect() as connection:
            row = connection.execute(select(*_COLUMNS).where(notifications.c.number == number)).mappings().first()
        if row is None:
            raise NotificationNotFound(f"No notification {number}. `orchestra notifications outbox ls` lists them.")
        return _delivery_of_row(row)

    def add(
        self, rule: str, channel: str, *, run_id: str, moment: str, severity: str, title: str, body: str, at: datetime
    ) -> bool:
        """Have a message sent by the services; False where it is there already.

        Parameters
        ----------
        rule, moment
            Who sends it, and of what: with the channel and the run they name it for ever.

        Raises
        ------
        NotificationNotFound
            There is no such channel.
        """
        key = {"rule": rule, "channel": channel, "run_id": run_id, "epoch": 1, "moment": moment}
        with self._database.write() as connection:
            known = select(notification_channels.c.name).where(notification_channels.c.name == channel)
            if connection.execute(known).first() is None:
                raise NotificationNotFound(f"No channel {channel!r}. `orchestra notifications channels ls` lists them.")
            return _add(connection, key, {"severity": severity, "title": title, "body": body}, at)

    def add_call(self, sender: str, call: CallWebhook, *, run_id: str, moment: str, at: datetime) -> bool:
        """Have a request sent by the services; False where it is there already, as with :meth:`add`."""
        key = {"rule": sender, "channel": origin_of(call), "run_id": run_id, "epoch": 1, "moment": moment}
        message = {
            "severity": "info",
            "title": call_title(call)[:_LONGEST_TITLE],
            "body": msgspec.json.encode(call).decode(),
        }
        with self._database.write() as connection:
            return _add(connection, key, message, at)

    def list_deliveries(
        self,
        *,
        states: Collection[DeliveryState] | None = None,
        run_id: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """Return messages, the newest first; None for those in all states, of all runs, and of all numbers."""
        query = select(*_COLUMNS).order_by(notifications.c.number.desc()).limit(limit)
        if states is not None:
            query = query.where(notifications.c.state.in_([state.value for state in states]))
        if run_id is not None:
            query = query.where(notifications.c.run_id == run_id)
        if before is not None:
            query = query.where(notifications.c.number < before)
        with self._database.connect() as connection:
            return [_delivery_of_row(row) for row in connection.execute(query).mappings()]

    def next_look(self, busy: Collection[str] = ()) -> datetime | None:
        """Return when the next message is due, or lost by whoever claimed it; None where none waits.

        Parameters
        ----------
        busy
            Channels that are not looked at.
        """
        due_at = func.min(func.coalesce(notifications.c.lease_until, notifications.c.next_try_at))
        query = select(due_at).where(_IS_PENDING, notifications.c.channel.not_in(busy))
        with self._database.connect() as connection:
            first: datetime | None = connection.execute(query).scalar_one()
        return first

    def claim(
        self,
        claim: str,
        room: int,
        now: datetime,
        lease_until: datetime,
        *,
        sending: Mapping[str, int],
        most_a_channel: int,
    ) -> list[Delivery]:
        """Take up to so many messages that are due, the oldest first, each of them as one more attempt.

        Parameters
        ----------
        claim
            A name that nobody else uses.
        sending
            Channel to how many of its messages are being sent already.
        most_a_channel
            How many these may be: a channel that has so many holds up no other.
        """
        due = (_IS_PENDING, _is_due(now))
        with self._database.connect() as connection:
            if not _choose(connection, due, 1, sending, most_a_channel):
                return []
        with self._database.write() as connection:
            is_taken = notifications.c.number.in_(_choose(connection, due, room, sending, most_a_channel))
            attempts = notifications.c.attempts + 1
            connection.execute(
                update(notifications).where(is_taken).values(claim=claim, lease_until=lease_until, attempts=attempts)
            )
            rows = connection.execute(select(*_COLUMNS).where(is_taken).order_by(notifications.c.number)).mappings()
            return [_delivery_of_row(row) for row in rows]

    def sent(self, number: int, claim: str, at: datetime) -> bool:
        """Write that a message was sent; False where the claim was lost meanwhile."""
        return self._end(number, claim, state=DeliveryState.SENT.value, error="", closed_at=at)

    def failed(self, number: int, claim: str, error: str, next_try_at: datetime | None) -> bool:
        """Write why a message could not be sent; False where the claim was lost meanwhile.

        Parameters
        ----------
        error
            Without secrets.
        next_try_at
            When it is tried again; None when it is a dead letter.
        """
        error = short_message(error)
        if next_try_at is None:
            return self._end(number, claim, state=DeliveryState.DEAD.value, error=error)
        return self._end(number, claim, next_try_at=next_try_at, error=error)

    def retry(self, number: int, actor: str, now: datetime) -> Delivery:
        """Have a dead letter, one that was discarded, or one that waits, sent now and with all its tries.

        Raises
        ------
        NotificationNotFound
            There is none of this number.
        Conflict
            It is being sent, or was.
        """
        waits = and_(_IS_PENDING, notifications.c.claim.is_(None))
        values = {"state": DeliveryState.PENDING.value, "attempts": 0, "next_try_at": now}
        return self._decide(
            number,
            or_(waits, notifications.c.state.in_([DeliveryState.DEAD.value, DeliveryState.DISCARDED.value])),
            values | {"closed_at": None, "closed_by": actor, "claim": None, "lease_until": None},
        )

    def discard(self, number: int, actor: str, now: datetime) -> Delivery:
        """Decide that a message is not sent, one that waits for its next try included.

        Raises
        ------
        NotificationNotFound
            There is none of this number.
        Conflict
            It was sent or discarded, or is being sent.
        """
        waits = and_(_IS_PENDING, notifications.c.claim.is_(None))
        values = {"state": DeliveryState.DISCARDED.value, "closed_at": now, "closed_by": actor}
        return self._decide(number, or_(waits, notifications.c.state == DeliveryState.DEAD.value), values)

    def _end(self, number: int, claim: str, **values: object) -> bool:
        held = (notifications.c.number == number, notifications.c.claim == claim, _IS_PENDING)
        ended = update(notifications).where(*held).values(claim=None, lease_until=None, **values)
        with self._database.write() as connection:
            return connection.execute(ended).rowcount == 1

    def _decide(self, number: int, may_be: ColumnElement[bool], values: dict[str, object]) -> Delivery:
        decision = update(notifications).where(notifications.c.number == number, may_be).values(values)
        with self._database.write() as connection:
            is_decided = connection.execute(decision).rowcount == 1
        delivery = self.get(number)
        if not is_decided:
            state = "being sent" if delivery.state is DeliveryState.PENDING else delivery.state.value.lower()
            raise Conflict(f"The notification {number} is {state}.")
        return delivery


_COLUMNS = tuple(notifications.c[name] for name in Delivery.__struct_fields__)


def _add(connection: Connection, key: Mapping[str, object], message: Mapping[str, object], at: datetime) -> bool:
    same = [notifications.c[name] == value for name, value in key.items()]
    if connection.execute(select(notifications.c.number).where(*same)).first() is not None:
        return False
    fresh = {"error": "", "attempts": 0, "next_try_at": at, "created_at": at, "state": DeliveryState.PENDING.value}
    connection.execute(insert(notifications).values(**key, **message, **fresh))
    return True


def _choose(
    connection: Connection,
    due: tuple[ColumnElement[bool], ...],
    room: int,
    sending: Mapping[str, int],
    most_a_channel: int,
) -> list[int]:
    counts = dict(sending)
    chosen: list[int] = []
    while len(chosen) < room:
        full = [channel for channel, count in counts.items() if count >= most_a_channel]
        query = (
            select(notifications.c.number, notifications.c.channel)
            .where(*due, notifications.c.channel.not_in(full), notifications.c.number.not_in(chosen))
            .order_by(notifications.c.next_try_at, notifications.c.number)
            .limit(room - len(chosen))
        )
        rows = connection.execute(query).all()
        if not rows:
            break
        for number, channel in rows:
            if counts.get(channel, 0) < most_a_channel:
                counts[channel] = counts.get(channel, 0) + 1
                chosen.append(number)
    return chosen


def _is_due(now: datetime) -> ColumnElement[bool]:
    is_free = and_(notifications.c.claim.is_(None), notifications.c.next_try_at <= now)
    return or_(is_free, notifications.c.lease_until <= now)


def _delivery_of_row(row: RowMapping) -> Delivery:
    return msgspec.structs.replace(Delivery(**row), state=DeliveryState(row["state"]))
