"""What runs execute, as it is kept. It comes in by the event ``RunCodeRecorded``."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import select

from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.code_tables import run_codes
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import runs
from orchestra_nb.store.stored_records import run_of_row


class RunCodeStore:
    """The code of the runs of a store. All methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, run_id: str) -> RunCode | None:
        """Return the code of a run; None where none was recorded."""
        query = select(run_codes).where(run_codes.c.run_id == run_id)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        reference = None if row["pickle"] is None else msgspec.convert(row["pickle"], ResultReference)
        return RunCode(**{**row, "pickle": reference})

    def overdue_suspensions(self, now: datetime) -> list[Run]:
        """Return the suspended runs that nobody resumed in time."""
        query = (
            select(runs)
            .join(run_codes, run_codes.c.run_id == runs.c.run_id)
            .where(
                run_codes.c.suspended_until <= now,
                runs.c.state == State.PAUSED.value,
                runs.c.driver_id.is_(None),
            )
        )
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]


def code_to_row(code: RunCode) -> dict[str, object]:
    """Return the row of a run's code."""
    return msgspec.structs.asdict(code) | {"pickle": None if code.pickle is None else msgspec.to_builtins(code.pickle)}
