"""What all tables of the store have in common.

There are no foreign keys on purpose: events of several processes may arrive in any order, and a log line must not be
refused because its run comes a moment later. How the tables came to be stands in ``migrations``; a test holds both to
each other.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

#: SQLite counts rows up only in a column that is called INTEGER, which there has 64 bits.
Counter = BigInteger().with_variant(Integer, "sqlite")
