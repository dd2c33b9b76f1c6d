"""The ledger decides who may run user code; the switch ends it."""

from __future__ import annotations

import threading
import time

import pytest

from orchestra_nb.engine.attempt_ledger import AttemptLedger, Loss
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.errors import StopTask


@pytest.fixture
def ledger() -> AttemptLedger:
    """A ledger in which ``a`` began on ``w1`` at 100 s with a timeout of 5 s."""
    ledger = AttemptLedger()
    assert ledger.begin("a", "client", "w1", 5.0, 100.0) is None
    return ledger


def test_a_key_begins_once(ledger: AttemptLedger) -> None:
    assert ledger.begin("a", "client", "w2", None, 101.0) == "it began before, on w1"


def test_a_key_that_ended_does_not_begin_again(ledger: AttemptLedger) -> None:
    ledger.end("a")

    assert ledger.begin("a", "client", "w1", None, 101.0) == "it began before, on w1"
    assert ledger.lose_worker("w1", "killed", None, 102.0) == []


def test_a_key_stopped_before_it_begins_never_begins() -> None:
    ledger = AttemptLedger()

    assert ledger.stop("b", "client", "CANCELLED") is None
    assert ledger.begin("b", "client", "w1", None, 1.0) == "it was stopped before it began"
    assert not ledger.has_begun("b")


@pytest.mark.parametrize(
    ("stop", "died_at", "state", "reason"),
    [
        (None, 103.0, "CRASHED", "process exited with 3"),
        (None, 106.0, "TIMED_OUT", "ran longer than 5 s; its process was ended (process exited with 3)"),
        (
            "CANCELLED",
            106.0,
            "CANCELLED",
            "stopped; it did not give way, so its process was ended (process exited with 3)",
        ),
    ],
    ids=["by itself", "past its time", "stopped"],
)
def test_a_dead_worker_loses_its_attempt_for_the_reason_it_was_ended(
    ledger: AttemptLedger, stop: str | None, died_at: float, state: str, reason: str
) -> None:
    if stop is not None:
        assert ledger.stop("a", "client", stop) == "w1"

    losses = ledger.lose_worker("w1", "process exited with 3", 3, died_at)

    assert losses == [Loss("a", "client", True, state, reason, "w1", 3)]
    assert (ledger.loss_of("a"), ledger.is_running("a")) == (losses[0], False)


def test_a_driver_that_has_gone_is_forgotten_but_for_what_runs(ledger: AttemptLedger) -> None:
    ledger.begin("b", "client", "w2", None, 1.0)
    ledger.end("b")

    ledger.forget_client("client")

    assert (ledger.has_begun("a"), ledger.has_begun("b")) == (True, False)
    assert ledger.running_of("client") == ["a"]


def test_a_switch_thrown_before_the_function_keeps_it_from_running() -> None:
    switch = StopSwitch()
    switch.stop("CANCELLED")

    with pytest.raises(StopTask):
        switch.run(lambda: pytest.fail("it ran"))


def test_a_switch_ends_a_loop_in_another_thread() -> None:
    switch, is_running = StopSwitch(), threading.Event()

    def spin() -> None:
        is_running.set()
        while True:
            time.sleep(0.001)

    def throw() -> None:
        is_running.wait()
        switch.stop("TIMED_OUT")
        switch.stop("CANCELLED")

    thrower = threading.Thread(target=throw)
    thrower.start()
    with pytest.raises(StopTask):
        switch.run(spin)
    thrower.join()

    assert switch.stopped_for == "TIMED_OUT"


def test_a_switch_thrown_at_the_very_end_raises_nothing_later() -> None:
    for _ in range(300):
        switch = StopSwitch()
        thrower = threading.Thread(target=switch.stop, args=("CANCELLED",))
        try:
            switch.run(thrower.start)
        except StopTask:
            pass
        thrower.join()
        switch.stop("CANCELLED")
        sum(range(100))  # would be interrupted here
