"""Secrets, as they are kept: encrypted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from orchestra_nb.errors import SecretNotFound
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredSecret
from orchestra_nb.store.code_tables import secrets
from orchestra_nb.store.database import Database
from orchestra_nb.store.sealed_text import seal, unseal


class SecretStore:
    """The secrets of a store. All methods may be called from any thread, and by several processes at once.

    Parameters
    ----------
    key
        A Fernet key (:func:`~orchestra_nb.store.secret_key.load_secret_key`); None for whoever only lists and deletes.
    """

    def __init__(self, database: Database, key: bytes | None = None) -> None:
        self._database = database
        self._key = key

    def get(self, name: str) -> Secret:
        """Return a secret.

        Raises
        ------
        SecretNotFound
            There is none of this name.
        SecretUnreadable
            It was encrypted with another key, or changed behind our back.
        """
        with self._database.connect() as connection:
            ciphertext = connection.execute(select(secrets.c.ciphertext).where(secrets.c.name == name)).scalar()
        if ciphertext is None:
            raise SecretNotFound(f"No secret {name!r}. Set it with `orchestra secrets set {name}`.")
        return unseal(ciphertext, self._key, f"secret {name!r}")

    def list_secrets(self) -> list[StoredSecret]:
        """Return all secrets by name, without their values."""
        query = select(secrets.c.name, secrets.c.created_at, secrets.c.updated_at).order_by(secrets.c.name)
        with self._database.connect() as connection:
            return [StoredSecret(**row) for row in connection.execute(query).mappings()]

    def set(self, name: str, secret: Secret, at: datetime) -> bool:
        """Write a secret; False when one of this name was replaced."""
        values = {"ciphertext": seal(secret, self._key), "updated_at": at}
        with self._database.write() as connection:
            if connection.execute(update(secrets).where(secrets.c.name == name).values(values)).rowcount:
                return False
            connection.execute(insert(secrets).values(name=name, created_at=at, **values))
            return True

    def delete(self, name: str) -> bool:
        """Delete a secret; False when there is none."""
        with self._database.write() as connection:
            return connection.execute(delete(secrets).where(secrets.c.name == name)).rowcount == 1
