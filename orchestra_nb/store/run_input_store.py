"""What runs ask people for, as it is kept."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, RowMapping, and_, insert, select, update

from orchestra_nb.errors import Conflict, InputNotFound
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.store.change_rows import record_news
from orchestra_nb.store.code_tables import run_inputs
from orchestra_nb.store.database import Database


class RunInputStore:
    """The questions of runs to people. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, question: RunInput) -> RunInput:
        """Keep a question, unless it was asked before; return it as it is now, perhaps with its answer."""
        same = _named(question.run_id, question.key)
        with self._database.connect() as connection:
            row = connection.execute(select(run_inputs).where(same)).mappings().first()
        if row is not None:
            return _input_of_row(row)
        with self._database.write() as connection:
            row = connection.execute(select(run_inputs).where(same)).mappings().first()
            if row is None:
                connection.execute(insert(run_inputs).values(msgspec.structs.asdict(question)))
                record_news(connection, "input", question.run_id, question.task_run_id, question.asked_at)
                row = connection.execute(select(run_inputs).where(same)).mappings().one()
            return _input_of_row(row)

    def answer(self, run_id: str, key: str, value: object, actor: str, at: datetime) -> RunInput:
        """Answer a question, once.

        Raises
        ------
        InputNotFound
            The run asks for nothing of this name.
        Conflict
            It was answered before.
        """
        same = _named(run_id, key)
        with self._database.write() as connection:
            answered = connection.execute(
                update(run_inputs)
                .where(same, run_inputs.c.answered_at.is_(None))
                .values(value=value, answered_at=at, answered_by=actor)
            )
            row = connection.execute(select(run_inputs).where(same)).mappings().first()
            if row is None:
                raise InputNotFound(f"Run {run_id} does not ask for an input {key!r}.")
            if not answered.rowcount:
                raise Conflict(
                    f"The input {key!r} was given by {row['answered_by']} at "
                    f"{row['answered_at']:%Y-%m-%d %H:%M:%S} UTC; it is given once."
                )
            record_news(connection, "input", run_id, row["task_run_id"], at)
            return _input_of_row(row)

    def of_run(self, run_id: str) -> list[RunInput]:
        """Return what a run has asked for, in order."""
        query = (
            select(run_inputs).where(run_inputs.c.run_id == run_id).order_by(run_inputs.c.asked_at, run_inputs.c.key)
        )
        with self._database.connect() as connection:
            return [_input_of_row(row) for row in connection.execute(query).mappings()]


def _named(run_id: str, key: str) -> ColumnElement[bool]:
    return and_(run_inputs.c.run_id == run_id, run_inputs.c.key == key)


def _input_of_row(row: RowMapping) -> RunInput:
    return RunInput(**row)
