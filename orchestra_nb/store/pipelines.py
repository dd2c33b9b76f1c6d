"""PostgreSQL's pipeline mode: statements whose results nobody reads go out without waiting for the one before.

A claim and its end are bound by their round trips. Such a statement is marked with :data:`SENT`; the next one that is
not, or the end of the transaction, waits for all of them, and raises what went wrong with any. Behind a savepoint each
statement is waited for, so that what fails there can be undone by itself.
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

#: Execution options of a statement whose result is not looked at. SQLite executes it as any other.
SENT: Final = {"orchestra_sent": True}

#: Those that are open. Whoever writes ends them: a connection that was lost forgets what it knew.
_open: dict[Connection, Any] = {}


def use_pipelines(engine: Engine) -> None:
    """Have an engine for psycopg send what is marked, where its libpq can."""
    import psycopg

    if not psycopg.Pipeline.is_supported():
        return

    @event.listens_for(engine, "before_cursor_execute")
    def enter_or_leave(
        connection: Connection, _cursor: Any, _text: str, _parameters: Any, context: Any, _is_many: bool
    ) -> None:
        is_sent = context is not None and "orchestra_sent" in context.execution_options
        if not is_sent or connection.in_nested_transaction():
            end_pipeline(connection)
        elif connection not in _open:
            pipeline = connection.connection.driver_connection.pipeline()  # type: ignore[union-attr]  # it is psycopg's
            pipeline.__enter__()
            _open[connection] = pipeline


def end_pipeline(connection: Connection) -> None:
    """Wait for what was sent.

    Raises
    ------
    psycopg.Error
        One of the statements failed; those behind it were not executed.
    """
    if (pipeline := _open.pop(connection, None)) is not None:
        pipeline.__exit__(None, None, None)


def leave_pipeline(connection: Connection) -> None:
    """Wait for what was sent by a transaction that is to be undone; what failed first is told, and no more."""
    with contextlib.suppress(Exception):
        end_pipeline(connection)
