"""What a run asks people for, and what they answered."""

from __future__ import annotations

from datetime import datetime

import msgspec


class RunInput(msgspec.Struct, frozen=True, kw_only=True):
    """A question of a run to people. A run that is run again finds the answer that was given before.

    Parameters
    ----------
    key
        Names the question within its run.
    schema
        A JSON Schema that the answer must fit; None when no answer but "go on" is asked for.
    description
        What to tell whoever answers.
    value
        The answer, of JSON's types; None before it is given.
    answered_at
        None while it waits.
    """

    run_id: str
    key: str
    asked_at: datetime
    schema: dict[str, object] | None = None
    description: str = ""
    value: object = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    task_run_id: str | None = None
