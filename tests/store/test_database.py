"""Opening a store, its two kinds of transaction, and what happens when the file is not as it should be."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from other_process import release, write_lock_held_elsewhere
from sqlalchemy import text
from stored_examples import NOON, created, line_of, run_became, run_of

from orchestra_nb.errors import InvalidSetting, StoreReadOnly, StoreUnavailable
from orchestra_nb.model.events import LogsWritten, RunStateSet
from orchestra_nb.model.states import State
from orchestra_nb.store import database as database_module
from orchestra_nb.store.database import Database, open_database, parse_store_url
from orchestra_nb.store.database_errors import StoreBusy
from orchestra_nb.store.run_store import RunStore, must_survive_power_loss


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        open_database(f"sqlite:///{tmp_path}/new/orchestra.db").close()
    finally:
        os.umask(old_mask)

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "orchestra.db").stat().st_mode) == 0o600


def test_the_file_is_in_write_ahead_mode_and_whole(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/orchestra.db")
    RunStore(database).apply(created(run_of("run")))
    database.close()

    with closing(sqlite3.connect(tmp_path / "orchestra.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_folder_of_any_name_can_hold_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "Mes donnees (1) & 100% #é"

    database = open_database(f"sqlite:///{folder}/orchestra.db")
    RunStore(database).apply(created(run_of("run")))
    database.close()

    assert [path.name for path in folder.iterdir()] == ["orchestra.db"]


def test_a_relative_path_is_kept_as_it_was_meant_at_the_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = open_database("sqlite:///here.db")
    monkeypatch.chdir("/")

    RunStore(database).apply(created(run_of("run")))
    database.close()

    assert database.url == f"sqlite:///{tmp_path}/here.db"


@pytest.mark.parametrize(
    ("durable", "level"), [(True, 2), (False, 1)], ids=["a promise: FULL", "a log or a heartbeat: NORMAL"]
)
def test_a_commit_survives_a_loss_of_power_where_it_must(tmp_path: Path, durable: bool, level: int) -> None:
    database = open_database(f"sqlite:///{tmp_path}/orchestra.db")
    for _ in range(2):
        with database.write(durable=not durable):
            pass
        with database.write(durable=durable) as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == level
    database.close()


def test_a_state_that_somebody_set_is_a_promise() -> None:
    before, state = State.FAILED, State.COMPLETED
    said = RunStateSet(run_id="run", at=NOON, epoch=1, before=before, state=state, actor="ana", message="")

    assert must_survive_power_loss(said)


def test_a_write_that_raises_is_rolled_back_and_the_next_one_works(database: Database) -> None:
    store = RunStore(database)

    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(text("DELETE FROM store_facts"))
        raise ZeroDivisionError

    assert store.apply(created(run_of("run"))) == [True]
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM store_facts")).scalar() == 1


def test_reads_of_one_connection_see_one_moment(database: Database) -> None:
    store = RunStore(database)
    count = text("SELECT count(*) FROM runs")

    with database.connect() as connection:
        before = connection.execute(count).scalar()
        store.apply(created(run_of("run")))
        after = connection.execute(count).scalar()

    assert (before, after, len(store.list_runs())) == (0, 0, 1)


def test_while_another_process_holds_the_lock_reads_work_and_writes_say_busy(
    any_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (database_module, sys.modules["orchestra_nb.store.sqlite_file"]):
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.2)
    database = open_database(any_store_url)
    store = RunStore(database)
    store.apply(created(run_of("run")))

    with write_lock_held_elsewhere(any_store_url) as holder:
        assert store.get_run("run").state is State.PENDING
        with pytest.raises(StoreBusy, match="is locked by another process"):
            store.apply([run_became(State.RUNNING)])
        release(holder)
        holder.wait()
        assert store.apply([run_became(State.RUNNING)]) == [True]
    database.close()


_RACER = """
import sys
from datetime import UTC, datetime
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore, must_survive_power_loss

