"""Which ends of runs are told of, and in what words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.deployments import BACKFILL_TAG, occurrence_key
from orchestra_nb.model.notification_texts import check_templates, text_of
from orchestra_nb.model.notifications import (
    Decision,
    Health,
    News,
    NotificationRule,
    Occasion,
    Standing,
    check_rule,
    decide,
    decide_lateness,
    is_about,
    standing_key,
    subject_of,
)
from orchestra_nb.model.outbox import DELIVERY, next_try_at
from orchestra_nb.model.public_addresses import is_public
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import TERMINAL_STATES, State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def run_of(state: State = State.FAILED, **fields: object) -> Run:
    defaults: dict[str, object] = {
        "run_id": "1",
        "name": "calm-fox",
        "flow_name": "train",
        "kind": RunKind.NOTEBOOK,
        "created_at": NOON,
    }
    return Run(state=state, **{**defaults, **fields})  # type: ignore[arg-type]


def rule_of(**fields: object) -> NotificationRule:
    return NotificationRule(**{"name": "team", "channels": ("chat",), **fields})  # type: ignore[arg-type]


def told(rule: NotificationRule, *states: State, is_retried: bool = False) -> list[str | None]:
    """Return the moment that is told at each of these ends, one after the other."""
    standing = None
    moments = []
    for number, state in enumerate(states):
        at = NOON + timedelta(minutes=number)
        decision = decide(rule, run_of(state), at, standing, is_retried=is_retried)
        standing = decision.standing
        moments.append(None if decision.news is None else decision.news.moment)
    return moments


OK, FAILED, MISSED, CRASHED = State.COMPLETED, State.FAILED, State.MISSED, State.CRASHED
CANCELLED, SKIPPED, PAUSED = State.CANCELLED, State.SKIPPED, State.PAUSED


@pytest.mark.parametrize(
    ("rule", "states", "moments"),
    [
        (rule_of(), [OK, FAILED, OK], [None, "failed", "recovered"]),
        (rule_of(), [FAILED, CRASHED, State.TIMED_OUT], ["failed", None, None]),
        (rule_of(), [FAILED, CANCELLED, SKIPPED, FAILED], ["failed", None, None, None]),
        (rule_of(), [OK, MISSED, MISSED, OK, OK], [None, "missed", None, "recovered", None]),
        (rule_of(), [MISSED, FAILED, MISSED], ["missed", "failed", "missed"]),
        (rule_of(occasion=Occasion.FAILURE), [FAILED, FAILED, OK, MISSED], ["failed", "failed", None, "missed"]),
        (
            rule_of(occasion=Occasion.END),
            [OK, CANCELLED, FAILED, OK, PAUSED],
            ["completed", "cancelled", "failed", "recovered", None],
        ),
        (
            rule_of(occasion=Occasion.NONE, states=(PAUSED, CANCELLED)),
            [PAUSED, FAILED, CANCELLED],
            ["paused", None, "cancelled"],
        ),
        (rule_of(states=(PAUSED, CRASHED)), [PAUSED, FAILED, CRASHED], ["paused", "failed", "failed"]),
    ],
    ids=[
        "a change",
        "failures that repeat",
        "what says nothing about health",
        "missed occurrences",
        "missed and failed are not the same",
        "every failure",
        "every end",
        "states alone",
        "states besides",
    ],
)
def test_what_is_told(rule: NotificationRule, states: list[State], moments: list[str | None]) -> None:
    assert told(rule, *states) == moments


def test_a_failure_that_is_tried_again_is_no_change_of_health_but_a_failure() -> None:
    assert told(rule_of(), OK, FAILED, is_retried=True) == [None, None]
    assert told(rule_of(occasion=Occasion.FAILURE), FAILED, is_retried=True) == ["failed"]


def test_a_run_that_waits_is_late_once_until_its_deployment_goes_on() -> None:
    rule = rule_of(late_seconds=60.0)
    run = run_of(State.SCHEDULED, due_at=NOON)
    early, late = NOON + timedelta(seconds=59), NOON + timedelta(seconds=60)

    in_time = decide_lateness(rule, run, early, None)
    first = decide_lateness(rule, run, late, None)
    again = decide_lateness(rule, run, late, first.standing)
    started = decide(rule, run_of(OK), late, first.standing)

    assert (in_time.news, again.news) == (None, None)
    assert first.news == News(moment="late", severity="warning", run=run, at=late, previous=None)
    assert started.news is not None
    assert started.news.moment == "recovered"
    assert decide_lateness(rule_of(), run, late, None).news is None


def test_what_makes_up_for_the_past_changes_no_health_and_is_not_late() -> None:
    backfill = {"tags": {BACKFILL_TAG: ""}, "due_at": NOON - timedelta(days=30)}
    failed = decide(rule_of(), run_of(FAILED), NOON, None).standing

    assert decide(rule_of(), run_of(FAILED, **backfill), NOON, None) == Decision(news=None, standing=None)
    assert decide(rule_of(), run_of(OK, **backfill), NOON, failed) == Decision(news=None, standing=failed)
    assert decide(rule_of(occasion=Occasion.FAILURE), run_of(FAILED, **backfill), NOON, None).news is not None
    waiting = run_of(State.SCHEDULED, **backfill)
    assert decide_lateness(rule_of(late_seconds=60.0), waiting, NOON, None) == Decision(news=None, standing=None)


def test_every_end_has_a_severity() -> None:
    rule = rule_of(occasion=Occasion.END)

    severities = {
        state: decision.news.severity
        for state in TERMINAL_STATES
        if (decision := decide(rule, run_of(state), NOON, None)).news is not None
    }

    assert severities == {
        State.COMPLETED: "success",
        State.FAILED: "failure",
        State.TIMED_OUT: "failure",
        State.CRASHED: "failure",
        State.UPSTREAM_FAILED: "failure",
        State.MISSED: "warning",
        State.CANCELLED: "info",
        State.SKIPPED: "info",
    }


@pytest.mark.parametrize(
    ("fields", "run", "expected"),
    [
        ({}, run_of(), True),
        ({}, run_of(parent_run_id="0"), False),
        ({"has_child_runs": True}, run_of(parent_run_id="0"), True),
        ({"flow_names": ("load", "tr*")}, run_of(), True),
        ({"flow_names": ("load",)}, run_of(), False),
        ({"deployments": ("daily",)}, run_of(deployment="daily"), True),
        ({"deployments": ("*",)}, run_of(), False),
        ({"kinds": (RunKind.FLOW,)}, run_of(), False),
        ({"tags": {"team": None}}, run_of(tags={"team": "a"}), True),
        ({"tags": {"team": "b"}}, run_of(tags={"team": "a"}), False),
        ({"tags": {"team": None, "level": "prod"}}, run_of(tags={"team": "a"}), False),
    ],
    ids=repr,
)
def test_which_runs_a_rule_is_about(fields: dict[str, object], run: Run, expected: bool) -> None:
    assert is_about(rule_of(**fields), run) is expected


def test_runs_of_a_deployment_are_apart_from_those_of_its_flow() -> None:
    assert [subject_of(run_of()), subject_of(run_of(deployment="daily"))] == ["flow train", "deployment daily"]


def test_each_schedule_with_parameters_of_its_own_has_a_health_of_its_own() -> None:
    given = [{}, {"region": "EU"}, {"region": "US"}]

    keys = [standing_key(run_of(deployment="daily", occurrence=occurrence_key(NOON, one))) for one in given]
    later = standing_key(run_of(deployment="daily", occurrence=occurrence_key(NOON + timedelta(days=1), given[1])))

    assert len(set(keys)) == 3
    assert (keys[0], later) == ("deployment daily", keys[1])
    assert standing_key(run_of(deployment="daily")) == keys[0]


@pytest.mark.parametrize("fields", [{"channels": ()}, {"occasion": Occasion.NONE}], ids=["no channel", "no occasion"])
def test_a_rule_that_tells_nobody_anything_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="'team'"):
        check_rule(rule_of(**fields))


def failure(previous: Standing | None = None, **fields: object) -> News:
    return News(moment="failed", severity="failure", run=run_of(**fields), at=NOON, previous=previous)


def test_the_usual_words_say_what_failed_why_since_when_and_where_to_look() -> None:
    before = Standing(health=Health.OK, since=NOON, state=OK, at=NOON - timedelta(days=1), run_name="old-owl")
    news = failure(before, message="ValueError: no rows", deployment="daily", epoch=3, due_at=NOON, started_at=NOON)
    news = msgspec.structs.replace(news, run=msgspec.structs.replace(news.run, parameters={"region": "EU", "limit": 3}))

    text = text_of(rule_of(), news)

    assert text.title == "train failed (deployment daily)"
    assert text.body == (
        "calm-fox of train is FAILED: ValueError: no rows\n\n"
        "Due: 2026-03-01 12:00:00 UTC\n"
        "Parameters: region='EU', limit=3\n"
        "Started: 2026-03-01 12:00:00 UTC\n"
        "Failed: 2026-03-01 12:00:00 UTC\n"
        "Attempt: 3\n"
        "Before: old-owl was COMPLETED at 2026-02-28 12:00:00 UTC\n"
        "Look: orchestra runs show calm-fox"
    )


@pytest.mark.parametrize("pages_url", ["https://host/orchestra/", "https://host/orchestra"])
def test_where_the_pages_are_known_a_message_links_to_that_of_its_run(pages_url: str) -> None:
    news = failure()

    usual = text_of(rule_of(), news, pages_url)
    own = text_of(rule_of(body="{{ link }}"), news, pages_url)

    assert own.body == f"https://host/orchestra/runs/{news.run.run_id}"
    assert usual.body.endswith(f"\nLook: orchestra runs show calm-fox\n{own.body}")
    assert text_of(rule_of(body="[{{ link }}]"), news).body == "[]"


def test_a_recovery_says_how_long_it_took() -> None:
    since = NOON - timedelta(hours=2)
    before = Standing(health=Health.FAILED, since=since, state=CRASHED, at=NOON, run_name="old-owl")
    news = News(moment="recovered", severity="success", run=run_of(OK), at=NOON, previous=before)

    text = text_of(rule_of(), news)

    assert text.title == "train recovered"
    assert "Before: failed since 2026-03-01 10:00:00 UTC (2 h), last old-owl" in text.body


def test_templates_of_a_rule_are_used() -> None:
    rule = check_templates(rule_of(title="{{ run.name\n}}:\n{{ moment }}", body="{{ run.tags.team or 'nobody' }}"))

    text = text_of(rule, failure(tags={"team": "blå <b>"}))

    assert (text.title, text.body) == ("calm-fox: failed", "blå <b>")


@pytest.mark.parametrize(
    "template", ["{{ run.nmae }}", "{{", "{{ ''.__class__.__mro__ }}", "{{ run.update({}) }}"], ids=repr
)
def test_templates_that_cannot_be_used_are_refused_and_never_keep_silent(template: str) -> None:
    rule = rule_of(body=template)

    with pytest.raises(InvalidInput, match="The templates of the rule 'team' cannot be used"):
        check_templates(rule)
    text = text_of(rule, failure())

    assert text.title == "train failed"
    assert text.body.startswith("calm-fox of train is FAILED")
    assert "The templates of the rule team cannot be used" in text.body


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("{{ run.nme }}", "there is no 'nme', only run_id, name, flow_name, kind, state, "),
        ("{{ rn.name }}", "'rn' is undefined. It may use: rule, moment, subject, parameters, run, at, "),
    ],
    ids=["of the run", "of the news"],
)
def test_a_template_that_asks_for_what_is_not_there_is_told_at_its_field_what_is(field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_templates(rule_of(title=field))

    assert refused.value.at is not None
    assert list(refused.value.at) == ["/title"]
    assert refused.value.at["/title"].startswith(words)
    assert "UndefinedError" not in str(refused.value)


def test_long_texts_are_cut() -> None:
    text = text_of(rule_of(title="{{ 'x' * 9000 }}", body="{{ 'y' * 90000 }}"), failure())

    assert (len(text.title), len(text.body), text.body[-2:]) == (250, 8000, "y…")


def test_the_delay_grows_until_no_try_is_left() -> None:
    delays = [next_try_at(DELIVERY, attempts, NOON, 0.0) for attempts in range(1, 9)]

    assert [None if at is None else (at - NOON).total_seconds() for at in delays] == [
        *(30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0),
        None,
    ]
    assert next_try_at(DELIVERY, 1, NOON, 1.0) == NOON + timedelta(seconds=45)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.1.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1%eth0", "fd00::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "localhost", "", "/run/socket"),
    ],
)
def test_addresses_of_the_own_network_are_not(address: str) -> None:
    assert not is_public(address)
