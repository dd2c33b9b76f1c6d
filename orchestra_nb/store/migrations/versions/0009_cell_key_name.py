"""The key of the cells, named as that of every other table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

#: What revision 0007 called the table that it filled anew: PostgreSQL names constraints after it.
_MADE_AS = "cell_runs_new"


def upgrade() -> None:
    """Rename what is still named after the table's first name; in SQLite nothing goes by such names."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    named = "SELECT conname FROM pg_constraint WHERE conrelid = 'cell_runs'::regclass"
    for name in connection.scalars(sa.text(named)).all():
        if _MADE_AS in name:
            op.execute(f"ALTER TABLE cell_runs RENAME CONSTRAINT {name} TO {name.replace(_MADE_AS, 'cell_runs')}")
