"""That pages of runs are read by an index, so that their cost does not grow with the history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import sqlite
from stored_examples import NOON, run_of

from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.run_order import Place, RunOrder
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.run_pages import runs_page, sorted_runs
from orchestra_nb.store.run_store import RunStore


@pytest.fixture
def file_database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def plan_of(database: Database, **wanted: object) -> list[str]:
    """Return what SQLite will do: https://www.sqlite.org/eqp.html."""
    return explained(database, runs_page(limit=50, **wanted))  # type: ignore[arg-type]


def explained(database: Database, query: Select[Any]) -> list[str]:
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
        ({"notebook_paths": ["/a.ipynb"]}, "ix_runs_notebook_path_run_id"),
        (
            {"notebook_paths": ["/a.ipynb"], "flow_name": "a", "kind": RunKind.NOTEBOOK, "since": NOON},
            "ix_runs_notebook_path_run_id",
        ),
        (
            {"notebook_paths": ["/a.ipynb"], "flow_name": "a", "states": [State.FAILED]},
            "ix_runs_notebook_path_run_id",
        ),
    ],
    ids=["all", "of a kind", "of a flow", "of a notebook", "of a notebook and more", "of a notebook in a state"],
)
def test_a_page_is_a_range_of_an_index(
    file_database: Database, wanted: dict[str, object], index: str, before: str | None
) -> None:
    plan = plan_of(file_database, before=before, **wanted)

    assert len(plan) == 1
    assert f"USING INDEX {index}" in plan[0]


@pytest.mark.parametrize(
    "words", ["-started_at", "started_at", "-ended_at", "name", "-flow_name", "state", "-deployment"]
)
def test_a_page_in_another_order_is_a_range_of_an_index_too(file_database: Database, words: str) -> None:
    order = RunOrder.of([words])
    place = Place(values=tuple(NOON if key.field.endswith("_at") else "x" for key in order.keys), run_id="f" * 32)

    for behind in (None, place):
        for query in sorted_runs(order, limit=50, behind=behind, reads_in_order=True, kind=RunKind.FLOW):
            by_id, _, ids, *rest = explained(file_database, query)
            assert "sqlite_autoindex_runs_1 (run_id=?)" in by_id
            assert f"INDEX ix_runs_{words.removeprefix('-')}_run_id" in ids
            assert len(rest) <= 1  # of the page alone, by its ids


def test_where_few_runs_are_wanted_they_are_sorted_and_otherwise_all_are_read_in_order(store: RunStore) -> None:
    order = RunOrder.of(["-name"])
    store.apply([RunCreated(run=run_of(f"{n:032x}", name=f"{n:04}", state=State.FAILED)) for n in range(1_001)])
    store.apply([RunCreated(run=run_of("few", name="few", kind=RunKind.FLOW, state=State.COMPLETED))])

    failed = store.list_runs(limit=2, order=order, states=[State.FAILED])
    flows = store.list_runs(limit=2, order=order, kind=RunKind.FLOW, states=list(State))

    assert [run.name for run in (*failed, *flows)] == ["1000", "0999", "few"]


@pytest.mark.parametrize(
    "words",
    [
        "created_at",
        "-created_at,name",
        "started_at",
        "-started_at",
        "-started_at,name",
        "name,-ended_at",
        "-state,started_at,name",
        "deployment,-name,created_at",
        "flow_name",
    ],
)
def test_pages_in_any_order_leave_nothing_out_and_repeat_nothing(store: RunStore, words: str) -> None:
    random = Random(1)
    made = []
    for number in range(40):
        started_at = random.choice([None, NOON, NOON + timedelta(minutes=random.randrange(4))])
        run = run_of(
            f"{number:032x}",
            name=random.choice("abc"),
            flow_name=random.choice("fg"),
            deployment=random.choice([None, "d", "e"]),
            occurrence=str(number),
            state=random.choice([State.COMPLETED, State.FAILED]),
            started_at=started_at,
            ended_at=random.choice([None, started_at]),
        )
        made.append(run)
    store.apply([RunCreated(run=run) for run in made])
    order = RunOrder.of(words.split(","))

    found, before = [], None
    while page := store.list_runs(limit=7, before=before, order=order):
        found += page
        before = order.cursor_behind(page[-1])

    expected = sorted(made, key=lambda run: run.run_id, reverse=order.is_newest_first)
    for key in reversed(order.keys):
        present = [run for run in expected if getattr(run, key.field) is not None]
        present.sort(key=lambda run, field=key.field: getattr(run, field), reverse=key.is_descending)
        expected = present + [run for run in expected if getattr(run, key.field) is None]
    assert [run.run_id for run in found] == [run.run_id for run in expected]


def test_a_page_of_several_paths_and_states_has_each_run_once(store: RunStore) -> None:
    paths = ["/a.ipynb", "/b.ipynb", "/c.ipynb", None]
    states = [State.COMPLETED, State.FAILED, State.CRASHED]
    of_each = [(path, state) for state in states for path in paths]
    made = [run_of(f"{n:032x}", notebook_path=path, state=state) for n, (path, state) in enumerate(of_each)]
    store.apply([RunCreated(run=run) for run in made])

    def found(**wanted: Any) -> list[int]:
        return [int(run.run_id, 16) for run in store.list_runs(notebook_paths=["/c.ipynb", "/a.ipynb"], **wanted)]

    assert found() == [10, 8, 6, 4, 2, 0]
    assert found(limit=2, before=made[8].run_id) == [6, 4]
    assert found(states=[State.FAILED, State.COMPLETED], limit=3) == [6, 4, 2]
    assert found(states=[]) == []


def test_a_page_of_several_states_reads_a_page_of_each(file_database: Database) -> None:
    plan = plan_of(file_database, states=[State.FAILED, State.CRASHED])

    searches = [step for step in plan if "runs" in step and step.startswith(("SEARCH", "SCAN runs"))]
    assert searches == ["SEARCH runs USING INDEX ix_runs_state_run_id (state=?)"] * 2
