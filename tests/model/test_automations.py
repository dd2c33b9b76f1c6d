"""What comes of what happens, decided purely: triggers, conditions, templates, and hops that come to an end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_decisions import Firing, decide, hops_of_event, hops_of_tags, tags_of
from orchestra_nb.model.automation_names import check_texts
from orchestra_nb.model.automation_triggers import TriggerState, first_state
from orchestra_nb.model.automations import (
    MOST_HOPS,
    Absent,
    Automation,
    CallWebhook,
    EmitEvent,
    EventMatch,
    Happening,
    Happens,
    Metric,
    Notify,
    Repeated,
    RunDeployment,
    RunMatch,
    Together,
    Trigger,
    check_automation,
)
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.webhook_calls import call_title, check_call

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = 10.0


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def emitted(name: str, seconds: float = 0.0, *, resource: str = "orders", **payload: object) -> Happening:
    key = f"event/{name}/{seconds}/{resource}"
    event = CustomEvent(
        event_id=key, event=name, resource={"id": resource}, occurred_at=after(seconds), payload=payload
    )
    return Happening(key=key, at=after(seconds), event=event)


def ended(state: State = State.COMPLETED, seconds: float = 0.0, *, number: int = 0, **fields: object) -> Happening:
    returned = fields.pop("returned", {})
    hops = fields.pop("hops", 0)
    is_retried = fields.pop("is_retried", False)
    defaults: dict[str, object] = {"flow_name": "load", "deployment": "load", "kind": RunKind.NOTEBOOK}
    run = Run(
        run_id=f"{number:032x}",
        name=f"run-{number}",
        state=state,
        created_at=NOON,
        ended_at=after(seconds) if state.is_terminal else None,
        **{**defaults, **fields},  # type: ignore[arg-type]
    )
    return Happening(
        key=f"change/{number}/{state}/{seconds}",
        at=after(seconds),
        run=run,
        returned=returned,  # type: ignore[arg-type]
        hops=hops,  # type: ignore[arg-type]
        is_retried=is_retried,  # type: ignore[arg-type]
    )


def automation(trigger: Trigger, **fields: object) -> Automation:
    actions = (EmitEvent(event="done", resource="it"),)
    return Automation(**{"name": "auto", "trigger": trigger, "actions": actions, **fields})  # type: ignore[arg-type]


def play(one: Automation, happenings: Sequence[Happening], until: float | None = None) -> list[Firing]:
    """Decide about happenings one after the other, with a state that was stored between them."""
    state, firings = first_state(one.trigger, NOON), []
    steps: list[Happening | None] = [*happenings, *([None] if until is not None else [])]
    for happening in steps:
        decision = decide(one, state, happening, after(until or 0.0))
        firings += decision.firings
        stored = json.loads(json.dumps(msgspec.to_builtins(decision.state)))
        state = msgspec.convert(stored, TriggerState)
        assert state == decision.state
    return firings


def fired_at(one: Automation, happenings: Sequence[Happening], until: float | None = None) -> list[float]:
    return [(firing.at - NOON).total_seconds() for firing in play(one, happenings, until)]


@pytest.mark.parametrize(
    ("match", "happening", "is_one"),
    [
        pytest.param(RunMatch(), ended(State.RUNNING), True, id="any state of any run"),
        pytest.param(RunMatch(states=(State.FAILED,)), ended(), False, id="another state"),
        pytest.param(RunMatch(deployments=("lo*",)), ended(), True, id="a pattern of deployments"),
        pytest.param(RunMatch(deployments=("load",)), ended(deployment=None), False, id="a run of no deployment"),
        pytest.param(RunMatch(flow_names=("train",)), ended(), False, id="another flow"),
        pytest.param(RunMatch(tags={"team": None}), ended(tags={"team": "a"}), True, id="a tag with any value"),
        pytest.param(RunMatch(tags={"team": "b"}), ended(tags={"team": "a"}), False, id="a tag with another value"),
        pytest.param(RunMatch(), ended(parent_run_id="1"), False, id="a child run"),
        pytest.param(RunMatch(has_child_runs=True), ended(parent_run_id="1"), True, id="a child run that is wanted"),
        pytest.param(RunMatch(), ended(State.FAILED, is_retried=True), False, id="a failure that is tried again"),
        pytest.param(RunMatch(has_retried=True), ended(State.FAILED, is_retried=True), True, id="such one, wanted"),
        pytest.param(RunMatch(condition="rows == 0"), ended(returned={"rows": 0}), True, id="a condition that holds"),
        pytest.param(RunMatch(condition="rows == 0"), ended(returned={"rows": 1}), False, id="one that does not"),
        pytest.param(RunMatch(), emitted("orders.new"), False, id="an event is no run"),
        pytest.param(EventMatch(names=("orders.*",)), emitted("orders.new"), True, id="a pattern of events"),
        pytest.param(EventMatch(resources=("eu*",)), emitted("orders.new"), False, id="another resource"),
        pytest.param(EventMatch(), ended(), False, id="a run is no event"),
        pytest.param(EventMatch(condition="event.payload.n > 1"), emitted("a", n=2), True, id="a payload"),
    ],
)
def test_a_match_tells_what_it_is_about(match: RunMatch | EventMatch, happening: Happening, is_one: bool) -> None:
    assert len(play(automation(Happens(matches=(match,))), [happening])) == is_one


def test_actions_are_rendered_and_values_keep_their_types() -> None:
    rendered = automation(
        Happens(matches=(RunMatch(),)),
        condition="rows == 0 and returned.path",
        actions=(
            RunDeployment(
                deployment="refill-{{ run.parameters.region }}",
                parameters={
                    "rows": "{{ rows }}",
                    "day": "{{ run.parameters.day }}",
                    "all": ["{{ [rows, 1] }}"],
                    "n": 3,
                },
            ),
            Notify(channel="chat", title="{{ run.name }}: {{ rows }} rows", body="{{ about }} at {{ at | time }}"),
        ),
    )

    (firing,) = play(
        rendered, [ended(returned={"rows": 0, "path": "a.csv"}, parameters={"region": "eu", "day": "2026-03-01"})]
    )

    assert firing.actions == (
        RunDeployment(deployment="refill-eu", parameters={"rows": 0, "day": "2026-03-01", "all": [[0, 1]], "n": 3}),
        Notify(channel="chat", title="run-0: 0 rows", body="run-0 of load is COMPLETED at 2026-03-01 12:00:00 UTC"),
    )
    assert (firing.refusal, firing.hops, firing.run_id) == ("", 1, f"{0:032x}")


CALL = CallWebhook(url="https://example.org/x")


def called(call: CallWebhook, **returned: object) -> Firing:
    (firing,) = play(automation(Happens(matches=(RunMatch(),)), actions=(call,)), [ended(returned=returned)])
    return firing


def test_a_call_sends_mappings_and_lists_as_json_and_what_can_be_encoded() -> None:
    said = {"text": "{{ returned }}", "headers": {"X-Rows": "{{ [rows, name] }}"}}
    of_text = called(msgspec.structs.replace(CALL, **said), rows=2, name="ä\ud800", ok=True)
    of_json = called(
        msgspec.structs.replace(CALL, json={"n": "{{ rows }}", "of": ["{{ name }}"]}), rows=2**70, name="\udfff"
    )

    assert of_text.actions == (
        CallWebhook(
            url=CALL.url, text='{"rows": 2, "name": "ä?", "ok": true}', headers={"X-Rows": '[2, "\\u00e4\\ud800"]'}
        ),
    )
    assert of_json.actions == (CallWebhook(url=CALL.url, json={"n": 2**70, "of": ["?"]}),)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"json": {"rows": ["{{ rows }}"]}}, "json.rows[0] is nan, which JSON does not have. Send a number, a text or"),
        ({"text": "{{ [rows] }}"}, "The text has NaN or an infinity, which JSON does not have."),
        ({"headers": {"X-Rows": "{{ returned }}"}}, "The header X-Rows has NaN or an infinity, which JSON does not h"),
        ({"url": "https://example.org/?{{ word }}=1"}, "api-key in the query of the address holds a secret. Set all "),
    ],
)
def test_a_call_that_cannot_say_what_it_should_is_refused(fields: dict[str, object], refusal: str) -> None:
    firing = called(msgspec.structs.replace(CALL, **fields), rows=float("nan"), word="api-key")

    assert (firing.actions, firing.refusal[: len(refusal)]) == ((), refusal)


@pytest.mark.parametrize("name", ["api_key", "ACCESS_TOKEN", "for=ana&sig", "client%5Fsecret", "{{ a }}=b&password"])
def test_an_address_with_a_secret_in_its_query_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"in the query of the address holds a secret. Set all of the address with"):
        check_call(CallWebhook(url=f"https://example.org/x?{name}={{{{ value }}}}"), is_rendered=False)


def test_the_title_of_a_call_has_its_address_without_a_query() -> None:
    urls = (
        "https://example.org/a?for=ana#x",
        "https://example.org/{{ run.name ~ '?' }}/a?n={{ rows }}",
        "{{ a['?'] }}",
    )

    assert [call_title(CallWebhook(url=url)) for url in urls] == [
        "POST https://example.org/a?…",
        "POST https://example.org/{{ run.name ~ '?' }}/a?…",
        "POST {{ a['?'] }}",
    ]
    assert check_call(CallWebhook(url="https://example.org/a?for=token"), is_rendered=True).url.endswith("for=token")


@pytest.mark.parametrize(
    "condition",
    ["rows == 0", "run.nothing", "returned.rows > 1", "''.__class__.__mro__", "'a' * 10000000", "2 ** 100000"],
)
def test_a_condition_that_cannot_be_told_is_said_and_nothing_is_done(condition: str) -> None:
    (firing,) = play(automation(Happens(matches=(RunMatch(),)), condition=condition), [ended()])

    assert condition.split()[0].strip("'") in firing.refusal
    assert "cannot be used" in firing.refusal
    assert firing.actions == ()


def test_a_condition_that_asks_for_what_is_not_there_is_told_what_is() -> None:
    (firing,) = play(automation(Happens(matches=(RunMatch(),)), condition="run.nme == 'a'"), [ended()])

    assert "there is no 'nme', only " in firing.refusal
    assert ", name, " in firing.refusal


def test_a_condition_that_does_not_hold_is_told_apart() -> None:
    (firing,) = play(automation(Happens(matches=(RunMatch(),)), condition="1 > 2"), [ended()])

    assert (firing.is_met, firing.actions) == (False, ())


@pytest.mark.parametrize(
    "fields",
    [
        {"condition": "rows =="},
        {"trigger": Happens(matches=(RunMatch(condition="("),))},
        {"actions": (RunDeployment(deployment="b", parameters={"a": ["{{ rows"]}),)},
        {"actions": (Notify(channel="{% if %}"),)},
    ],
)
def test_what_is_no_expression_or_template_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="cannot be used"):
        check_texts(automation(**{"trigger": Happens(matches=(RunMatch(),)), **fields}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"actions": ()},
        {"trigger": Happens(matches=())},
        {"trigger": Repeated(match=RunMatch(), count=0, within_seconds=1)},
        {"trigger": Absent(expected=RunMatch(), within_seconds=0)},
        {"trigger": Metric(figure="duration", match=RunMatch(), over=3)},
        {"trigger": Metric(figure="duration", match=RunMatch(), over=3, above=1, below=1)},
        {"trigger": Metric(figure="duration", match=RunMatch(states=(State.FAILED,)), over=3, above=1)},
    ],
)
def test_an_automation_that_could_never_act_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        check_automation(automation(**{"trigger": Happens(matches=(RunMatch(),)), **fields}))  # type: ignore[arg-type]


def test_a_chain_of_automations_ends_after_ten_hops() -> None:
    one = automation(Happens(matches=(RunMatch(),)), actions=(RunDeployment(deployment="load"),))
    hops, firings = 0, []

    for number in range(20):
        (firing,) = play(one, [ended(number=number, hops=hops)])
        firings.append(firing)
        if firing.refusal:
            break
        hops = hops_of_tags(tags_of("auto", firing.hops))

    assert [len(firing.actions) for firing in firings] == [1] * MOST_HOPS + [0]
    assert "10 hops" in firings[-1].refusal


def test_hops_of_events_are_those_of_the_automation_that_emitted_them() -> None:
    emitter = {"id": "automation x", "role": "automation", "hops": "7"}
    event = CustomEvent(event_id="1", event="a", resource={"id": "x"}, occurred_at=NOON, related=(emitter,))

    assert hops_of_event(event) == 7
    assert (
        hops_of_event(msgspec.structs.replace(event, related=({"id": "x", "role": "automation", "hops": "ten"},))) == 0
    )


def test_what_is_expected_always_is_absent_once_until_it_comes_again() -> None:
    absent = automation(Absent(expected=EventMatch(names=("beat",)), within_seconds=WINDOW))

    assert fired_at(absent, [], until=9) == []
    assert fired_at(absent, [], until=100) == [10]
    assert fired_at(absent, [emitted("beat", 8), emitted("beat", 15)], until=24) == []
    assert fired_at(absent, [emitted("beat", 8), emitted("beat", 40)], until=60) == [18, 50]


def test_what_is_expected_after_something_is_absent_for_each_of_them() -> None:
    absent = automation(
        Absent(
            expected=RunMatch(states=(State.COMPLETED,)),
            after=RunMatch(states=(State.RUNNING,)),
            within_seconds=WINDOW,
            for_each="run",
        ),
        actions=(Notify(channel="{{ run.name }}", body="{{ about }}"),),
    )

    firings = play(
        absent,
        [
            ended(State.RUNNING, 0, number=1),
            ended(State.RUNNING, 1, number=2),
            ended(State.COMPLETED, 9, number=1),
            ended(State.RUNNING, 20, number=3),
        ],
        until=29,
    )

    assert [(firing.at, firing.run_id) for firing in firings] == [(after(11), f"{2:032x}")]
    assert firings[0].actions == (Notify(channel="run-2", body="nothing followed: run-2 of load is RUNNING"),)


def moments() -> st.SearchStrategy[list[tuple[float, str]]]:
    names = st.sampled_from("abc")
    steps = st.lists(st.tuples(st.integers(1, 8), names), max_size=25)
    return steps.map(
        lambda found: [(float(sum(n for n, _ in found[: i + 1])), name) for i, (_, name) in enumerate(found)]
    )


@given(moments(), st.integers(1, 4))
def test_something_repeated_fires_when_so_many_fell_into_a_window(found: list[tuple[float, str]], count: int) -> None:
    one = automation(Repeated(match=EventMatch(names=("a",)), count=count, within_seconds=WINDOW))
    expected, since = [], -1.0
    for at, name in found:
        in_window = [t for t, n in found if n == "a" and max(since, at - WINDOW - 1e-9) < t <= at]
        if name == "a" and len(in_window) >= count:
            expected.append(at)
            since = at

    assert fired_at(one, [emitted(name, at) for at, name in found]) == expected


def ways(found: Sequence[tuple[float, str]], names: Sequence[str], is_ordered: bool) -> Iterator[float]:
    """Yield when the first way through these names within a window ends, and then those after it: by trying all."""
    since = -1.0
    for at, _ in found:
        near = [(t, n) for t, n in found if since < t <= at and t >= at - WINDOW]
        some = combinations(near, len(names))
        orders = ([n for _, n in way] for way in some)
        if any(order == list(names) if is_ordered else sorted(order) == sorted(names) for order in orders):
            yield at
            since = at


@given(moments(), st.sampled_from(["ab", "abc", "aba", "aa"]))
def test_a_sequence_fires_when_there_is_a_way_through_it_within_the_window(
    found: list[tuple[float, str]], names: str
) -> None:
    matches = tuple(EventMatch(names=(name,)) for name in names)
    one = automation(Together(matches=matches, within_seconds=WINDOW, is_ordered=True))

    assert fired_at(one, [emitted(name, at) for at, name in found]) == list(ways(found, names, is_ordered=True))


@given(moments(), st.sampled_from(["ab", "abc"]))
def test_all_of_several_fire_when_they_fell_into_one_window(found: list[tuple[float, str]], names: str) -> None:
    one = automation(Together(matches=tuple(EventMatch(names=(name,)) for name in names), within_seconds=WINDOW))

    assert fired_at(one, [emitted(name, at) for at, name in found]) == list(ways(found, names, is_ordered=False))


def test_each_resource_is_counted_for_itself() -> None:
    one = automation(Repeated(match=EventMatch(), count=2, within_seconds=WINDOW, for_each="resource"))

    firings = play(one, [emitted("a", 0, resource="x"), emitted("a", 1, resource="y"), emitted("a", 2, resource="x")])

    assert [firing.at for firing in firings] == [after(2)]


def test_a_success_rate_is_news_when_it_crosses_its_bound() -> None:
    one = automation(Metric(figure="success_rate", match=RunMatch(deployments=("load",)), over=4, below=0.6))
    ends = [True, False, False, True, False, True, True, True, False, False, True]
    states = [State.COMPLETED if is_good else State.FAILED for is_good in ends]

    happenings = [ended(state, number, number=number) for number, state in enumerate(states)]
    happenings.insert(4, ended(State.CANCELLED, 3.5, number=90))

    assert fired_at(one, happenings) == [3, 9]


@pytest.mark.parametrize(
    ("figure", "seconds"),
    [("duration", [2.0, 6.0, 9.0, 1.0, 1.0, 20.0]), ("lateness", [0.0, 8.0, 9.0, 0.0, 0.0, 30.0])],
)
def test_the_mean_of_the_last_runs_is_held_against_its_bound(figure: str, seconds: list[float]) -> None:
    one = automation(Metric(figure=figure, match=RunMatch(), over=2, above=6.0))  # type: ignore[arg-type]

    def run(number: int, value: float) -> Happening:
        started_at = after(100 * number + (value if figure == "lateness" else 0.0))
        end = 100 * number + value + 1 - (figure == "duration")
        return ended(seconds=end, number=number, due_at=after(100 * number), started_at=started_at)

    firings = play(one, [run(number, value) for number, value in enumerate(seconds)])

    assert [firing.run_id for firing in firings] == [f"{2:032x}", f"{5:032x}"]
