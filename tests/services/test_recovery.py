"""What dead drivers have left is ended, once, with its cause; what lives is left alone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from driver_process import driver_process, next_line
from sqlalchemy import update

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    DriverEnded,
    DriverStarted,
    RunCodeRecorded,
    RunCreated,
    RunStateChanged,
    TaskRunCreated,
)
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import CellRun, Driver, ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.services.process_watch import ProcessEnd
from orchestra_nb.services.recovery import Suspects, end_driver, record_death, sweep
from orchestra_nb.store.database import open_database
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.event_log import EventLog
from orchestra_nb.store.leases import Leases, has_not_moved
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import drivers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

#: Registers as a driver, without a watcher beside it.
_UNWATCHED = """
    store.apply([DriverStarted(driver=describe_this_process("kernel", 3600, "driver"))])
    run_something()
    say("ready")
    sys.stdin.readline()
"""


@pytest.fixture
def store(any_store_url: str) -> Iterator[RunStore]:
    """A store of each kind."""
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


def elsewhere(driver_id: str = "driver", **fields: object) -> Driver:
    """Return a driver of another machine with a lease from noon for 15 s."""
    driver = describe_this_process("kernel", 15, driver_id)
    defaults = {
        "host": "elsewhere",
        "boot_id": "another",
        "pid": 123,
        "heartbeat_at": NOW,
        "lease_until": NOW + timedelta(seconds=15),
    }
    return msgspec.structs.replace(driver, **{**defaults, **fields})


def run_of(driver_id: str, run_id: str = "run", state: State = State.RUNNING) -> Run:
    return Run(
        run_id=run_id,
        name=run_id,
        flow_name="f",
        kind=RunKind.NOTEBOOK,
        state=state,
        created_at=NOW,
        driver_id=driver_id,
    )


def test_runs_of_a_killed_process_are_ended_whatever_its_lease_says(store: RunStore) -> None:
    with driver_process(store.database.url, _UNWATCHED) as process:
        assert next_line(process) == "ready"
        assert sweep(store, datetime.now(UTC)) == []
        process.kill()
        process.wait()

        now = datetime.now(UTC)
        ended = sweep(store, now)

    cause = f"The kernel (pid {process.pid} on {socket.gethostname()}) died: ended without saying why."
    remedy = "Restart the kernel and run the cells again."
    assert [run.run_id for run in ended] == ["run"]
    run = store.get_run("run")
    assert (run.state, run.ended_at, run.message) == (State.CRASHED, now, f"{cause} {remedy}")
    assert {task.name: (task.state, task.message) for task in store.task_runs("run")} == {
        "is-running": (State.CRASHED, f"Task 'is-running' was running (attempt 1): {cause} {remedy}"),
        "is-pending": (State.CANCELLED, f"Task 'is-pending' never ran: {cause} {remedy}"),
        "is-retrying": (State.CANCELLED, f"Task 'is-retrying' was not running: {cause} {remedy}"),
        "is-completed": (State.COMPLETED, ""),
    }
    assert [cell.state for cell in store.cell_runs("run")] == [State.COMPLETED, State.CRASHED, State.CANCELLED]
    assert store.cell_runs("run")[1].error == ErrorInfo(type="KernelDied", message=run.message, cell="cell 2")
    assert store.get_run("other").state is State.RUNNING
    assert {change.actor for change in store.state_changes("run") if change.to_state is State.CRASHED} == {"recovery"}


def test_a_process_that_nobody_has_collected_yet_is_dead(store: RunStore) -> None:
    with driver_process(store.database.url, _UNWATCHED) as process:
        assert next_line(process) == "ready"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert [run.run_id for run in sweep(store, datetime.now(UTC))] == ["run"]


def test_a_living_process_of_this_machine_is_not_judged_by_its_lease(store: RunStore) -> None:
    driver = describe_this_process("kernel", 15, "driver")
    store.apply([DriverStarted(driver=driver), RunCreated(run=run_of("driver"))])

    assert sweep(store, driver.lease_until + timedelta(days=1)) == []
    assert store.get_run("run").state is State.RUNNING


def test_a_later_process_with_the_number_of_the_driver_does_not_keep_its_runs_alive(store: RunStore) -> None:
    driver = describe_this_process("kernel", 15, "driver")
    before = msgspec.structs.replace(driver, process_started_at=driver.process_started_at - 60)
    store.apply([DriverStarted(driver=before), RunCreated(run=run_of("driver"))])

    assert [run.state for run in sweep(store, driver.heartbeat_at)] == [State.CRASHED]


@pytest.mark.parametrize(
    "place",
    [{"boot_id": "another"}, {"host": socket.gethostname(), "boot_id": "an earlier"}, {"boot_id": ""}],
    ids=["another machine", "another boot or container", "nobody knows where"],
)
def test_a_driver_whose_process_cannot_be_seen_is_judged_by_its_lease(store: RunStore, place: dict[str, str]) -> None:
    driver = elsewhere(**place)
    store.apply([DriverStarted(driver=driver), RunCreated(run=run_of("driver"))])

    in_time = sweep(store, driver.lease_until + timedelta(seconds=15))
    late = sweep(store, driver.lease_until + timedelta(seconds=16))

    assert in_time == []
    assert [run.message for run in late] == [
        f"The kernel (pid {driver.pid} on {driver.host}) died: no sign of life since 2026-03-01 12:00:00 UTC. "
        "Restart the kernel and run the cells again."
    ]


def test_a_heartbeat_keeps_a_driver_elsewhere_alive(store: RunStore) -> None:
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run_of("driver"))])

    Leases(store.database).heartbeat("driver", NOW + timedelta(seconds=20), NOW + timedelta(seconds=35))

    assert sweep(store, NOW + timedelta(seconds=30)) == []


def test_who_sweeps_again_and_again_notices_a_silent_driver_within_a_third_of_a_lease(store: RunStore) -> None:
    driver = elsewhere()
    store.apply([DriverStarted(driver=driver), RunCreated(run=run_of("driver"))])
    suspects = Suspects()

    sweeps = [sweep(store, driver.lease_until + timedelta(seconds=seconds), suspects) for seconds in (0, 1, 5, 6)]

    assert [len(ended) for ended in sweeps] == [0, 0, 0, 1]


def test_a_driver_elsewhere_that_could_not_write_its_heartbeat_has_time_to_do_so(postgres_url: str) -> None:
    store, driver = RunStore(open_database(postgres_url)), elsewhere()
    store.apply([DriverStarted(driver=driver), RunCreated(run=run_of("driver"))])
    suspects, other = Suspects(), open_database(postgres_url)
    with other.write() as connection:
        connection.execute(update(drivers).where(drivers.c.driver_id == "nobody").values(pid=1))
        with pytest.raises(StoreUnavailable):  # somebody else holds the lock
            sweep(store, driver.lease_until + timedelta(seconds=1), suspects)
    other.close()

    assert sweep(store, driver.lease_until + timedelta(seconds=7), suspects) == []
    assert sweep(store, driver.lease_until + timedelta(seconds=11), suspects) == []
    Leases(store.database).heartbeat("driver", NOW + timedelta(seconds=27), NOW + timedelta(seconds=42))
    assert sweep(store, driver.lease_until + timedelta(seconds=13), suspects) == []
    assert store.get_run("run").state is State.RUNNING
    store.database.close()


def test_a_heartbeat_that_comes_before_the_verdict_is_written_counts(store: RunStore) -> None:
    driver = elsewhere()
    store.apply([DriverStarted(driver=driver), RunCreated(run=run_of("driver"))])
    verdict = has_not_moved(driver)
    Leases(store.database).heartbeat("driver", NOW + timedelta(seconds=27), NOW + timedelta(seconds=42))

    assert end_driver(store, driver, "No sign of life.", NOW + timedelta(seconds=28), where=verdict) == []
    assert store.get_run("run").state is State.RUNNING


def test_a_run_in_any_state_is_ended(store: RunStore) -> None:
    states = [state for state in State if not state.is_terminal]
    store.apply([DriverStarted(driver=elsewhere())])
    store.apply([RunCreated(run=run_of("driver", state, state)) for state in states])

    ended = sweep(store, NOW + timedelta(hours=1))

    assert {run.run_id: run.state for run in ended} == dict.fromkeys(states, State.CRASHED)


def test_a_second_sweep_finds_nothing(store: RunStore) -> None:
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run_of("driver"))])
    now = NOW + timedelta(hours=1)

    first = sweep(store, now)
    sequence = EventLog(store.database).last_sequence()

    assert len(first) == 1
    assert sweep(store, now) == []
    assert EventLog(store.database).last_sequence() == sequence


def test_of_many_sweepers_one_ends_the_run(store: RunStore) -> None:
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run_of("driver"))])
    store.apply(
        [TaskRunCreated(task_run=TaskRun(task_run_id="t", run_id="run", name="t", state=State.RUNNING, created_at=NOW))]
    )
    ended: list[Run] = []
    barrier = threading.Barrier(6)

    def do() -> None:
        barrier.wait()
        ended.extend(sweep(store, NOW + timedelta(hours=1)))

    threads = [threading.Thread(target=do) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [run.run_id for run in ended] == ["run"]
    assert [change.to_state for change in store.state_changes("run")] == [
        State.RUNNING,
        State.RUNNING,
        State.CRASHED,
        State.CRASHED,
    ]


def test_a_flow_or_a_task_that_lost_its_driver_is_one_dead_letter(store: RunStore) -> None:
    kinds = {kind.value: msgspec.structs.replace(run_of("driver", kind.value), kind=kind) for kind in RunKind}
    child = msgspec.structs.replace(kinds["flow"], run_id="child", name="child", parent_run_id="flow")
    store.apply([DriverStarted(driver=elsewhere()), *(RunCreated(run=run) for run in (*kinds.values(), child))])
    store.apply([RunCodeRecorded(code=RunCode(run_id="flow", entrypoint="train.py:fit"))])
    late = NOW + timedelta(hours=1)

    sweep(store, late)
    sweep(store, late)

    letters = DeadLetterStore(store.database).list_letters()
    assert [(letter.run_id, letter.ended_as, letter.epoch, letter.code) for letter in reversed(letters)] == [
        ("flow", State.CRASHED, 1, "train.py:fit"),
        ("task", State.CRASHED, 1, None),
    ]
    assert "no sign of life since" in letters[0].message


def test_a_run_that_ended_while_its_driver_was_taken_for_dead_is_no_dead_letter(store: RunStore) -> None:
    run = msgspec.structs.replace(run_of("driver"), kind=RunKind.FLOW)
    letter = DeadLetter(
        run_id="run", name="run", flow_name="f", ended_as=State.CRASHED, attempts=1, message="", created_at=NOW
    )
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run)])

    crashed = RunStateChanged(run_id="run", state=State.CRASHED, at=NOW)
    ends = store.apply(
        [RunStateChanged(run_id="run", state=State.COMPLETED, at=NOW), crashed, DeadLetterAdded(letter=letter)]
    )

    assert ends == [True, False, False]


def test_what_had_ended_keeps_its_state(store: RunStore) -> None:
    run = run_of("driver", "done", State.COMPLETED)
    forgotten = TaskRun(task_run_id="t", run_id="done", name="t", state=State.RUNNING, created_at=NOW)
    store.apply([DriverStarted(driver=elsewhere()), TaskRunCreated(task_run=forgotten), RunCreated(run=run)])

    ended = sweep(store, NOW + timedelta(hours=1))

    assert ended == []
    assert store.get_run("done") == run
    assert store.task_runs("done")[0].state is State.CRASHED


def test_cells_that_a_run_had_not_reached_when_it_ended_stay_pending(store: RunStore) -> None:
    cells = [
        CellRun(run_id="run", index=index, cell_id=f"c{index}", state=state)
        for index, state in enumerate([State.FAILED, State.PENDING])
    ]
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run_of("driver"))])
    store.apply([*(CellRunChanged(cell=cell) for cell in cells)])
    store.apply([RunStateChanged(run_id="run", state=State.FAILED, at=NOW)])

    sweep(store, NOW + timedelta(minutes=1))

    assert [cell.state for cell in store.cell_runs("run")] == [State.FAILED, State.PENDING]
    assert store.get_run("run").state is State.FAILED


def test_a_run_that_its_driver_left_unfinished_when_it_ended_is_ended(store: RunStore) -> None:
    cell = CellRun(run_id="run", index=0, cell_id="c", state=State.PENDING)
    store.apply([DriverStarted(driver=elsewhere(kind="shell")), RunCreated(run=run_of("driver"))])
    store.apply([CellRunChanged(cell=cell), DriverEnded(driver_id="driver", at=NOW)])

    ended = sweep(store, NOW)

    assert [run.message for run in ended] == [
        "The shell command (pid 123 on elsewhere) ended before this did. Run the command again."
    ]
    assert store.cell_runs("run")[0].state is State.CANCELLED


def test_a_death_that_somebody_saw_is_told_with_its_cause(store: RunStore) -> None:
    store.apply([DriverStarted(driver=elsewhere(kind="script")), RunCreated(run=run_of("driver"))])

    record_death(store, "driver", ProcessEnd(signal=9), NOW)

    assert store.get_run("run").message == (
        "The script (pid 123 on elsewhere) died: killed by SIGKILL. Run the script again."
    )
    assert Leases(store.database).drivers_without_end() == []


def test_the_end_of_a_driver_that_had_said_so_is_no_death(store: RunStore) -> None:
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run_of("driver"))])
    store.apply([RunStateChanged(run_id="run", state=State.COMPLETED, at=NOW), DriverEnded(driver_id="driver", at=NOW)])

    assert record_death(store, "driver", ProcessEnd(signal=9), NOW) == []
    assert record_death(store, "unknown", ProcessEnd(signal=9), NOW) == []


def test_a_late_event_of_a_driver_that_was_taken_for_dead_changes_nothing(store: RunStore) -> None:
    store.apply([DriverStarted(driver=elsewhere()), RunCreated(run=run_of("driver"))])
    sweep(store, NOW + timedelta(hours=1))

    assert store.apply([RunStateChanged(run_id="run", state=State.COMPLETED, at=NOW)]) == [False]
    assert store.get_run("run").state is State.CRASHED
