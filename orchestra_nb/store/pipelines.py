"""PostgreSQL's pipeline mode: statements whose results nobody reads go out without waiting for the one before.

A claim and its end are bound by their round trips. Such a statement is marked with :data:`SENT`; the next one that is
not, or the end of the transaction, waits for all of them, and raises what went wrong with any. Behind a savepoint each
statement is waited for, so that what fails there can be undone by itself.
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from sqlalchemy import Connection, Engine, ExceptionContext, event

#: Execution options of a statement whose result is not looked at. SQLite executes it as any other.
SENT: Final = {"orchestra_sent": True}

#: Those that are open, with psycopg's connections. Whoever writes ends them: what was lost forgets what it knew.
_open: dict[Connection, tuple[Any, Any]] = {}


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
            driver_connection: Any = connection.connection.driver_connection
            pipeline = driver_connection.pipeline()
            try:
                pipeline.__enter__()
            except Exception as error:
                _forget_lost(connection, driver_connection, error)
                raise
            _open[connection] = (pipeline, driver_connection)

    @event.listens_for(engine, "handle_error")
    def tell_loss(context: ExceptionContext) -> None:
        """Tell SQLAlchemy of a loss in a pipeline that psycopg makes itself, for many rows."""
        connection = context.connection
        if connection is not None and connection not in _open and not connection.closed and not connection.invalidated:
            context.is_disconnect |= _is_lost(connection.connection.driver_connection)


def end_pipeline(connection: Connection) -> None:
    """Wait for what was sent.

    Raises
    ------
    psycopg.Error
        One of the statements failed; those behind it were not executed.
    """
    if (found := _open.pop(connection, None)) is not None:
        pipeline, driver_connection = found
        try:
            pipeline.__exit__(None, None, None)
        except Exception as error:
            _forget_lost(connection, driver_connection, error)
            raise


def leave_pipeline(connection: Connection) -> None:
    """Wait for what was sent by a transaction that is to be undone; what failed first is told, and no more."""
    with contextlib.suppress(Exception):
        end_pipeline(connection)


def _forget_lost(connection: Connection, driver_connection: Any, error: Exception) -> None:
    """Have SQLAlchemy replace a connection that is lost; of what it calls itself it knows already."""
    if not connection.invalidated and _is_lost(driver_connection):
        connection.invalidate(error)


def _is_lost(driver_connection: Any) -> bool:
    """Return whether psycopg's connection, outside of a pipeline, cannot be used again.

    One that was lost within a pipeline may look open, but never gets out of it.
    """
    return bool(driver_connection.closed or driver_connection.pgconn.pipeline_status)
