"""Secrets, as they are kept: encrypted with Fernet (AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from orchestra_nb.errors import SecretNotFound, SecretUnreadable
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredSecret
from orchestra_nb.store.database import Database
from orchestra_nb.store.tables import secrets

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


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
        return Secret(self._decrypt(name, ciphertext))

    def list_secrets(self) -> list[StoredSecret]:
        """Return all secrets by name, without their values."""
        query = select(secrets.c.name, secrets.c.created_at, secrets.c.updated_at).order_by(secrets.c.name)
        with self._database.connect() as connection:
            return [StoredSecret(**row) for row in connection.execute(query).mappings()]

    def set(self, name: str, secret: Secret, at: datetime) -> bool:
        """Write a secret; False when one of this name was replaced."""
        data = secret.get().encode("utf-8", "surrogatepass")
        values = {"ciphertext": self._fernet().encrypt(data).decode("ascii"), "updated_at": at}
        with self._database.write() as connection:
            if connection.execute(update(secrets).where(secrets.c.name == name).values(values)).rowcount:
                return False
            connection.execute(insert(secrets).values(name=name, created_at=at, **values))
            return True

    def delete(self, name: str) -> bool:
        """Delete a secret; False when there is none."""
        with self._database.write() as connection:
            return connection.execute(delete(secrets).where(secrets.c.name == name)).rowcount == 1

    def _decrypt(self, name: str, ciphertext: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(ciphertext.encode("ascii")).decode("utf-8", "surrogatepass")
        except InvalidToken:
            raise SecretUnreadable(
                f"The secret {name!r} was encrypted with another key than yours. Set it again, or set "
                "ORCHESTRA_SECRET_KEY_FILE to the file with the key of whoever set it."
            ) from None

    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        if self._key is None:
            raise ValueError("this store of secrets was opened without a key")
        return Fernet(self._key)
