"""Which revision of the tables a store has, read without Alembic, which costs more than all else at the start."""

from __future__ import annotations

from typing import Final

#: The revisions that this version knows, from the oldest. A test holds them to the files in ``migrations/versions``.
REVISIONS: Final = (
    *("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"),
    *("0010", "0011", "0012", "0013", "0015", "0016", "0017", "0018", "0019", "0020", "0021", "0022"),
    *("0023", "0024", "0025", "0026"),
)

#: The revision that this version needs.
HEAD: Final = REVISIONS[-1]

#: Where Alembic keeps the revision: a name of our own, since a team's database may hold other Alembic users.
VERSION_TABLE: Final = "orchestra_alembic_version"

#: The version table as Alembic makes it.
CREATE_VERSION_TABLE: Final = (
    f"CREATE TABLE {VERSION_TABLE} "
    f"(version_num VARCHAR(32) NOT NULL, CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
)

#: What reads the revision of a store that has the version table.
SELECT_REVISION: Final = f"SELECT version_num FROM {VERSION_TABLE}"

#: What reads which version of Orchestra last changed the tables.
SELECT_WRITER: Final = "SELECT value FROM store_facts WHERE name = 'orchestra_version'"
