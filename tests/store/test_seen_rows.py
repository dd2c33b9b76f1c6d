"""Which rows are seen where only what is of some users is: of each table, and by the indexes that are read anyway."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from sqlalchemy import event, func, select, text
from stored_examples import NOON, run_of, task_of

from orchestra_nb.model.assets import Materialization
from orchestra_nb.model.events import RunCreated, TaskRunCreated
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.states import State
from orchestra_nb.store.asset_store import AssetStore
from orchestra_nb.store.code_tables import dead_letters
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.list_marks import ListMarks
from orchestra_nb.store.run_pages import runs_page
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import log_lines, runs, task_runs
from orchestra_nb.store.seen_rows import FOR_ALL, only_seen
from orchestra_nb.store.service_tables import deployments, schedules
from orchestra_nb.store.table_basics import metadata

BOB = frozenset({"bob"})


def test_of_each_table_somebody_has_said_who_sees_its_rows(store: RunStore) -> None:
    tables = metadata.sorted_tables
    with store.database.seen_by(BOB), store.database.connect() as connection:
        seen = {table.name for table in tables if connection.execute(select(table)).all()}  # KeyError: nobody has

    assert seen == {"store_facts"}
    assert {table.name for table in tables} > FOR_ALL


def test_a_query_reads_what_is_seen_however_it_names_its_tables(store: RunStore) -> None:
    owners = {"a": "bob", "b": "alice", "c": None, "d": "bob"}
    store.apply([RunCreated(run=run_of(name, owner=owner)) for name, owner in owners.items()])
    store.apply([TaskRunCreated(task_run=task_of(f"task-{name}", name)) for name in owners])
    others = runs.alias("others")
    queries = {
        "all": select(runs.c.run_id).order_by(runs.c.run_id),
        "by another name": select(others.c.run_id).order_by(others.c.run_id),
        "in a query": select(select(runs.c.run_id).subquery().c.run_id),
        "joined": select(task_runs.c.run_id).join(runs, runs.c.run_id == task_runs.c.run_id),
        "of parts": select(task_runs.c.run_id),
        "both": select(runs.c.run_id).union_all(select(task_runs.c.run_id)),
        "asked whether": select(task_runs.c.run_id).where(task_runs.c.run_id.in_(select(runs.c.run_id))),
        "of none": select(runs.c.run_id).outerjoin(others, others.c.run_id == runs.c.parent_run_id),
    }

    def read(seen: frozenset[str] | None) -> dict[str, list[str]]:
        with store.database.seen_by(seen), store.database.connect() as connection:
            return {name: sorted(connection.execute(query).scalars()) for name, query in queries.items()}

    assert read(BOB) == {name: ["a", "a", "d", "d"] if name == "both" else ["a", "d"] for name in queries}
    assert read(frozenset()) == {name: [] for name in queries}
    assert read(frozenset({"bob", "alice"}))["all"] == ["a", "b", "d"]
    assert read(None)["all"] == ["a", "b", "c", "d"]


def test_nobody_sees_too_much_while_the_hiding_begins(
    store: RunStore, any_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.apply([RunCreated(run=run_of(name, owner=owner)) for name, owner in (("a", "alice"), ("b", "bob"))])
    listen, together = event.listen, threading.Barrier(4)

    def listen_late(*arguments: Any, **options: Any) -> None:
        time.sleep(0.3)  # meanwhile the others ask
        listen(*arguments, **options)

    def read() -> list[str]:
        together.wait()
        with database.seen_by(BOB), database.connect() as connection:
            return list(connection.execute(select(runs.c.run_id)).scalars())

    database = open_database(any_store_url)
    monkeypatch.setattr(event, "listen", listen_late)
    with ThreadPoolExecutor(4) as threads:
        seen = [found.result() for found in [threads.submit(read) for _ in range(4)]]
    database.close()

    assert seen == [["b"]] * 4


def test_who_sees_only_their_own_waits_for_no_write(store: RunStore) -> None:
    store.apply([RunCreated(run=run_of("b", owner="bob"))])

    def read() -> list[str]:
        with store.database.seen_by(BOB), store.database.connect() as connection:
            return list(connection.execute(select(runs.c.run_id)).scalars())

    with ThreadPoolExecutor(1) as threads, store.database.write():
        assert threads.submit(read).result(PATIENCE_SECONDS) == ["b"]


def test_from_what_an_asset_was_made_is_seen_with_its_last_making(store: RunStore) -> None:
    store.apply([RunCreated(run=run_of(name, owner=owner)) for name, owner in (("a", "alice"), ("b", "bob"))])
    assets = AssetStore(store.database)
    key = "s3://shared/table"

    def seen(owner: str) -> tuple[list[str], list[str]]:
        with store.database.seen_by(frozenset({owner})):
            listed = [one.key for one in assets.list_assets()]
            return listed, list(assets.lineage(key).upstream) if key in listed else []

    made = []
    for run_id, upstream in (("b", "s3://of-bob"), ("a", "s3://of-alice")):
        assets.record(Materialization(asset_key=key, at=NOON, upstream=(upstream,), run_id=run_id))
        made.append((seen("bob"), seen("alice")))

    of_bob, of_alice = made
    assert of_bob == ((["s3://of-bob", key], ["s3://of-bob"]), ([], []))
    assert of_alice == (([key], []), (["s3://of-alice", key], ["s3://of-alice"]))


def test_what_is_seen_is_that_of_the_thread_and_of_the_block(store: RunStore) -> None:
    database = store.database
    store.apply([RunCreated(run=run_of("a", owner="alice"))])

    with database.seen_by(BOB):
        inside = store.list_runs()
        with database.seen_by(None):
            within = store.list_runs()
        with pytest.raises(ValueError, match="wrong"), database.seen_by(None):
            raise ValueError("wrong")
        again, owners = store.list_runs(), database.seen_owners

    assert (inside, [run.run_id for run in within], again, owners) == ([], ["a"], [], BOB)
    assert ([run.run_id for run in store.list_runs()], database.seen_owners) == (["a"], None)


def test_what_is_written_is_written_whoever_sees_it(store: RunStore) -> None:
    with store.database.seen_by(BOB):
        store.apply([RunCreated(run=run_of("a", owner="alice"))])
        unseen = store.list_runs()

    assert (unseen, [run.owner for run in store.list_runs()]) == ([], ["alice"])


@pytest.fixture
def in_file(tmp_path: Path) -> Iterator[Database]:
    """A store in SQLite, which says how it reads."""
    database = open_database(f"sqlite:///{tmp_path / 'plans.db'}")
    yield database
    database.close()


def plan_of(database: Database, query, owners: frozenset[str] | None) -> str:
    """Return how SQLite reads a query that is made for somebody who sees what is of these, or everything."""
    asked = query if owners is None else only_seen(query, owners, is_sqlite=True)
    compiled = asked.compile(dialect=database._engine.dialect, compile_kwargs={"literal_binds": True})
    with database.connect() as connection:
        return "\n".join(row[-1] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}")))


def effort_of(plan: str) -> list[str]:
    """Return what of a plan takes more than reading rows in the order of an index."""
    return re.findall("MATERIALIZE|TEMP B-TREE", plan)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        pytest.param(runs_page(limit=51), "ix_runs_owner_run_id", id="the newest"),
        pytest.param(runs_page(limit=51, before="x"), "ix_runs_owner_run_id", id="behind them"),
        pytest.param(select(func.count()).select_from(runs), "ix_runs_owner_run_id", id="how many"),
        pytest.param(
            select(log_lines).where(log_lines.c.run_id == "x").order_by(log_lines.c.sequence),
            "ix_log_lines_run_id_sequence",
            id="lines of a run",
        ),
        pytest.param(runs_page(limit=51, flow_name="train"), "run_id", id="of a flow"),
        pytest.param(runs_page(limit=51, states=[State.FAILED]), "run_id", id="of a state"),
    ],
)
def test_a_page_is_read_by_an_index_and_sorted_no_more_than_for_all(in_file: Database, query, index: str) -> None:
    plan, of_all = plan_of(in_file, query, BOB), plan_of(in_file, query, None)

    assert index in plan
    assert effort_of(plan) == effort_of(of_all)


def test_schedules_are_read_with_their_deployments(in_file: Database) -> None:
    query = select(schedules).join(deployments, deployments.c.name == schedules.c.deployment)

    assert effort_of(plan_of(in_file, query, BOB)) == []


def test_marks_of_lists_are_those_of_what_is_seen_however_much_others_have(store: RunStore) -> None:
    store.apply([RunCreated(run=run_of(name, owner=owner)) for name, owner in (("a", "alice"), ("b", "bob"))])
    row = {"epoch": 1, "name": "t", "flow_name": "f", "ended_as": "FAILED", "attempts": 1, "message": "", "note": ""}
    row |= {"inputs": {}, "created_at": NOON, "state": "OPEN"}

    def fail(run_id: str, count: int) -> None:
        rows = [row | {"run_id": run_id, "letter_id": f"{run_id}{new_id(NOON, number)}"} for number in range(count)]
        with store.database.write() as connection:
            connection.execute(dead_letters.insert(), rows)

    def marks() -> str:
        with store.database.seen_by(BOB):
            return ListMarks(store.database).read()["alerts"]

    before = marks()
    fail("a", 1_100)
    of_others = marks()
    fail("b", 1)
    of_his = marks()

    assert of_others == before
    assert of_his != before
