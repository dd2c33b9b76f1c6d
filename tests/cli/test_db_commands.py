"""``orchestra db``: status, upgrade, copies, checks with their remedies, repair and vacuum."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, update

from orchestra_nb.cli.main import main
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import LogsWritten, RunCreated, TaskRunCreated
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.runs import LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.schedules import CronSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import runs
from orchestra_nb.store.schema_revision import HEAD, VERSION_TABLE
from orchestra_nb.store.service_tables import deployments, queued_runs, schedules
from orchestra_nb.store.work_queue import WorkQueue
from tests.migrations.test_schema import make_store_of_revision

NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=2)


@pytest.fixture
def store(any_store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", any_store_url)
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store in SQLite will be."""
    path = tmp_path / "orchestra.db"
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{path}")
    return path


def orchestra(*words: str) -> Result:
    return CliRunner().invoke(main, ["db", *words])


def document(*words: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(orchestra(*words, "--json").stdout)
    return found


def run_of(number: int, **fields: object) -> Run:
    defaults: dict[str, object] = {"state": State.COMPLETED, "kind": RunKind.FLOW, "flow_name": "train"}
    return Run(run_id=new_id(BEFORE, number), name=f"run-{number}", created_at=BEFORE, **{**defaults, **fields})  # type: ignore[arg-type]


def make_file(path: Path, count: int = 3) -> None:
    database = open_database(f"sqlite:///{path}")
    RunStore(database).apply([RunCreated(run=run_of(number)) for number in range(count)])
    database.close()


def count_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def failed(*words: str) -> dict[str, str]:
    """Return the name of each check that is not well to its detail."""
    checks = document("check", *words)["checks"]
    assert isinstance(checks, list)
    assert all(check["remedy"] for check in checks if check["status"] != "ok")
    return {check["name"]: check["detail"] for check in checks if check["status"] != "ok"}


def test_the_status_of_a_store(store: RunStore) -> None:
    store.apply([RunCreated(run=run_of(1)), RunCreated(run=run_of(2, state=State.RUNNING))])

    shown, found = orchestra("status").stdout, document("status")

    assert (found["revision"], found["wanted_revision"], found["open_runs"]) == (HEAD, HEAD, 1)
    assert found["rows"]["runs"] == 2  # type: ignore[index]
    assert int(str(found["size_bytes"])) > 10_000
    assert "services  none: orchestra serve" in shown


def test_a_store_that_is_not_there_is_made_by_upgrade_and_not_by_status(file: Path) -> None:
    missing = orchestra("status")
    was_there = file.exists()
    made = orchestra("upgrade")
    again = orchestra("upgrade")

    assert (missing.exit_code, was_there) == (1, False)
    assert f"There is no store at {file} yet." in missing.stderr
    assert made.stdout == f"{file} was made, of revision {HEAD}.\n"
    assert again.stdout == f"{file} is of revision {HEAD} already.\n"


def test_an_older_store_is_shown_and_copied_as_it_is_and_then_upgraded(file: Path, tmp_path: Path) -> None:
    make_store_of_revision(f"sqlite:///{file}", "0009")

    shown = orchestra("status").stdout
    copied = orchestra("backup", str(tmp_path / "copy.db"))
    done = document("upgrade")

    assert f"revision  0009; this Orchestra needs {HEAD}: orchestra db upgrade" in shown
    assert copied.exit_code == 0
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone() == ("0009",)
    assert (done["before"], done["after"]) == ("0009", HEAD)
    assert count_in(Path(str(done["copy"]))) == count_in(file) == 1


def test_a_copy_is_whole_while_somebody_writes(file: Path, tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{file}")
    store, stop, written = RunStore(database), threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            # two rows a transaction: a copy has both or none
            store.apply([RunCreated(run=run_of(number)), RunCreated(run=run_of(number + 1))])
            number += 2
            written.set()

    writer = threading.Thread(target=write)
    writer.start()
    written.wait()
    try:
        counts = []
        for number in range(5):
            copy = tmp_path / f"copy-{number}.db"
            assert orchestra("backup", str(copy)).exit_code == 0
            counts.append(count_in(copy))
    finally:
        stop.set()
        writer.join()
        database.close()

    assert [count % 2 for count in counts] == [0] * 5
    assert counts == sorted(counts)
    assert counts[-1] > 0
    assert stat.S_IMODE((tmp_path / "copy-0.db").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == [f"copy-{n}.db" for n in range(5)]


def test_a_copy_replaces_nothing_unless_it_is_told_to(file: Path, tmp_path: Path) -> None:
    make_file(file)
    copy = tmp_path / "copy.db"
    copy.write_text("mine")

    refused = orchestra("backup", str(copy))
    kept = copy.read_text()
    done = orchestra("backup", str(copy), "--force")
    itself = orchestra("backup", str(file), "--force")
    nowhere = orchestra("backup", str(tmp_path / "none" / "copy.db"))

    assert (refused.exit_code, kept) == (2, "mine")
    assert "--force" in refused.stderr
    assert (done.exit_code, count_in(copy)) == (0, 3)
    assert (itself.exit_code, count_in(file)) == (2, 3)
    assert nowhere.exit_code == 2


def test_a_damaged_store_is_found_and_not_copied(file: Path, tmp_path: Path) -> None:
    make_file(file, count=2_000)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as raw:
        raw.seek(file.stat().st_size // 2)
        raw.write(b"\xff" * 20_000)

    copied = orchestra("backup", str(tmp_path / "copy.db"))

    assert copied.exit_code == 1
    assert not (tmp_path / "copy.db").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_for_postgresql_the_command_is_said_without_the_password(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", postgres_url)
    password = postgres_url.partition(":")[2].partition("@")[0].rpartition(":")[2]

    said = orchestra("backup", str(tmp_path / "copy.dump"))

    assert (said.exit_code, said.stdout) == (1, "")
    assert (
        f"pg_dump --format=custom --file={tmp_path}/copy.dump --dbname=postgresql://orchestra@127.0.0.1:" in said.stderr
    )
    assert password not in said.stderr


def break_rules(store: RunStore) -> Database:
    """Leave in a store what no command of ours leaves."""
    database = store.database
    spec = DeploymentSpec(
        name="daily",
        flow_name="train",
        target=NotebookTarget(path="/x.ipynb"),
        schedules=(DeploymentSchedule(schedule=CronSchedule(expression="0 * * * *")),),
    )
    DeploymentStore(database).save(spec, notebook=None, actor="ana", at=BEFORE)
    store.apply(
        [
            RunCreated(run=run_of(1, state=State.RUNNING, driver_id="gone")),
            RunCreated(run=run_of(2, state=State.RUNNING, driver_id="gone, too")),
            TaskRunCreated(
                task_run=TaskRun(
                    task_run_id="t", run_id=new_id(BEFORE, 2), name="fit", state=State.RUNNING, created_at=NOW
                )
            ),
            RunCreated(run=run_of(3, state=State.SCHEDULED)),
            LogsWritten(lines=(LogLine(run_id=new_id(BEFORE, 99), at=NOW, message="of nobody"),)),
        ]
    )
    WorkQueue(database).add(run_of(4, state=State.SCHEDULED, deployment="daily"))
    with database.write() as connection:
        connection.execute(update(runs).where(runs.c.name == "run-2").values(state="COMPLETED"))
        connection.execute(update(runs).where(runs.c.name == "run-4").values(state="CANCELLED"))
        connection.execute(delete(deployments))
    return database


def test_a_check_says_what_does_not_fit_together_and_repair_mends_it(store: RunStore) -> None:
    well = orchestra("check")
    database = break_rules(store)

    found = failed()
    refused = orchestra("check")
    repaired = orchestra("check", "--repair")

    assert (well.exit_code, refused.exit_code, repaired.exit_code) == (0, 1, 0), repaired.output
    assert found == {
        "open runs": "1 case: run-1",
        "open tasks": "1 case: fit",
        "waiting runs": "1 case: run-3",
        "queue": f"1 case: {new_id(BEFORE, 4)}",
        "schedules' deployments": "1 case: daily",
        "rows of runs": f"log_lines: 1 case: {new_id(BEFORE, 99)}",
        "late schedules": "1 case: daily",
    }
    assert "Mended: 6 things." in repaired.stdout
    assert failed() == {}
    ended = {run.name: run.state for run in store.list_runs()}
    assert (ended["run-1"], ended["run-3"]) == (State.CRASHED, State.CANCELLED)
    assert store.task_runs(new_id(BEFORE, 2))[0].state is State.CRASHED
    with database.connect() as connection:
        assert connection.execute(queued_runs.select()).all() == connection.execute(schedules.select()).all() == []


def test_a_schedule_that_cannot_be_worked_off_is_a_warning(store: RunStore) -> None:
    break_rules(store)
    assert orchestra("check", "--repair").exit_code == 0
    with store.database.write() as connection:
        row = {"deployment": "daily", "number": 1, "schedule": {}, "done_until": NOW, "problem": "no such zone"}
        connection.execute(schedules.insert().values(row))
        version = {"version": 1, "is_paused": False, "on_conflict": "queue", "created_at": NOW, "updated_at": NOW}
        connection.execute(deployments.insert().values(name="daily", **version))

    checked = orchestra("check")

    assert checked.exit_code == 0
    assert "! warn  schedules: 1 case: daily: no such zone" in checked.stdout


def test_vacuum_gives_back_what_was_deleted(store: RunStore) -> None:
    # random, since PostgreSQL compresses
    store.apply([RunCreated(run=run_of(number, parameters={"key": secrets.token_hex(5_000)})) for number in range(400)])
    with store.database.write() as connection:
        connection.execute(delete(runs).where(runs.c.name != "run-1"))

    done = document("vacuum")

    assert int(str(done["after_bytes"])) < int(str(done["before_bytes"])) / 2
    assert [run.name for run in store.list_runs()] == ["run-1"]


def test_pg_dump_takes_the_command_that_is_said(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        pytest.skip("pg_dump is not installed. On Debian: apt-get install postgresql-client")
    monkeypatch.setenv("ORCHESTRA_STORE_URL", postgres_url)
    open_database(postgres_url).close()
    monkeypatch.setenv("PGPASSWORD", postgres_url.partition("//")[2].partition("@")[0].partition(":")[2])
    said = orchestra("backup", str(tmp_path / "copy.dump")).stderr.splitlines()[-1]

    done = subprocess.run([program, *shlex.split(said)[1:]], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "copy.dump").stat().st_size > 1_000
