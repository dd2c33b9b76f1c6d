"""What Alembic runs to bring a store to a revision: on the connection, and in the transaction, of its caller."""

from __future__ import annotations

from alembic import context

from orchestra_nb.store.schema_revision import VERSION_TABLE
from orchestra_nb.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite can alter a table only by copying it
)
context.run_migrations()