store = RunStore(open_database(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
now = datetime.now(UTC)
for number in range(100):
    change = RunStateChanged(run_id=f"run-{number}", state=State(sys.argv[2]), at=now, actor=sys.argv[2])
    print(int(store.apply([change])[0]), end="")
"""


def test_of_two_processes_that_end_the_same_runs_each_run_is_ended_by_one(any_store_url: str) -> None:
    database = open_database(any_store_url)
    store = RunStore(database)
    store.apply(created(*(run_of(f"run-{number}", state=State.RUNNING) for number in range(100))))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, any_store_url, end], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for end in ("COMPLETED", "CRASHED")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"

    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    completed, crashed = (racer.communicate()[0] for racer in racers)

    assert [int(one) + int(other) for one, other in zip(completed, crashed, strict=True)] == [1] * 100
    ends = [store.get_run(f"run-{number}").state for number in range(100)]
    assert ends == [State.COMPLETED if won == "1" else State.CRASHED for won in completed]
    assert all(len(store.state_changes(f"run-{number}")) == 2 for number in range(100))
    database.close()


def test_many_processes_may_open_a_new_store_at_once(any_missing_store_url: str) -> None:
    code = "import sys; from orchestra_nb.store.database import open_database; open_database(sys.argv[1]).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", code, any_missing_store_url], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    assert [opener.communicate()[1] for opener in openers] == [""] * 4
    assert [opener.returncode for opener in openers] == [0] * 4


def test_opening_a_current_store_does_not_import_alembic(any_store_url: str) -> None:
    open_database(any_store_url).close()
    code = """
        import sys
        from orchestra_nb.store.database import open_database
        from orchestra_nb.store.run_store import RunStore
        assert RunStore(open_database(sys.argv[1])).list_runs() == []
        print(*(name for name in ("alembic", "sqlalchemy.orm", "distributed", "IPython") if name in sys.modules))
    """

    loaded = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), any_store_url], capture_output=True, text=True, check=True
    )

    assert loaded.stdout == "\n"


@pytest.mark.parametrize("content", [b"this is no database, but a text\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_with_its_path_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "orchestra.db"
    path.write_bytes(content)

    with pytest.raises(StoreUnavailable, match=rf"{path} cannot be read.*Move the file away.*ORCHESTRA_STORE_URL"):
        open_database(f"sqlite:///{path}")

    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(any_missing_store_url: str) -> None:
    database = Database(parse_store_url(any_missing_store_url)) if "postgres" in any_missing_store_url else None
    if database is None:
        with closing(sqlite3.connect(any_missing_store_url.removeprefix("sqlite:///"))) as connection:
            connection.execute("CREATE TABLE runs (id)")
    else:
        with database.write() as connection_:
            connection_.execute(text("CREATE TABLE runs (id integer)"))
        database.close()

    with pytest.raises(StoreUnavailable, match=r"database of something else: its table 'runs'.*ORCHESTRA_STORE_URL"):
        open_database(any_missing_store_url)


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "orchestra.db").touch()

    database = open_database(f"sqlite:///{tmp_path}/orchestra.db")

    assert RunStore(database).list_runs() == []
    database.close()


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=str(tmp_path)):
        open_database(f"sqlite:///{tmp_path}")


def test_a_store_that_was_deleted_under_a_program_refuses_writes(tmp_path: Path) -> None:
    path = tmp_path / "orchestra.db"
    database = open_database(f"sqlite:///{path}")
    path.unlink()

    with pytest.raises(StoreUnavailable, match="was deleted or replaced"):
        RunStore(database).apply(created(run_of("run")))

    assert not path.exists()
    database.close()


def test_a_watcher_may_not_create_a_store_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="There is no store"):
        open_database(f"sqlite:///{tmp_path}/orchestra.db", may_create=False)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", "no URL"),
        ("mysql://user:secret@host/db", "cannot be in mysql"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_an_url_that_cannot_be_used_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words) as refusal:
        open_database(url)

    assert "secret" not in str(refusal.value)
    assert "sqlite:////folder/orchestra.db" in str(refusal.value)


def test_a_postgresql_that_is_down_is_said_without_its_password() -> None:
    pytest.importorskip("psycopg")

    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/db cannot be reached") as refusal:
        open_database("postgres://ana:hidden-word@127.0.0.1:1/db")

    assert "hidden-word" not in str(refusal.value)


def test_a_postgresql_that_only_answers_reads_refuses_writes(postgres_url: str) -> None:
    open_database(postgres_url).close()
    database = open_database(f"{postgres_url}?options=-cdefault_transaction_read_only%3Don")
    store = RunStore(database)

    assert store.list_runs() == []
    with pytest.raises(StoreReadOnly, match="is read-only"):
        store.apply(created(run_of("run")))
    database.close()


_READER = """
import os, sys
import orchestra_nb.store.run_store, orchestra_nb.store.schema_upgrade
from datetime import UTC, datetime
from orchestra_nb.errors import StoreReadOnly
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.states import State
from orchestra_nb.services.recovery import sweep
from orchestra_nb.store.database import open_database
from orchestra_nb.store.event_log import ChangeWatcher, EventLog
from orchestra_nb.store.run_store import RunStore, must_survive_power_loss
import sqlalchemy.dialects.sqlite.pysqlite

if os.getuid() == 0:
    os.setgroups([])
    os.setuid(65534)
database = open_database(sys.argv[1])
store = RunStore(database)
print(*(run.run_id for run in store.list_runs()), EventLog(database).last_sequence())
watcher = ChangeWatcher(database)
print(watcher.wait(0.1))
watcher.close()
print(sweep(store, datetime.now(UTC)))
try:
    store.apply([RunStateChanged(run_id="run", state=State.RUNNING, at=datetime.now(UTC))])
except StoreReadOnly as error:
    print("read-only" in str(error), "ORCHESTRA_STORE_URL" in str(error))
database.close()
"""


def _as_a_reader(path: Path) -> list[str]:
    """Use a store in a process that may only read it, also when the tests run as root."""
    reader = subprocess.run(
        [sys.executable, "-c", _READER, f"sqlite:///{path}"], capture_output=True, text=True, check=False
    )
    assert reader.stderr == ""
    return reader.stdout.splitlines()


@pytest.fixture
def shared_folder(tmp_path: Path) -> Path:
    """A folder that every account can enter."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("folder_mode", [0o555, 0o777], ids=["read-only folder", "writable folder"])
def test_a_read_only_store_can_be_listed_and_refuses_writes(shared_folder: Path, folder_mode: int) -> None:
    folder = shared_folder / "store"
    database = open_database(f"sqlite:///{folder}/orchestra.db")
    RunStore(database).apply(created(run_of("run")))
    database.close()
    (folder / "orchestra.db").chmod(0o444)
    folder.chmod(folder_mode)

    said = _as_a_reader(folder / "orchestra.db")

    folder.chmod(0o700)
    assert said == ["run 1", "True", "[]", "True True"]


def test_a_store_that_somebody_else_writes_can_be_read_from_a_read_only_folder(shared_folder: Path) -> None:
    folder = shared_folder / "store"
    database = open_database(f"sqlite:///{folder}/orchestra.db")
    store = RunStore(database)
    store.apply(created(run_of("run")))
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)

    said = _as_a_reader(folder / "orchestra.db")

    folder.chmod(0o700)
    database.close()
    assert said == ["run 1", "True", "[]", "True True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_connections_of_its_parent_alone(any_store_url: str) -> None:
    code = """
        import os, sys
        from datetime import UTC, datetime
        from orchestra_nb.model.events import LogsWritten
        from orchestra_nb.model.runs import LogLine
        from orchestra_nb.store.database import open_database
        from orchestra_nb.store.run_store import RunStore

        def log(message):
            store.apply([LogsWritten(lines=(LogLine(run_id="run", at=datetime.now(UTC), message=message),))])

        store = RunStore(open_database(sys.argv[1]))
        log("before")
        child = os.fork()
        if child == 0:
            log("child")
            sys.exit(0)
        status = os.waitpid(child, 0)[1]
        log("parent")
        print(status, *(line.message for _, line in store.log_lines("run")))
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), any_store_url], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("0 before child parent\n", "")


def test_logs_and_runs_of_a_crashed_writer_are_in_the_store(any_store_url: str) -> None:
    code = """
        import os, signal, sys
        from datetime import UTC, datetime
        from orchestra_nb.model.events import LogsWritten
        from orchestra_nb.model.runs import LogLine
        from orchestra_nb.store.database import open_database
        from orchestra_nb.store.run_store import RunStore

        store = RunStore(open_database(sys.argv[1]))
        for number in range(50):
            store.apply([LogsWritten(lines=(LogLine(run_id="run", at=datetime.now(UTC), message=str(number)),))])
        os.kill(os.getpid(), signal.SIGKILL)
    """

    subprocess.run([sys.executable, "-c", textwrap.dedent(code), any_store_url], check=False)

    database = open_database(any_store_url)
    store = RunStore(database)
    assert [line.message for _, line in store.log_lines("run")] == [str(number) for number in range(50)]
    assert store.apply([LogsWritten(lines=(line_of("after"),))]) == [True]
    assert store.log_lines("run")[-1][1].at == NOON
    database.close()
