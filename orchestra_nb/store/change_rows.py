"""Says in the order of changes that something was written beside the events, in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert

from orchestra_nb.store.run_tables import changes


def record_news(
    connection: Connection,
    subject: Literal["artifact", "input"],
    run_id: str | None,
    task_run_id: str | None,
    at: datetime,
) -> None:
    """Let who follows the store know that a run has an artifact or an input that is new, or has changed.

    Parameters
    ----------
    run_id
        None for what belongs to no run.
    """
    connection.execute(insert(changes).values(subject=subject, run_id=run_id or "", task_run_id=task_run_id, at=at))
