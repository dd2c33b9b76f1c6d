"""What follows a run of a deployment, and what its occurrences are known by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestra_nb.model.deployments import AfterRun, Ends, after_run, count_ends, occurrence_key, retry_at
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "failures", "losses", "expected"),
    [
        (State.COMPLETED, 0, 0, AfterRun.NOTHING),
        (State.FAILED, 1, 0, AfterRun.RETRY),
        (State.FAILED, 2, 1, AfterRun.RETRY),
        (State.FAILED, 3, 0, AfterRun.NOTHING),
        (State.TIMED_OUT, 2, 0, AfterRun.RETRY),
        (State.CRASHED, 0, 1, AfterRun.RERUN),
        (State.CRASHED, 0, 2, AfterRun.NOTHING),
        (State.CANCELLED, 0, 0, AfterRun.NOTHING),
        (State.SKIPPED, 0, 0, AfterRun.NOTHING),
    ],
)
def test_retries_and_the_infrastructure_budget_are_counted_apart(
    state: State, failures: int, losses: int, expected: AfterRun
) -> None:
    assert after_run(RetryPolicy(retries=2, infrastructure_retries=1), state, failures, losses) is expected


def test_without_a_policy_a_lost_run_runs_once_more_and_a_failed_one_does_not() -> None:
    assert after_run(RetryPolicy(), State.CRASHED, 0, 1) is AfterRun.RERUN
    assert after_run(RetryPolicy(), State.FAILED, 1, 0) is AfterRun.NOTHING
    assert after_run(RetryPolicy(infrastructure_retries=0), State.CRASHED, 0, 1) is AfterRun.NOTHING


def test_only_who_opens_a_run_by_hand_has_its_ends_forgotten() -> None:
    lost_and_given_back = [
        (State.SCHEDULED, State.PENDING, "driver"),
        (State.RUNNING, State.CRASHED, "recovery"),
        (State.CRASHED, State.SCHEDULED, "retry policy"),
        (State.SCHEDULED, State.PENDING, "driver"),
        (State.PENDING, State.SCHEDULED, "driver"),  # its worker ended before it began
        (State.PENDING, State.CRASHED, "service"),
    ]

    assert count_ends(lost_and_given_back) == Ends(failures=0, losses=1, crashes=2)
    assert count_ends([*lost_and_given_back, (State.CRASHED, State.SCHEDULED, "ana")]) == Ends(0, 0, 0)


def test_an_occurrence_is_known_by_its_instant_in_any_zone() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert occurrence_key(elsewhere, {}) == occurrence_key(NOON, {}) == "2026-03-01T12:00:00Z"


def test_what_a_schedule_gives_its_runs_tells_occurrences_apart() -> None:
    north, south = ({"region": region, "limit": 3} for region in ("north", "south"))

    keys = {occurrence_key(NOON, given) for given in ({}, north, south)}

    assert len(keys) == 3
    assert occurrence_key(NOON, dict(reversed(north.items()))) == occurrence_key(NOON, north)


def test_the_delays_of_a_policy_count_from_the_failure() -> None:
    policy = RetryPolicy(retries=3, delays_seconds=(10.0, 60.0), jitter_factor=0.5)

    assert retry_at(policy, 1, NOON, 0.0) == NOON + timedelta(seconds=10)
    assert retry_at(policy, 2, NOON, 1.0) == NOON + timedelta(seconds=90)
