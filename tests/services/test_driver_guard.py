"""A driver with its guard and its watcher, as real processes that die in many ways."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from driver_process import driver_process, ended_run, next_line, tell, wait_for
from patience import PATIENCE_SECONDS

from orchestra_nb.model.states import State
from orchestra_nb.services.process_watch import process_started_at
from orchestra_nb.store.database import open_database
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.run_store import RunStore

_GUARDED = """
    guard = guard_this()
    run_something()
    say(guard.watcher_pid)
    sys.stdin.readline()
"""


def wait_for_end(pid: int) -> None:
    try:
        psutil.Process(pid).wait(PATIENCE_SECONDS)
    except psutil.NoSuchProcess:
        return


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["the process", "its whole group"])
def test_a_killed_driver_is_noticed_by_its_watcher_at_once(store: RunStore, store_url: str, kill: object) -> None:
    with driver_process(store_url, _GUARDED, own_group=True) as process:
        watcher = int(next_line(process))
        assert callable(kill)
        kill(process.pid, signal.SIGKILL)

        run = ended_run(store)

    assert run.state is State.CRASHED
    assert run.message == (
        f"The kernel (pid {process.pid} on {socket.gethostname()}) died: killed by SIGKILL. "
        "Restart the kernel and run the cells again."
    )
    assert {task.name: task.state for task in store.task_runs("run")} == {
        "is-running": State.CRASHED,
        "is-pending": State.CANCELLED,
        "is-retrying": State.CANCELLED,
        "is-completed": State.COMPLETED,
    }
    assert store.get_run("other").state is State.RUNNING
    wait_for_end(watcher)


def test_on_postgresql_too(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with driver_process(postgres_url, _GUARDED) as process:
        watcher = int(next_line(process))
        process.kill()

        run = ended_run(RunStore(database))

    assert (run.state, "killed by SIGKILL" in run.message) == (State.CRASHED, True)
    wait_for_end(watcher)
    database.close()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("sys.exit(3)", "exited with 3"),
        ("os._exit(4)", "exited with 4"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
    ],
)
def test_a_driver_that_ends_without_closing_is_told_by_how_it_ended(
    store: RunStore, store_url: str, end: str, words: str
) -> None:
    with driver_process(store_url, f"{_GUARDED}    {end}\n") as process:
        watcher = int(next_line(process))
        tell(process)

        assert words in ended_run(store).message
        wait_for_end(watcher)


def test_heartbeats_go_on_while_the_driver_holds_its_interpreter(store: RunStore, store_url: str) -> None:
    code = """
        import ctypes
        guard = guard_this()
        run_something()
        say(guard.watcher_pid)
        ctypes.PyDLL(None).sleep(3600)  # a PyDLL keeps the interpreter's lock
    """
    leases = Leases(store.database)
    with driver_process(store_url, code) as process:
        watcher = int(next_line(process))
        heartbeats: set[datetime] = set()

        def has_three() -> bool:
            driver = leases.find_driver("driver")
            assert driver is not None
            heartbeats.add(driver.heartbeat_at)
            return len(heartbeats) == 3

        wait_for(store, has_three)

        assert store.get_run("run").state is State.RUNNING
    wait_for_end(watcher)


def test_a_driver_that_closes_leaves_no_watcher_and_no_lease(store: RunStore, store_url: str) -> None:
    code = """
        guard = guard_this()
        run_something()
        store.apply([TaskRunStateChanged(run_id="run", task_run_id=task, state=State.CANCELLED, at=now)
                     for task in ("running", "pending", "retrying")])
        store.apply([RunStateChanged(run_id="run", state=State.COMPLETED, at=now)])
        say(guard.watcher_pid)
        guard.close()
        guard.close()
        say("closed")
        sys.stdin.readline()
    """
    with driver_process(store_url, code) as process:
        watcher = int(next_line(process))
        assert next_line(process) == "closed"

        assert not psutil.pid_exists(watcher)

    driver = Leases(store.database).find_driver("driver")
    assert driver is not None
    assert driver.ended_at is not None
    assert store.get_run("run").state is State.COMPLETED


def test_a_driver_that_closes_before_its_run_has_ended_leaves_it_crashed(store: RunStore, store_url: str) -> None:
    with driver_process(store_url, f"{_GUARDED}    guard.close()\n") as process:
        next_line(process)
        tell(process)
        process.wait()

    run = store.get_run("run")
    assert (run.state, "ended before this did" in run.message) == (State.CRASHED, True)


def test_requests_to_cancel_reach_the_driver_once(store: RunStore, store_url: str) -> None:
    code = """
        guard = guard_this()
        run_something()
        say("ready")
        cancelled.wait()
        sys.stdin.readline()
        guard.close()
        say(*(f"{request.run_id}/{request.task_run_id}/{request.actor}" for request in asked))
    """
    with driver_process(store_url, code) as process:
        assert next_line(process) == "ready"
        store.request_cancel("other", None, "ana", datetime.now(UTC))
        store.request_cancel("run", "running", "ana", datetime.now(UTC))
        tell(process)

        assert next_line(process) == "run/running/ana"


def test_the_watcher_holds_nothing_of_the_driver_and_shows_no_secret(store: RunStore, store_url: str) -> None:
    with driver_process(store_url, _GUARDED) as process:
        watcher = psutil.Process(int(next_line(process)))

        assert [os.readlink(f"/proc/{watcher.pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
        assert os.getsid(watcher.pid) != os.getsid(process.pid)
        assert "sqlite" not in " ".join(watcher.cmdline())


def test_files_of_the_user_that_are_named_as_modules_do_not_break_the_watcher(
    store: RunStore, store_url: str, tmp_path: Path
) -> None:
    for name in ("random", "queue", "sqlalchemy", "orchestra_nb"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")

    with driver_process(store_url, _GUARDED, cwd=tmp_path) as process:
        next_line(process)
        process.kill()

        assert ended_run(store).state is State.CRASHED


def test_a_watcher_that_was_killed_is_replaced(store: RunStore, store_url: str) -> None:
    code = """
        guard = guard_this()
        run_something()
        first = guard.watcher_pid
        os.kill(first, signal.SIGKILL)
        while guard.watcher_pid == first:
            cancelled.wait(0.1)
        say(guard.watcher_pid)
        sys.stdin.readline()
    """
    with driver_process(store_url, code) as process:
        second = int(next_line(process))
        process.kill()

        assert "killed by SIGKILL" in ended_run(store).message
        wait_for_end(second)


def test_a_death_while_the_store_is_locked_is_recorded_afterwards(store: RunStore, store_url: str) -> None:
    with driver_process(store_url, _GUARDED) as process:
        next_line(process)
        assert store.database.path is not None
        with closing(sqlite3.connect(store.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            process.kill()
            process.wait()
            assert store.get_run("run").state is State.RUNNING
            other.execute("COMMIT")

        assert ended_run(store).state is State.CRASHED


def test_a_forked_child_of_the_driver_does_not_end_it(store: RunStore, store_url: str) -> None:
    code = """
        guard = guard_this()
        run_something()
        child = os.fork()
        if child == 0:
            guard.close()
            os._exit(7)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        sys.stdin.readline()
    """
    with driver_process(store_url, code) as process:
        assert next_line(process) == "7"

        driver = Leases(store.database).find_driver("driver")
        assert driver is not None
        assert driver.ended_at is None


def test_a_watcher_gives_up_a_store_that_is_gone(store: RunStore, store_url: str, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as watched:
        watcher = subprocess.Popen(
            [
                *(sys.executable, "-m", "orchestra_nb.services.driver_watch", "--driver", "driver"),
                *("--pid", str(watched.pid), "--started", repr(process_started_at(watched.pid))),
                *("--heartbeat", "0.05", "--lease", "1", "--give-up", "0.2"),
            ],
            env={**os.environ, "ORCHESTRA_STORE_URL": f"sqlite:///{tmp_path}/gone/orchestra.db"},
        )

        assert watcher.wait(PATIENCE_SECONDS) == 0
        assert watched.poll() is None
        assert not (tmp_path / "gone").exists()
        watched.kill()
