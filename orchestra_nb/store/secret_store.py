"""Secrets, as they are kept: encrypted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, insert, select, update

from orchestra_nb.errors import SecretNotFound
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredSecret
from orchestra_nb.store.code_tables import own_secrets, secrets
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

    def get(self, name: str, owner: str | None = None) -> Secret:
        """Return a secret.

        Parameters
        ----------
        owner
            Whose own of this name comes first; None for whoever has none.

        Raises
        ------
        SecretNotFound
            There is none of this name.
        SecretUnreadable
            It was encrypted with another key, or changed behind our back.
        """
        own = select(own_secrets.c.ciphertext).where(own_secrets.c.name == name, own_secrets.c.owner == owner)
        with self._database.connect() as connection:
            ciphertext = None if owner is None else connection.execute(own).scalar()
            if ciphertext is None:
                ciphertext = connection.execute(select(secrets.c.ciphertext).where(secrets.c.name == name)).scalar()
        if ciphertext is None:
            raise SecretNotFound(f"No secret {name!r}. Set it with `orchestra secrets set {name}`.")
        return unseal(ciphertext, self._key, f"secret {name!r}")

    def list_secrets(self) -> list[StoredSecret]:
        """Return the secrets for the runs of all, by name, without their values."""
        query = select(secrets.c.name, secrets.c.created_at, secrets.c.updated_at).order_by(secrets.c.name)
        with self._database.connect() as connection:
            return [StoredSecret(**row) for row in connection.execute(query).mappings()]

    def list_own(self, owner: str) -> list[StoredSecret]:
        """Return the secrets that a user has, by name, without their values."""
        columns = (own_secrets.c[name] for name in StoredSecret.__struct_fields__)
        query = select(*columns).where(own_secrets.c.owner == owner).order_by(own_secrets.c.name)
        with self._database.connect() as connection:
            return [StoredSecret(**row) for row in connection.execute(query).mappings()]

    def is_somebodys(self, name: str, owner: str | None = None) -> bool:
        """Tell whether a user, or with None some user, has a secret of this name for their own runs."""
        query = select(own_secrets.c.name).where(own_secrets.c.name == name).limit(1)
        if owner is not None:
            query = query.where(own_secrets.c.owner == owner)
        with self._database.connect() as connection:
            return connection.execute(query).first() is not None

    def set(self, name: str, secret: Secret, at: datetime, owner: str | None = None) -> bool:
        """Write a secret, for the runs of all or of its owner; False when one of this name was replaced."""
        values = {"ciphertext": seal(secret, self._key), "updated_at": at}
        table, named, same = _place_of(name, owner)
        with self._database.write() as connection:
            if connection.execute(update(table).where(*same).values(values)).rowcount:
                return False
            connection.execute(insert(table).values(**named, created_at=at, **values))
            return True

    def delete(self, name: str, owner: str | None = None) -> bool:
        """Delete a secret, for the runs of all or of its owner; False when there is none."""
        table, _, same = _place_of(name, owner)
        with self._database.write() as connection:
            return connection.execute(delete(table).where(*same)).rowcount == 1


def _place_of(name: str, owner: str | None) -> tuple[Table, dict[str, str], list[ColumnElement[bool]]]:
    """Return the table that has a secret, its key there, and the condition of its row."""
    table, key = (secrets, {"name": name}) if owner is None else (own_secrets, {"name": name, "owner": owner})
    return table, key, [table.c[column] == value for column, value in key.items()]
