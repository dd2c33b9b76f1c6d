"""The values that notebook runs returned, as they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import select

from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import recorded_values, runs

#: Databases limit the values of one statement.
_RUNS_A_READ = 500


class RecordedValueStore:
    """Reads what runs returned. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_runs(self, run_ids: Iterable[str]) -> dict[str, list[RecordedValue]]:
        """Return run id to the values of that run, in the order of their recording; nothing for runs without any."""
        wanted = list(run_ids)
        found: dict[str, list[RecordedValue]] = {}
        with self._database.connect() as connection:
            for start in range(0, len(wanted), _RUNS_A_READ):
                query = (
                    select(recorded_values)
                    .where(recorded_values.c.run_id.in_(wanted[start : start + _RUNS_A_READ]))
                    .order_by(recorded_values.c.recorded_at, recorded_values.c.name)
                )
                for row in connection.execute(query).mappings():
                    found.setdefault(row["run_id"], []).append(value_of_row(row))
        return found

    def names_of_deployment(self, deployment: str, limit: int) -> set[str]:
        """Return the names of what so many last runs of a deployment returned."""
        last = select(runs.c.run_id).where(runs.c.deployment == deployment).order_by(runs.c.run_id.desc()).limit(limit)
        query = select(recorded_values.c.name).where(recorded_values.c.run_id.in_(last.scalar_subquery())).distinct()
        with self._database.connect() as connection:
            return set(connection.execute(query).scalars())

    def of_run(self, run_id: str) -> list[RecordedValue]:
        """Return the values of one run."""
        return self.of_runs([run_id]).get(run_id, [])


def value_to_row(value: RecordedValue) -> dict[str, object]:
    """Return the row of a value."""
    reference = None if value.reference is None else msgspec.to_builtins(value.reference)
    return msgspec.structs.asdict(value) | {"reference": reference}


def value_of_row(row: Mapping[Any, Any]) -> RecordedValue:
    """Return the value of a row."""
    reference = row["reference"]
    return RecordedValue(
        **{**row, "reference": None if reference is None else msgspec.convert(reference, ResultReference)}
    )
