"""The sink between a driver and the store: nobody waits, nothing is lost but log lines, and that is said."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from other_process import release, write_lock_held_elsewhere
from patience import PATIENCE_SECONDS
from stored_examples import NOON, created, line_of, run_became, run_of, task_became, task_of

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.events import LogsWritten
from orchestra_nb.model.states import State
from orchestra_nb.store import sqlite_file, store_sink
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.store_sink import StoreSink


@pytest.fixture
def sink(store: RunStore) -> Iterator[StoreSink]:
    with closing(StoreSink(store)) as sink:
        yield sink


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'orchestra.db'}"


@pytest.fixture
def file_store(file_url: str) -> Iterator[RunStore]:
    database = open_database(file_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, so that a store that is away is tried often."""
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(store_sink, "PATIENCE_SECONDS", 0.2)


def test_what_was_emitted_is_in_the_store_after_a_flush(store: RunStore, sink: StoreSink) -> None:
    for event in [*created(run_of("run"), task_of("task")), run_became(State.RUNNING), task_became(State.RUNNING)]:
        sink.emit(event)

    assert sink.flush(PATIENCE_SECONDS)
    assert store.get_run("run").state is State.RUNNING
    assert store.task_runs("run")[0].state is State.RUNNING


def test_a_flush_with_nothing_to_write_is_done(sink: StoreSink) -> None:
    assert sink.flush(0)


