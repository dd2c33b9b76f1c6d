"""Webhooks, as they are kept, with their secrets encrypted."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, RowMapping, case, delete, insert, select, update

from orchestra_nb.errors import NameTaken, SecretUnreadable
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhooks import StoredWebhook, Webhook
from orchestra_nb.store.database import Database
from orchestra_nb.store.sealed_text import seal, unseal
from orchestra_nb.store.service_tables import webhook_receipts, webhooks

_REMEDY: Final = "Delete it first, change it, or choose another name."
#: How it ends where a webhook is to have the name of another.
OTHER_NAME: Final = "Choose another name."


class WebhookStore:
    """The webhooks of a store. All methods may be called from any thread, and by several processes at once.

    Parameters
    ----------
    key
        A Fernet key (:func:`~orchestra_nb.store.secret_key.load_secret_key`); None for whoever needs no secret.
    """

    def __init__(self, database: Database, key: bytes | None = None) -> None:
        self._database = database
        self._key = key

    def add(self, webhook: Webhook, secret: Secret, at: datetime, owner: str | None = None) -> None:
        """Make a webhook, somebody's or nobody's.

        Raises
        ------
        NameTaken
            There is one of this name.
        """
        values = {
            "name": webhook.name,
            "definition": msgspec.to_builtins(webhook),
            "ciphertext": seal(secret, self._key),
            "created_at": at,
            "secret_changed_at": at,
            "owner": owner,
        }
        with self._database.write() as connection:
            _check_free(connection, webhook.name, _REMEDY)
            connection.execute(insert(webhooks).values(values))

    def check_free(self, name: str, remedy: str = _REMEDY) -> None:
        """Raise NameTaken where there is one of this name; the remedy is the end of its message."""
        with self._database.connect() as connection:
            _check_free(connection, name, remedy)

    def list_webhooks(self) -> list[StoredWebhook]:
        """Return all webhooks by name."""
        with self._database.connect() as connection:
            rows = connection.execute(select(webhooks).order_by(webhooks.c.name)).mappings()
            return [_webhook_of_row(row) for row in rows]

    def find(self, name: str) -> StoredWebhook | None:
        """Return a webhook, None when there is none."""
        with self._database.connect() as connection:
            row = connection.execute(select(webhooks).where(webhooks.c.name == name)).mappings().first()
        return None if row is None else _webhook_of_row(row)

    def find_with_secrets(self, name: str, nobodys: Secret, now: datetime) -> tuple[StoredWebhook | None, list[Secret]]:
        """Return a webhook and the two secrets that messages may be signed with now, ``nobodys`` in place of any.

        None and ``nobodys`` where there is no such webhook, or its secret cannot be read. It takes the same time for a
        name that is there and one that is not: then another webhook is read and decrypted.
        """
        is_it = case((webhooks.c.name == name, 0), else_=1)
        with self._database.connect() as connection:
            row = connection.execute(select(webhooks).order_by(is_it).limit(1)).mappings().first()
        nobody: list[Secret] = [nobodys, nobodys]
        if row is None:
            return None, nobody
        is_overlapping = row["previous_ciphertext"] is not None and row["previous_until"] > now
        what = f"secret of the webhook {name!r}"
        try:
            found, secret = _webhook_of_row(row), unseal(row["ciphertext"], self._key, what)
            previous = unseal(row["previous_ciphertext"] or row["ciphertext"], self._key, what)
        except SecretUnreadable:
            return None, nobody
        if found.webhook.name != name:
            return None, nobody
        return found, [secret, previous if is_overlapping else nobodys]

    def set_secret(self, name: str, secret: Secret, at: datetime, previous_until: datetime | None = None) -> bool:
        """Give a webhook another secret; False when there is no such webhook.

        Parameters
        ----------
        previous_until
            Until when the one that it has now is accepted, too; None for not at all.
        """
        values = {"ciphertext": seal(secret, self._key), "secret_changed_at": at, "previous_until": previous_until}
        values["previous_ciphertext"] = None if previous_until is None else webhooks.c.ciphertext
        with self._database.write() as connection:
            return connection.execute(update(webhooks).where(webhooks.c.name == name).values(values)).rowcount == 1

    def replace(self, before: Webhook, after: Webhook, owner: str | UnsetType | None = UNSET) -> bool:
        """Have a webhook be like another, with its secret and its messages; False where it is not as ``before`` says.

        Parameters
        ----------
        owner
            Whose it is from now on; None for nobody's, unset for who it is of.

        Raises
        ------
        NameTaken
            There is one of the other name.
        """
        with self._database.write() as connection:
            row = connection.execute(select(webhooks).where(webhooks.c.name == before.name)).mappings().first()
            if row is None or _webhook_of_row(row).webhook != before:
                return False
            values = {"name": after.name, "definition": msgspec.to_builtins(after)}
            if owner is not UNSET:
                values["owner"] = owner
            if after.name != before.name:
                _check_free(connection, after.name, OTHER_NAME)
                moved = update(webhook_receipts).where(webhook_receipts.c.webhook == before.name)
                connection.execute(moved.values(webhook=after.name))
            connection.execute(update(webhooks).where(webhooks.c.name == before.name).values(values))
            return True

    def delete(self, name: str) -> bool:
        """Delete a webhook and what is known of its messages; False when there is none."""
        with self._database.write() as connection:
            connection.execute(delete(webhook_receipts).where(webhook_receipts.c.webhook == name))
            return connection.execute(delete(webhooks).where(webhooks.c.name == name)).rowcount == 1


def _check_free(connection: Connection, name: str, remedy: str) -> None:
    if connection.execute(select(webhooks.c.name).where(webhooks.c.name == name)).first() is not None:
        raise NameTaken(f"There is a webhook {name!r} already. {remedy}")


def _webhook_of_row(row: RowMapping) -> StoredWebhook:
    return StoredWebhook(
        webhook=msgspec.convert(row["definition"], Webhook),
        created_at=row["created_at"],
        secret_changed_at=row["secret_changed_at"],
        previous_until=row["previous_until"],
        owner=row["owner"],
    )
