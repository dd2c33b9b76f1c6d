"""Concurrency limits: never more than there is, and nothing is held for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stored_examples import NOON, created, driver_of, later, run_became, run_of, task_became, task_of

from orchestra_nb.errors import InvalidInput, LimitNotFound, NameTaken
from orchestra_nb.model.events import DriverEnded, DriverStarted
from orchestra_nb.model.limits import ConcurrencyLimit, HeldSlots, LimitState, check_limit
from orchestra_nb.model.questions import Asker, SlotsAcquired, SlotsRefused
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.slot_store import SlotStore

LEASE = 30.0

#: Takes slots again and again, and writes down when it has and has not: "+n" and "-n" in a file that is only added to.
_WORKER = """
import os, sys, time
from datetime import UTC, datetime
from orchestra_nb.model.questions import SlotsAcquired
from orchestra_nb.store.database import open_database
from orchestra_nb.store.slot_store import SlotStore

url, log, name, occupy = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND), sys.argv[3], int(sys.argv[4])
store = SlotStore(open_database(url))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(15):
    holder = f"{name}-{turn}"
    while not isinstance(
        store.acquire(["db", "api"], occupy, holder, datetime.now(UTC), 60), SlotsAcquired
    ):
        time.sleep(0.005)
    os.write(log, f"+{occupy}\\n".encode())
    os.write(log, f"-{occupy}\\n".encode())
    store.release(holder)
