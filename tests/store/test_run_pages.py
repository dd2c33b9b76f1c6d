"""That pages of runs are read by an index, so that their cost does not grow with the history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.run_pages import runs_page


@pytest.fixture
def file_database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/orchestra.db")
    yield database
    database.close()


def plan_of(database: Database, **wanted: object) -> list[str]:
    """Return what SQLite will do: https://www.sqlite.org/eqp.html."""
    query = runs_page(limit=50, **wanted)  # type: ignore[arg-type]
    statement = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with database.connect() as connection:
        return [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]


@pytest.mark.parametrize("before", [None, "f" * 32], ids=["first page", "later page"])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "sqlite_autoindex_runs_1"),
        ({"kind": RunKind.INTERACTIVE}, "ix_runs_kind_run_id"),
        ({"flow_name": "train"}, "ix_runs_flow_name_run_id"),
    ],
    ids=["all", "of a kind", "of a flow"],
)
def test_a_page_is_a_range_of_an_index(
    file_database: Database, wanted: dict[str, object], index: str, before: str | None
) -> None:
    plan = plan_of(file_database, before=before, **wanted)

    assert len(plan) == 1
    assert f"USING INDEX {index}" in plan[0]


def test_a_page_of_several_states_reads_a_page_of_each(file_database: Database) -> None:
    plan = plan_of(file_database, states=[State.FAILED, State.CRASHED])

    searches = [step for step in plan if "runs" in step and step.startswith(("SEARCH", "SCAN runs"))]
    assert searches == ["SEARCH runs USING INDEX ix_runs_state_run_id (state=?)"] * 2
