"""What came of the messages of webhooks: each starts one thing, however often and wherever it arrives."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from orchestra_nb.errors import Conflict, WebhookNotFound
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.runs import Run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhooks import Receipt, ReceiptState
from orchestra_nb.store.custom_event_store import add_event
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.sealed_text import seal, unseal
from orchestra_nb.store.service_tables import webhook_receipts, webhooks
from orchestra_nb.store.stored_records import short_message
from orchestra_nb.store.work_queue import QueuedRun, enqueue

#: Of each webhook so many messages are known, the newest: an older one that is sent again is new.
KEPT_RECEIPTS = 10_000
#: Of each webhook so many dead letters can be tried again, the newest.
KEPT_MESSAGES = 100


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a message is to start, or why it starts nothing.

    Parameters
    ----------
    queued
        The place of the run in the queue.
    message
        What is kept of a dead letter, to try it again.
    """

    state: ReceiptState
    run: Run | None = None
    queued: QueuedRun | None = None
    event: CustomEvent | None = None
    reason: str = ""
    message: Secret | None = None


class WebhookReceipts:
    """The messages of a store's webhooks. All methods may be called from any thread, and by several processes at once.

    Parameters
    ----------
    key
        A Fernet key (:func:`~orchestra_nb.store.secret_key.load_secret_key`); None for whoever needs no message.
    """

    def __init__(self, database: Database, key: bytes | None = None) -> None:
        self._database = database
        self._key = key

    def find(self, webhook: str, message_id: str) -> Receipt | None:
        """Return what came of a message, None when it is new."""
        with self._database.connect() as connection:
            return _find(connection, webhook, message_id)

    def get(self, number: int) -> Receipt:
        """Return what came of a message.

        Raises
        ------
        WebhookNotFound
            There is none of this number.
        """
        with self._database.connect() as connection:
            return _get(connection, number)

    def list_receipts(
        self,
        *,
        webhook: str | None = None,
        states: Collection[ReceiptState] | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Receipt]:
        """Return messages, the newest first; None for those of all webhooks, in all states, and of all numbers."""
        query = select(*_COLUMNS).order_by(webhook_receipts.c.number.desc()).limit(limit)
        if webhook is not None:
            query = query.where(webhook_receipts.c.webhook == webhook)
        if states is not None:
            query = query.where(webhook_receipts.c.state.in_([state.value for state in states]))
        if before is not None:
            query = query.where(webhook_receipts.c.number < before)
        with self._database.connect() as connection:
            return [_receipt_of_row(row) for row in connection.execute(query).mappings()]

    def get_message(self, number: int) -> Secret | None:
        """Return what was kept of a dead letter, None when that is no more.

        Raises
        ------
        SecretUnreadable
            It was encrypted with another key.
        """
        query = select(webhook_receipts.c.ciphertext).where(webhook_receipts.c.number == number)
        with self._database.connect() as connection:
            ciphertext = connection.execute(query).scalar()
        return None if ciphertext is None else unseal(ciphertext, self._key, f"message {number}")

    def settle(
        self, webhook: str, message_id: str, outcome: Outcome, at: datetime, actor: str | None = None
    ) -> Receipt:
        """Start what a message is to start and note that, at once or not at all; return what came of it.

        One that is known starts nothing more, except a dead letter: that is settled anew.

        Parameters
        ----------
        actor
            Who has a dead letter tried again; None for the sender.

        Raises
        ------
        WebhookNotFound
            The webhook was deleted meanwhile.
        """
        with self._database.write() as connection:
            known = _find(connection, webhook, message_id)
            if known is not None and known.state is not ReceiptState.DEAD:
                return known
            if connection.execute(select(webhooks.c.name).where(webhooks.c.name == webhook)).first() is None:
                raise WebhookNotFound(f"No webhook {webhook!r}. `orchestra webhooks ls` lists them.")
            if outcome.run is not None and outcome.queued is not None:
                EventWriter(connection, [RunCreated(run=outcome.run)]).apply()
                enqueue(connection, [outcome.queued])
            if outcome.event is not None:
                add_event(connection, outcome.event)
            values = {
                "state": outcome.state.value,
                "run_id": None if outcome.run is None else outcome.run.run_id,
                "run_name": None if outcome.run is None else outcome.run.name,
                "event_id": None if outcome.event is None else outcome.event.event_id,
                "reason": short_message(outcome.reason),
                "ciphertext": None if outcome.message is None else seal(outcome.message, self._key),
            }
            if known is None:
                names = {"webhook": webhook, "message_id": message_id, "received_at": at}
                connection.execute(insert(webhook_receipts).values(**names, **values))
                _forget_old(connection, webhook)
            else:
                closed = {"closed_at": at, "closed_by": actor}
                same = webhook_receipts.c.number == known.number
                connection.execute(update(webhook_receipts).where(same).values(**values, **closed))
            settled = _find(connection, webhook, message_id)
        assert settled is not None
        return settled

    def discard(self, number: int, actor: str, at: datetime) -> Receipt:
        """Decide that a dead letter starts nothing, also when it is sent again.

        Raises
        ------
        WebhookNotFound
            There is none of this number.
        Conflict
            It is no dead letter.
        """
        values = {"state": ReceiptState.DISCARDED.value, "ciphertext": None, "closed_at": at, "closed_by": actor}
        with self._database.write() as connection:
            found = _get(connection, number)
            if found.state is not ReceiptState.DEAD:
                raise Conflict(f"Message {number} is {found.state.value.lower()}: only a dead letter is discarded.")
            connection.execute(update(webhook_receipts).where(webhook_receipts.c.number == number).values(values))
            return _get(connection, number)


_COLUMNS = [webhook_receipts.c[name] for name in Receipt.__struct_fields__]


def _find(connection: Connection, webhook: str, message_id: str) -> Receipt | None:
    query = select(*_COLUMNS).where(webhook_receipts.c.webhook == webhook, webhook_receipts.c.message_id == message_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _receipt_of_row(row)


def _get(connection: Connection, number: int) -> Receipt:
    row = connection.execute(select(*_COLUMNS).where(webhook_receipts.c.number == number)).mappings().first()
    if row is None:
        raise WebhookNotFound(f"No message {number} of a webhook. `orchestra webhooks deliveries` lists them.")
    return _receipt_of_row(row)


def _forget_old(connection: Connection, webhook: str) -> None:
    own = webhook_receipts.c.webhook == webhook
    numbers = select(webhook_receipts.c.number).where(own).order_by(webhook_receipts.c.number.desc())
    first = connection.execute(numbers.offset(KEPT_RECEIPTS).limit(1)).scalar()
    if first is not None:
        connection.execute(delete(webhook_receipts).where(own, webhook_receipts.c.number <= first))
    kept = numbers.where(webhook_receipts.c.ciphertext.is_not(None))
    first = connection.execute(kept.offset(KEPT_MESSAGES).limit(1)).scalar()
    if first is not None:
        old = update(webhook_receipts).where(own, webhook_receipts.c.number <= first)
        connection.execute(old.values(ciphertext=None))


def _receipt_of_row(row: RowMapping) -> Receipt:
    return Receipt(**{**row, "state": ReceiptState(row["state"])})