"""


@pytest.fixture
def slots(database: Database) -> SlotStore:
    return SlotStore(database)


def limit(slots: SlotStore, name: str = "db", number: int = 2, **fields: object) -> ConcurrencyLimit:
    made = ConcurrencyLimit(name=name, limit=number, **fields)  # type: ignore[arg-type]
    slots.create_limit(made, NOON)
    return made


def acquire(slots: SlotStore, holder: str, seconds: float = 0, occupy: int = 1, **options: object) -> bool:
    answer = slots.acquire(["db"], occupy, holder, later(seconds), LEASE, **options)  # type: ignore[arg-type]
    return isinstance(answer, SlotsAcquired)


def test_no_more_slots_are_held_than_there_are(slots: SlotStore) -> None:
    limit(slots)

    assert [acquire(slots, holder) for holder in ("a", "b", "c")] == [True, True, False]
    assert slots.release("a")
    assert not slots.release("a")
    assert acquire(slots, "c")


def test_a_refusal_says_how_full_it_is(slots: SlotStore) -> None:
    limit(slots)
    acquire(slots, "a", occupy=2)

    refused = slots.acquire(["db"], 1, "b", NOON, LEASE)

    assert isinstance(refused, SlotsRefused)
    assert (refused.name, refused.detail) == ("db", "2 of 2 slots of 'db' are taken")


def test_who_asks_twice_holds_once(slots: SlotStore) -> None:
    limit(slots)

    assert [acquire(slots, "a", occupy=2), acquire(slots, "a", 10, occupy=2)] == [True, True]

    (state,) = slots.limits(later(10))
    assert [(held.holder, held.occupied, held.until) for held in state.held] == [("a", 2, later(40))]


def test_of_several_limits_all_are_taken_or_none(slots: SlotStore) -> None:
    limit(slots, "a", 5)
    limit(slots, "b", 1)
    slots.acquire(["b"], 1, "other", NOON, LEASE)

    refused = slots.acquire(["a", "b"], 1, "me", NOON, LEASE)

    assert isinstance(refused, SlotsRefused)
    assert [state.occupied for state in slots.limits(NOON)] == [0, 1]


def test_slots_are_free_again_when_the_lease_runs_out(slots: SlotStore) -> None:
    limit(slots, number=1)
    acquire(slots, "a")

    assert not acquire(slots, "b", LEASE - 1)
    assert acquire(slots, "b", LEASE)
    assert not slots.renew("a", later(LEASE), LEASE)


def test_a_renewed_lease_holds_on(slots: SlotStore) -> None:
    limit(slots, number=1)
    acquire(slots, "a")

    assert slots.renew("a", later(20), LEASE)
    assert not acquire(slots, "b", LEASE + 10)


def test_a_late_renewal_succeeds_while_nobody_wanted_the_room(slots: SlotStore) -> None:
    limit(slots, number=1)
    acquire(slots, "a")

    assert slots.renew("a", later(LEASE + 100), LEASE)
    assert not acquire(slots, "b", LEASE + 110)


def test_slots_are_free_when_their_driver_has_ended(slots: SlotStore, store: RunStore) -> None:
    limit(slots, number=1)
    store.apply([DriverStarted(driver=driver_of("driver"))])
    acquire(slots, "a", driver_id="driver")
    assert not acquire(slots, "b")

    store.apply([DriverEnded(driver_id="driver", at=later(1))])

    assert acquire(slots, "b", 1)


@pytest.mark.parametrize("asker", [Asker(run_id="run"), Asker(run_id="run", task_run_id="task")], ids=["run", "task"])
def test_slots_are_free_when_the_run_or_the_task_run_has_ended(slots: SlotStore, store: RunStore, asker: Asker) -> None:
    limit(slots, number=1)
    store.apply(created(run_of("run", state=State.RUNNING), task_of("task", state=State.RUNNING)))
    acquire(slots, "a", asker=asker)
    assert not acquire(slots, "b")

    store.apply([task_became(State.CANCELLED) if asker.task_run_id else run_became(State.CRASHED)])

    assert acquire(slots, "b", 1)
    assert [len(state.held) for state in slots.limits(later(1))] == [1]


def test_what_an_attempt_left_is_given_back(slots: SlotStore) -> None:
    limit(slots)
    acquire(slots, "a", asker=Asker(run_id="run", task_run_id="task"))
    acquire(slots, "b", asker=Asker(run_id="run", task_run_id="other"))

    assert [slots.release_of_task_run("task"), slots.release_of_task_run("task")] == [1, 0]
    assert [held.holder for state in slots.limits(NOON) for held in state.held] == ["b"]


def test_a_limit_that_does_not_exist_limits_nothing_unless_asked(slots: SlotStore) -> None:
    assert slots.acquire(["db"], 1, "a", NOON, LEASE) == SlotsAcquired(unlimited=("db",))
    assert slots.take_rate(["db"], 1, NOON) == SlotsAcquired(unlimited=("db",))

    with pytest.raises(LimitNotFound, match="orchestra concurrency create db --limit 1"):
        slots.acquire(["db"], 1, "a", NOON, LEASE, is_strict=True)


def test_an_inactive_limit_limits_nothing(slots: SlotStore) -> None:
    limit(slots, number=1, is_active=False)

    assert slots.acquire(["db"], 7, "a", NOON, LEASE) == SlotsAcquired(unlimited=("db",))


def test_more_than_there_ever_is_is_an_error_and_not_a_wait(slots: SlotStore) -> None:
    limit(slots, slot_decay_per_second=1.0)

    for ask in (lambda: slots.acquire(["db"], 3, "a", NOON, LEASE), lambda: slots.take_rate(["db"], 3, NOON)):
        with pytest.raises(InvalidInput, match="3 slots of 'db' are asked for, and it has only 2"):
            ask()


def test_a_limit_of_none_lets_nobody_in_until_it_is_raised(slots: SlotStore) -> None:
    limit(slots, number=0)

    assert not acquire(slots, "a")
    slots.update_limit("db", NOON, limit=1)
    assert acquire(slots, "a")


def test_a_rate_limit_gives_slots_back_with_time_and_says_when(slots: SlotStore) -> None:
    limit(slots, number=2, slot_decay_per_second=0.5)

    taken = [slots.take_rate(["db"], 1, NOON), slots.take_rate(["db"], 1, NOON)]
    refused = slots.take_rate(["db"], 1, later(1))

    assert taken == [SlotsAcquired(), SlotsAcquired()]
    assert isinstance(refused, SlotsRefused)
    assert refused.retry_after_seconds == pytest.approx(1.0)
    assert slots.take_rate(["db"], 1, later(2)) == SlotsAcquired()
    assert isinstance(slots.take_rate(["db"], 1, later(3)), SlotsRefused)
    (state,) = slots.limits(later(3))
    assert (state.decaying, state.occupied) == (pytest.approx(1.5), 2)


def test_a_rate_limit_needs_a_rate(slots: SlotStore) -> None:
    limit(slots)

    with pytest.raises(InvalidInput, match="no rate.*orchestra concurrency update db --slot-decay-per-second 1"):
        slots.take_rate(["db"], 1, NOON)


def test_rates_and_leases_share_the_room_of_a_limit(slots: SlotStore) -> None:
    limit(slots, number=2, slot_decay_per_second=1.0)

    slots.take_rate(["db"], 1, NOON)

    assert acquire(slots, "a")
    assert not acquire(slots, "b")
    assert acquire(slots, "b", 1)


def test_a_changed_rate_keeps_what_was_used_at_the_old_one(slots: SlotStore) -> None:
    limit(slots, number=4, slot_decay_per_second=1.0)
    slots.take_rate(["db"], 4, NOON)

    changed = slots.update_limit("db", later(1), slot_decay_per_second=0.1)

    assert changed == ConcurrencyLimit(name="db", limit=4, slot_decay_per_second=0.1)
    assert slots.limits(later(11)) == [LimitState(limit=changed, decaying=pytest.approx(2.0))]


def test_limits_are_made_changed_and_deleted(slots: SlotStore) -> None:
    made = limit(slots)
    with pytest.raises(NameTaken, match="There is a limit 'db' already"):
        limit(slots)
    acquire(slots, "a", asker=Asker(run_id="r", task_run_id="t"), driver_id="d")

    (state,) = slots.limits(NOON)
    held = HeldSlots(
        holder="a",
        name="db",
        occupied=1,
        acquired_at=NOON,
        until=later(LEASE),
        driver_id="d",
        run_id="r",
        task_run_id="t",
    )

    assert state == LimitState(limit=made, held=(held,))
    assert [slots.delete_limit("db"), slots.delete_limit("db"), slots.limits(NOON)] == [True, False, []]
    with pytest.raises(LimitNotFound):
        slots.update_limit("db", NOON, limit=1)


@pytest.mark.parametrize(("number", "rate"), [(-1, 0.0), (1, -0.1), (1, float("nan"))])
def test_limits_that_make_no_sense_are_refused(number: int, rate: float) -> None:
    with pytest.raises(InvalidInput):
        check_limit(number, rate)


def test_processes_that_ask_at_once_never_hold_more_than_there_is(
    any_store_url: str, slots: SlotStore, tmp_path: Path
) -> None:
    limit(slots, "db", 3)
    limit(slots, "api", 5)
    log = tmp_path / "log"
    log.touch()
    command = [sys.executable, "-c", _WORKER, any_store_url, str(log)]
    workers = [
        subprocess.Popen(
            [*command, f"w{number}", str(1 + number % 2)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"

    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert [(worker.communicate()[0], worker.returncode) for worker in workers] == [("", 0)] * 4

    steps = [int(line) for line in log.read_text().split()]
    held = [sum(steps[: number + 1]) for number in range(len(steps))]
    assert len(steps) == 4 * 15 * 2
    assert max(held) <= 3
    assert [state.held for state in slots.limits(NOON)] == [(), ()]
