"""The order of changes, and waiting for what other processes write."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from patience import PATIENCE_SECONDS
from stored_examples import NOON, created, line_of, run_became, run_of, task_became, task_of

from orchestra_nb.errors import Conflict, StoreUnavailable
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.events import CellRunChanged, LogsWritten, RunOutputWritten
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import CellRun
from orchestra_nb.model.states import State
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_log import Changes, ChangeWatcher, EventLog
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import store_facts


@pytest.fixture
def log(database: Database) -> EventLog:
    return EventLog(database)


@pytest.fixture
def watcher(database: Database) -> Iterator[ChangeWatcher]:
    with closing(ChangeWatcher(database)) as watcher:
        yield watcher


def test_an_empty_store_has_no_changes(log: EventLog) -> None:
    assert log.last_sequence() == 0
    assert log.changes_since(0) == Changes(sequence=0)


def test_artifacts_and_inputs_are_news_of_their_runs(database: Database, log: EventLog) -> None:
    artifacts, inputs = ArtifactStore(database), RunInputStore(database)
    made = StoredArtifact(
        artifact_id="1", type="markdown", data="# x", created_at=NOON, updated_at=NOON, run_id="a", task_run_id="t"
    )
    seen: list[Changes] = []

    def look() -> None:
        seen.append(log.changes_since(seen[-1].sequence if seen else 0))

    artifacts.create(made)
    look()
    artifacts.update("1", NOON, data="# y")
    artifacts.create(msgspec.structs.replace(made, artifact_id="2", run_id=None, task_run_id=None))
    look()
    inputs.ask(RunInput(run_id="b", key="go", asked_at=NOON))
    inputs.ask(RunInput(run_id="b", key="go", asked_at=NOON))  # again: nothing new
    look()
    inputs.answer("b", "go", True, "me", NOON)
    with pytest.raises(Conflict):
        inputs.answer("b", "go", False, "you", NOON)
    look()

    assert seen == [
        Changes(sequence=1, artifacts=("a",)),
        Changes(sequence=3, artifacts=("a", "")),
        Changes(sequence=4, inputs=("b",)),
        Changes(sequence=5, inputs=("b",)),
    ]


def test_all_that_changed_is_named_once_in_order(store: RunStore, log: EventLog) -> None:
    store.apply(created(run_of("a"), run_of("b"), task_of("t", "a")))
    before = log.last_sequence()
    cell = CellRun(run_id="b", index=3, cell_id="c", state=State.RUNNING)

    store.apply(
        [
            run_became(State.RUNNING, "b"),
            task_became(State.RUNNING, "t", run_id="a"),
            run_became(State.RUNNING, "a"),
            task_became(State.COMPLETED, "t", run_id="a"),
            CellRunChanged(cell=cell),
            LogsWritten(lines=(line_of("x", "a"), line_of("y", "b"), line_of("z", "a"))),
            RunOutputWritten(run_id="b", output_path="/out.ipynb"),
        ]
    )
    changes = log.changes_since(before)

    assert changes == Changes(
        sequence=log.last_sequence(), runs=("b", "a"), tasks=("t",), cells=(("b", 3),), logs=("a", "b")
    )
    assert log.changes_since(changes.sequence) == Changes(sequence=changes.sequence)


def test_events_that_change_nothing_are_no_changes(store: RunStore, log: EventLog) -> None:
    store.apply(created(run_of("run", state=State.COMPLETED)))
    before = log.last_sequence()

    store.apply([run_became(State.RUNNING), *created(run_of("run")), LogsWritten(lines=())])

    assert log.last_sequence() == before


def test_many_changes_are_read_in_parts_without_a_gap(store: RunStore, log: EventLog) -> None:
    store.apply(created(*(run_of(f"run-{number}") for number in range(10))))

    parts, sequence = [], 0
    while (part := log.changes_since(sequence, limit=4)).runs:
        parts.append(part.runs)
        sequence = part.sequence

    assert [len(part) for part in parts] == [4, 4, 2]
    assert sum(parts, ()) == tuple(f"run-{number}" for number in range(10))


def test_changes_of_racing_writers_become_visible_in_the_order_of_their_numbers(store: RunStore, log: EventLog) -> None:
    """A reader that goes on from the last number it saw must see every change exactly once."""
    store.apply(created(run_of("run")))
    seen, sequence = 0, log.last_sequence()
    writers = [
        threading.Thread(target=lambda: [store.apply([LogsWritten(lines=(line_of("x", f"{n}"),))]) for n in range(50)])
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()

    while any(writer.is_alive() for writer in writers) or log.last_sequence() > sequence:
        changes = log.changes_since(sequence, limit=1)
        seen += changes.sequence != sequence
        sequence = changes.sequence

    for writer in writers:
        writer.join()
    assert seen == 200


_WRITER = """
import sys
from datetime import UTC, datetime
from orchestra_nb.model.events import LogsWritten
from orchestra_nb.model.runs import LogLine
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

store = RunStore(open_database(sys.argv[1]))
for _ in sys.stdin:
    store.apply([LogsWritten(lines=(LogLine(run_id="run", at=datetime.now(UTC), message="x"),))])
    print("written", flush=True)
"""


def test_a_write_of_another_process_is_noticed(database: Database, watcher: ChangeWatcher) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert watcher.wait(PATIENCE_SECONDS)  # the first call
        while watcher.wait(0):
            pass

        for _ in range(2):
            writer.stdin.write("\n")
            writer.stdin.flush()
            assert watcher.wait(PATIENCE_SECONDS)
            assert writer.stdout.readline() == "written\n"
        while watcher.wait(0):
            pass

        assert watcher.wait(0.1) is False


def test_a_write_between_two_waits_is_not_missed(store: RunStore, watcher: ChangeWatcher) -> None:
    assert watcher.wait(PATIENCE_SECONDS)
    while watcher.wait(0):
        pass

    store.apply(created(run_of("run")))

    assert watcher.wait(PATIENCE_SECONDS)


def test_closing_wakes_the_thread_that_waits(watcher: ChangeWatcher) -> None:
    while watcher.wait(0.2):
        pass
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(watcher.wait(3600)))
    thread.start()

    watcher.close()
    watcher.close()
    thread.join()

    assert answers == [False]
    assert watcher.wait(3600) is False


def test_a_watcher_connects_again_after_the_server_ended_its_connection(postgres_url: str) -> None:
    from sqlalchemy import text

    from orchestra_nb.store.database import open_database

    database = open_database(postgres_url)
    with closing(ChangeWatcher(database)) as watcher:
        assert watcher.wait(PATIENCE_SECONDS)
        with database.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'orchestra-nb changes'"
                )
            )

        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            while True:
                watcher.wait(PATIENCE_SECONDS)

        assert watcher.wait(PATIENCE_SECONDS)
    database.close()


def test_whoever_looks_under_the_write_lock_and_writes_nothing_wakes_nobody(
    database: Database, watcher: ChangeWatcher
) -> None:
    assert watcher.wait(PATIENCE_SECONDS)

    with database.write():
        pass
    assert not watcher.wait(0.2)

    with database.write() as connection:
        connection.execute(store_facts.insert().values(name="probe", value="1"))
    assert watcher.wait(PATIENCE_SECONDS)