def test_events_of_one_thread_keep_their_order_through_many_batches(store: RunStore, sink: StoreSink) -> None:
    def log(thread: int) -> None:
        for number in range(3_000):
            sink.emit(LogsWritten(lines=(line_of(str(number), f"run-{thread}"),)))

    threads = [threading.Thread(target=log, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sink.flush(PATIENCE_SECONDS)
    for number in range(3):
        messages = [line.message for _, line in store.log_lines(f"run-{number}", limit=5_000)]
        assert messages == [str(number) for number in range(3_000)]


def test_late_and_duplicate_events_change_nothing(store: RunStore, sink: StoreSink) -> None:
    for event in [*created(run_of("run")), run_became(State.COMPLETED), run_became(State.RUNNING)] * 2:
        sink.emit(event)

    assert sink.flush(PATIENCE_SECONDS)
    assert store.get_run("run").state is State.COMPLETED
    assert len(store.state_changes("run")) == 2


def test_a_closed_sink_has_written_all_and_refuses_more(store: RunStore) -> None:
    sink = StoreSink(store)
    for event in created(run_of("run")):
        sink.emit(event)

    sink.close()
    sink.close()

    assert store.get_run("run").run_id == "run"
    with pytest.raises(RuntimeError, match="closed"):
        sink.emit(run_became(State.RUNNING))


@pytest.mark.usefixtures("impatient")
def test_while_the_store_is_locked_events_wait_and_one_warning_is_given(
    file_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_database(file_url).close()
    with write_lock_held_elsewhere(file_url) as holder:
        database = open_database(file_url)
        store = RunStore(database)
        with closing(StoreSink(store)) as sink, caplog.at_level(logging.WARNING):
            for event in created(run_of("run"), *(task_of(f"t{number}") for number in range(2_000))):
                sink.emit(event)
            assert not sink.flush(1)
            assert store.list_runs() == []

            release(holder)
            holder.wait()

            assert sink.flush(PATIENCE_SECONDS)
            assert len(store.task_runs("run")) == 2_000
        database.close()

    assert [record.message for record in caplog.records] == [
        f"Runs will be recorded later: The store {database.location} is locked by another process. "
        "Try again when it has ended."
    ]


@pytest.mark.usefixtures("impatient")
def test_only_log_lines_are_dropped_when_memory_is_full_and_the_log_says_how_many(
    file_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_database(file_url).close()
    with write_lock_held_elsewhere(file_url) as holder:
        database = open_database(file_url)
        store = RunStore(database)
        with closing(StoreSink(store, max_pending_log_characters=10_000)) as sink, caplog.at_level(logging.ERROR):
            for event in created(run_of("run")):
                sink.emit(event)
            assert not sink.flush(2)  # the first batch is under way and waits
            for number in range(1_000):
                sink.emit(LogsWritten(lines=(line_of(f"{number:0800}"),)))
                sink.emit(created(task_of(f"t{number}"))[0])

            release(holder)
            holder.wait()

            assert sink.flush(PATIENCE_SECONDS)
        lines = [line for _, line in store.log_lines("run", limit=2_000)]
        assert len(store.task_runs("run")) == 1_000
        database.close()

    assert [line.message for line in lines] == [
        *(f"{number:0800}" for number in range(10)),
        "990 log lines were dropped: the store could not take them fast enough.",
    ]
    assert lines[-1].level == logging.WARNING


def test_an_event_that_cannot_be_stored_does_not_hold_up_the_others(
    store: RunStore, sink: StoreSink, caplog: pytest.LogCaptureFixture
) -> None:
    bad = run_of("bad", created_at=NOON.replace(tzinfo=None))

    for event in created(run_of("a"), bad, run_of("b")):
        sink.emit(event)

    assert not sink.flush(30)  # not everything is durable
    assert {run.run_id for run in store.list_runs()} == {"a", "b"}
    assert "cannot be stored (RunCreated)" in caplog.text
    assert sink.flush(PATIENCE_SECONDS)


def test_the_store_is_opened_in_the_thread_of_the_sink(file_store: RunStore) -> None:
    threads: list[str] = []

    def open_store() -> RunStore:
        threads.append(threading.current_thread().name)
        return file_store

    with closing(StoreSink(open_store)) as sink:
        for event in created(run_of("run")):
            sink.emit(event)

    assert threads == ["orchestra-store-sink"]
    assert file_store.get_run("run").run_id == "run"


@pytest.mark.usefixtures("impatient")
def test_a_store_that_stays_away_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    def open_store() -> RunStore:
        raise StoreUnavailable("The store /gone is away.")

    sink = StoreSink(open_store)
    sink.emit(run_became(State.RUNNING))
    assert not sink.flush(0.1)

    sink.close()

    assert caplog.messages == [
        "Runs will be recorded later: The store /gone is away.",
        "Runs are not recorded: The store /gone is away.",
        "Events that could not be stored: 1. Their runs are incomplete in the store.",
    ]


def test_a_read_only_store_is_said_once_and_events_are_let_go(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_database(postgres_url).close()
    database: Database = open_database(f"{postgres_url}?options=-cdefault_transaction_read_only%3Don")

    with closing(StoreSink(RunStore(database))) as sink:
        for event in created(run_of("run"), run_of("other")):
            sink.emit(event)
            assert not sink.flush(30)
    database.close()

    assert sum("Runs are not recorded" in message for message in caplog.messages) == 1
    assert "could not be stored: 2." in caplog.messages[-1]


def run_script(code: str, url: str) -> subprocess.CompletedProcess[str]:
    prologue = """
        import atexit, os, sys
        from datetime import UTC, datetime
        from orchestra_nb.model.events import LogsWritten
        from orchestra_nb.model.runs import LogLine
        from orchestra_nb.store.store_sink import StoreSink

        def open_store():
            from orchestra_nb.store.database import open_database
            from orchestra_nb.store.run_store import RunStore
            return RunStore(open_database(sys.argv[1]))

        def log(message):
            sink.emit(LogsWritten(lines=(LogLine(run_id="run", at=datetime.now(UTC), message=message),)))

    """
    script = textwrap.dedent(prologue) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=False)


def messages_in(url: str) -> list[str]:
    database = open_database(url)
    messages = [line.message for _, line in RunStore(database).log_lines("run")]
    database.close()
    return messages


def test_a_short_script_does_not_lose_its_last_events(any_store_url: str) -> None:
    code = """
        sink = StoreSink(open_store)
        log("last words")
    """

    done = run_script(code, any_store_url)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert messages_in(any_store_url) == ["last words"]


def test_what_is_emitted_while_the_script_ends_is_stored_too(file_url: str) -> None:
    code = """
        def end():
            log("at the end")
            sink.close()

        atexit.register(end)
        sink = StoreSink(open_store)
        log("before")
    """

    done = run_script(code, file_url)

    assert (done.stderr, done.returncode) == ("", 0)
    assert messages_in(file_url) == ["before", "at the end"]


def test_a_sink_costs_no_import_of_sqlalchemy_before_the_store_is_opened(file_url: str) -> None:
    code = """
        import threading
        may_open = threading.Event()
        sink = StoreSink(lambda: may_open.wait() and open_store())
        log("waits")
        print("sqlalchemy" in sys.modules)
        may_open.set()
    """

    done = run_script(code, file_url)

    assert (done.stdout, done.stderr) == ("False\n", "")
    assert messages_in(file_url) == ["waits"]


def test_a_forked_child_neither_writes_nor_waits(file_url: str) -> None:
    code = """
        sink = StoreSink(open_store)
        log("parent")
        child = os.fork()
        if child == 0:
            log("child")
            sink.flush(60)
            sink.close()
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """

    done = run_script(code, file_url)

    assert (done.stdout, done.stderr) == ("7\n", "")
    assert messages_in(file_url) == ["parent"]


def test_nobody_waits_for_a_store_that_cannot_be_opened_for_a_reason_that_nobody_foresaw() -> None:
    def open_broken() -> RunStore:
        raise LookupError("no such column: runs.colour")

    sink = StoreSink(open_broken)
    sink.emit(created(run_of("a")))

    assert sink.flush(PATIENCE_SECONDS) is False
    sink.close()
