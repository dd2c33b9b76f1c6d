"""The tables: how a store comes to them, from nothing and from older versions, and how a newer one is left alone."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select, text

import orchestra_nb.store
from orchestra_nb.errors import StoreTooNew, StoreUnavailable
from orchestra_nb.model.runs import CellRun
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database, open_database, parse_store_url
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.schema_revision import HEAD, REVISIONS, VERSION_TABLE
from orchestra_nb.store.tables import metadata
from orchestra_nb.store.work_queue import WorkQueue
from orchestra_nb.version import __version__

_MIGRATIONS = Path(orchestra_nb.store.__file__ or "").parent / "migrations"


def alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def written(url: str) -> Iterator[Connection]:
    """A write transaction on a database as it is, without the upgrade that opening does."""
    parsed = parse_store_url(url)
    if parsed.get_backend_name() == "sqlite":
        Path(str(parsed.database)).touch()
    database = Database(parsed)
    try:
        with database.write() as connection:
            yield connection
    finally:
        database.close()


def set_revision(url: str, revision: str) -> None:
    with written(url) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :revision"), {"revision": revision})
        connection.execute(text("UPDATE store_facts SET value = '9.8.7'"))


def make_store_of_revision(url: str, revision: str) -> None:
    with written(url) as connection:
        command.upgrade(alembic_config(connection), revision)
        connection.execute(
            text(
                "INSERT INTO runs (run_id, name, flow_name, kind, state, epoch, message, created_at, parameters, tags)"
                " VALUES ('run', 'calm-fox', 'train', 'notebook', 'COMPLETED', 1, '', :now, '{}', '{}')"
            ),
            {"now": "2026-03-01 12:00:00.000000" if "sqlite" in url else datetime(2026, 3, 1, 12, tzinfo=UTC)},
        )


_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fill_with_runs(connection: Connection) -> None:
    """Add two notebook runs with tasks, cells, log lines and changes to a store of any revision."""
    add_rows(
        connection,
        "runs",
        {"run_id": "run-1", "name": "old-owl", "state": "COMPLETED", "started_at": _AT, "ended_at": _AT},
        {"run_id": "run-2", "name": "odd-elk", "state": "FAILED", "message": "ZeroDivisionError", "cluster": "local"},
        flow_name="train",
        kind="notebook",
        epoch=1,
        created_at=_AT,
        parameters='{"alpha": 0.1}',
        tags='{"team": "a"}',
    )
    add_rows(
        connection,
        "task_runs",
        *(
            {"task_run_id": f"{run_id}-{number}", "run_id": run_id, "name": f"load_{number}", "started_at": _AT}
            for run_id in ("run-1", "run-2")
            for number in range(2)
        ),
        state="COMPLETED",
        epoch=1,
        attempt=2,
        max_attempts=3,
        created_at=_AT,
        upstream='["x"]',
        tags="[]",
        is_cached=True,
    )
    add_rows(
        connection,
        "cell_runs",
        *(
            {"run_id": run_id, "cell_index": index, "cell_id": f"cell-{index}", "title": f"step {index}"}
            for run_id in ("run-1", "run-2")
            for index in range(3)
        ),
        state="COMPLETED",
        started_at=_AT,
        ended_at=_AT,
    )
    add_rows(
        connection,
        "log_lines",
        *({"run_id": run_id, "message": text} for run_id in ("run-1", "run-2") for text in ("one", "zwei – 二")),
        at=_AT,
        level=20,
        logger="train",
    )
    add_rows(
        connection,
        "changes",
        {"run_id": "run-1", "to_state": "PENDING"},
        {"run_id": "run-1", "from_state": "PENDING", "to_state": "COMPLETED"},
        subject="run",
        epoch=1,
        at=_AT,
        actor="driver",
        message="",
    )


def add_rows(connection: Connection, table: str, *rows: dict[str, object], **shared: object) -> None:
    """Insert rows; a text that must be there and is not given is empty."""
    reflected = Table(table, MetaData(), autoload_with=connection)
    texts = {column.name: "" for column in reflected.columns if not column.nullable and not column.primary_key}
    for row in rows:
        connection.execute(insert(reflected), texts | shared | row)


def all_rows(connection: Connection) -> dict[str, list[dict[str, object]]]:
    """Return table to its rows, in the order of its key."""
    tables = MetaData()
    tables.reflect(connection)
    return {
        name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()]
        for name, table in tables.tables.items()
    }


def described_tables(connection: Connection) -> dict[str, object]:
    """All that the database says of its tables, but for the order of their columns and the names of their keys."""
    inspector = inspect(connection)
    return {
        name: {
            "columns": {column["name"]: repr(column) for column in inspector.get_columns(name)},
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(repr(found) for found in inspector.get_unique_constraints(name)),
            "indexes": sorted(repr(found) for found in inspector.get_indexes(name)),
        }
        for name in inspector.get_table_names()
    }


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())

    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_heads() == [HEAD]


def test_the_migrations_make_the_tables_that_the_code_uses(any_missing_store_url: str) -> None:
    with written(any_missing_store_url) as connection:
        command.upgrade(alembic_config(connection), HEAD)
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_a_store_made_at_once_is_one_that_went_through_all_migrations(any_missing_store_url: str) -> None:
    with written(any_missing_store_url) as connection:
        command.upgrade(alembic_config(connection), HEAD)
        migrated = described_tables(connection)
        everything = MetaData()
        everything.reflect(connection)
        everything.drop_all(connection)
    open_database(any_missing_store_url).close()

    with written(any_missing_store_url) as connection:
        assert described_tables(connection) == migrated


def test_a_new_store_says_which_version_made_it(any_missing_store_url: str) -> None:
    database = open_database(any_missing_store_url)
    with database.connect() as connection:
        facts = connection.execute(text("SELECT name, value FROM store_facts")).all()
    database.close()

    assert [tuple(fact) for fact in facts] == [("orchestra_version", __version__)]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_older_store_is_upgraded_with_its_runs(any_missing_store_url: str, revision: str) -> None:
    make_store_of_revision(any_missing_store_url, revision)

    database = open_database(any_missing_store_url)

    assert RunStore(database).get_run("calm-fox").created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert Leases(database).drivers_without_end() == []
    database.close()


def test_no_row_is_lost_on_the_way_from_before_cells_had_attempts(any_missing_store_url: str) -> None:
    make_store_of_revision(any_missing_store_url, "0006")
    with written(any_missing_store_url) as connection:
        fill_with_runs(connection)
        before = all_rows(connection)

    open_database(any_missing_store_url).close()

    with written(any_missing_store_url) as connection:
        after = all_rows(connection)
    kept = {
        name: [{column: new[column] for column in old} for old, new in zip(rows, after[name], strict=True)]
        for name, rows in before.items()
        if name not in ("store_facts", VERSION_TABLE)
    }
    assert kept == {name: rows for name, rows in before.items() if name in kept}
    filled = {name: len(rows) for name, rows in kept.items() if rows}
    assert filled == {"runs": 3, "task_runs": 4, "cell_runs": 6, "log_lines": 4, "changes": 2}


def test_cells_from_before_attempts_were_the_first_of_their_run(any_missing_store_url: str) -> None:
    make_store_of_revision(any_missing_store_url, "0006")
    with written(any_missing_store_url) as connection:
        fill_with_runs(connection)

    database = open_database(any_missing_store_url)
    cells = RunStore(database).cell_runs("run-1")
    database.close()

    assert cells == [
        CellRun(
            run_id="run-1",
            index=index,
            cell_id=f"cell-{index}",
            state=State.COMPLETED,
            title=f"step {index}",
            started_at=_AT,
            ended_at=_AT,
        )
        for index in range(3)
    ]


def test_no_name_in_postgresql_tells_of_a_table_that_is_gone(empty_postgres_url: str) -> None:
    with written(empty_postgres_url) as connection:
        command.upgrade(alembic_config(connection), HEAD)
        keys = {name: inspect(connection).get_pk_constraint(name)["name"] for name in metadata.tables}

    assert keys == {name: f"pk_{name}" for name in metadata.tables}


def test_a_file_is_copied_before_it_is_upgraded(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orchestra.db"
    make_store_of_revision(url, REVISIONS[0])

    open_database(url).close()
    open_database(url).close()

    copies = list(tmp_path.glob("*.backup"))
    assert len(copies) == 1
    assert copies[0].name.startswith(f"orchestra.db.revision-{REVISIONS[0]}-")
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    with closing(sqlite3.connect(copies[0])) as copy:
        assert copy.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(REVISIONS[0],)]
        assert copy.execute("SELECT name FROM runs").fetchall() == [("calm-fox",)]


def test_a_new_file_needs_no_copy(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/orchestra.db").close()

    assert [path.name for path in tmp_path.iterdir()] == ["orchestra.db"]


def test_an_older_store_that_only_a_watcher_opens_is_left_alone(any_missing_store_url: str) -> None:
    make_store_of_revision(any_missing_store_url, REVISIONS[0])

    with pytest.raises(StoreUnavailable, match="is of an older version"):
        open_database(any_missing_store_url, may_create=False)


def test_several_processes_may_upgrade_an_older_store_at_once(any_missing_store_url: str) -> None:
    make_store_of_revision(any_missing_store_url, REVISIONS[0])
    code = "import sys; from orchestra_nb.store.database import open_database; open_database(sys.argv[1]).close()"

    openers = [
        subprocess.Popen([sys.executable, "-c", code, any_missing_store_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]

    assert [opener.communicate()[1] for opener in openers] == [""] * 3


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orchestra.db"
    make_store_of_revision(url, REVISIONS[0])
    with written(url) as connection:
        connection.execute(text("CREATE TABLE cancel_requests (of_somebody_else)"))  # the upgrade fails half way

    with pytest.raises(Exception, match="cancel_requests"):
        open_database(url)

    with closing(sqlite3.connect(tmp_path / "orchestra.db")) as connection_:
        names = {name for (name,) in connection_.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert connection_.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(REVISIONS[0],)]
    assert "drivers" not in names


def test_a_newer_store_is_refused_and_both_versions_are_named(any_missing_store_url: str) -> None:
    open_database(any_missing_store_url).close()
    set_revision(any_missing_store_url, "9999")

    with pytest.raises(StoreTooNew) as refusal:
        open_database(any_missing_store_url)

    message = str(refusal.value)
    assert "written by Orchestra 9.8.7 (tables of revision 9999)" in message
    assert f"This is Orchestra {__version__} (revision {HEAD})" in message
    assert "pip install --upgrade orchestra-nb" in message


def test_a_newer_file_is_left_untouched_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "orchestra.db"
    open_database(f"sqlite:///{path}").close()
    set_revision(f"sqlite:///{path}", "9999")
    before = path.read_bytes()

    with pytest.raises(StoreTooNew):
        open_database(f"sqlite:///{path}")

    assert path.read_bytes() == before
    assert list(tmp_path.glob("*.backup")) == []


def test_pools_that_were_names_are_there_with_their_runs_in_the_order_of_their_priority(
    any_missing_store_url: str,
) -> None:
    make_store_of_revision(any_missing_store_url, "0017")
    at = "2026-03-01 12:00:00+00:00" if any_missing_store_url.startswith("postgres") else "2026-03-01 12:00:00.000000"
    with written(any_missing_store_url) as connection:
        for name, pool in (("a", "gpu"), ("b", "default")):
            spec = {"name": name, "flow_name": "f", "target": {"type": "notebook", "path": "/f.ipynb"}, "pool": pool}
            values = {"name": name, "spec": json.dumps(spec), "at": at}
            connection.execute(
                text(
                    "INSERT INTO deployments (name, version, is_paused, on_conflict, created_at, updated_at) "
                    "VALUES (:name, 1, false, 'queue', :at, :at)"
                ),
                values,
            )
            connection.execute(
                text(
                    "INSERT INTO deployment_versions (deployment, version, spec, created_at, created_by, note) "
                    "VALUES (:name, 1, :spec, :at, 'ana', '')"
                ),
                values,
            )
        for run_id, priority in (("1", 0), ("2", 5)):
            connection.execute(
                text(
                    "INSERT INTO runs (run_id, name, flow_name, kind, state, epoch, message, created_at, parameters, "
                    "tags, deployment, deployment_version) VALUES (:run_id, :run_id, 'f', 'notebook', 'SCHEDULED', 1, "
                    "'', :at, '{}', '{\"team\": \"ml\"}', 'a', 1)"
                ),
                {"run_id": run_id, "at": at},
            )
            connection.execute(
                text(
                    "INSERT INTO queued_runs (run_id, deployment, pool, priority, due_at) "
                    "VALUES (:run_id, 'a', 'gpu', :priority, :at)"
                ),
                {"run_id": run_id, "priority": priority, "at": at},
            )

    database = open_database(any_missing_store_url)

    queue, now = WorkQueue(database), datetime.now(UTC)
    assert [pool.name for pool in PoolStore(database).list_pools()] == ["default", "gpu"]
    assert queue.places(["1"])["1"].limits == '["tag:team", "tag:team=ml"]'
    (first,) = queue.claim("service", ("gpu",), 1, now)
    assert (first.run_id, first.pool) == ("2", "gpu")
    database.close()
