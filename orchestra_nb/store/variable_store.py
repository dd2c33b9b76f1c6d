"""Variables, as they are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update

from orchestra_nb.errors import NameTaken
from orchestra_nb.model.variables import StoredVariable
from orchestra_nb.store.code_tables import variables
from orchestra_nb.store.database import Database


class VariableStore:
    """The variables of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> StoredVariable | None:
        """Return a variable, None when there is none."""
        with self._database.connect() as connection:
            row = connection.execute(select(variables).where(variables.c.name == name)).mappings().first()
        return None if row is None else _variable_of_row(row)

    def list_variables(self) -> list[StoredVariable]:
        """Return all variables by name."""
        with self._database.connect() as connection:
            rows = connection.execute(select(variables).order_by(variables.c.name)).mappings()
            return [_variable_of_row(row) for row in rows]

    def set(
        self, name: str, value: object, tags: Iterable[str], at: datetime, *, may_overwrite: bool
    ) -> StoredVariable:
        """Write a variable and return it.

        Parameters
        ----------
        value
            Of JSON's types.

        Raises
        ------
        NameTaken
            There is one of this name, and it may not be overwritten.
        """
        values = {"value": value, "tags": list(tags), "updated_at": at}
        with self._database.write() as connection:
            is_known = connection.execute(select(variables.c.name).where(variables.c.name == name)).first() is not None
            if is_known and not may_overwrite:
                raise NameTaken(f"There is a variable {name!r} already. Pass overwrite=True to replace its value.")
            if is_known:
                connection.execute(update(variables).where(variables.c.name == name).values(values))
            else:
                connection.execute(insert(variables).values(name=name, created_at=at, **values))
            row = connection.execute(select(variables).where(variables.c.name == name)).mappings().one()
            return _variable_of_row(row)

    def delete(self, name: str) -> bool:
        """Delete a variable; False when there is none."""
        with self._database.write() as connection:
            return connection.execute(delete(variables).where(variables.c.name == name)).rowcount == 1


def _variable_of_row(row: RowMapping) -> StoredVariable:
    return StoredVariable(**{**row, "tags": tuple(row["tags"])})
