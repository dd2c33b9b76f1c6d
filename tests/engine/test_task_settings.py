"""The options of tasks and flows: what they become, and what is refused with a word about what to write."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import orchestra_nb
from orchestra_nb import Flow, Task, flow, task
from orchestra_nb.cache_policies import INPUTS, CachePolicy, task_input_hash
from orchestra_nb.engine.task_settings import InvalidOption, OptionWarning, exponential_backoff
from orchestra_nb.exceptions import ReservedArgumentError


def noted(x: int, y: int = 0) -> int:
    """Add."""
    return x + y


@pytest.mark.parametrize(
    ("options", "delays"),
    [
        ({"retries": 3}, (0, 0, 0)),
        ({"retries": 3, "retry_delay_seconds": 2}, (2, 2, 2)),
        ({"retries": 3, "retry_delay_seconds": [1, 10]}, (1, 10, 10)),
        ({"retries": 2, "retry_delay_seconds": timedelta(minutes=1)}, (60, 60)),
        ({"retries": 3, "retry_delay_seconds": exponential_backoff(backoff_factor=10)}, (10, 20, 40)),
        ({"retries": 2, "retry_delay_seconds": lambda retries: [retries] * retries}, (2, 2)),
    ],
    ids=["none", "number", "list", "timedelta", "exponential", "callable"],
)
@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
def test_delays_before_retries(decorate: Any, options: dict[str, Any], delays: tuple[float, ...]) -> None:
    made = decorate(**options)(noted)

    policy = made.settings.retry if isinstance(made, Task) else made.retry
    assert tuple(policy.delay_seconds(number) for number in range(1, len(delays) + 1)) == delays


def test_jitter_makes_a_delay_longer_by_up_to_its_part() -> None:
    policy = task(retries=1, retry_delay_seconds=10, retry_jitter_factor=0.5)(noted).settings.retry

    assert (policy.delay_seconds(1, 0.0), policy.delay_seconds(1, 1.0)) == (10, 15)


def test_the_infrastructure_budget_is_one_unless_the_task_says_another() -> None:
    plain = task(noted)

    budgets = [
        made.settings.retry.infrastructure_retries for made in (plain, plain.with_options(infrastructure_retries=0))
    ]
    assert budgets == [1, 0]


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "2"])
def test_an_infrastructure_budget_is_a_whole_number(value: Any) -> None:
    with pytest.raises(InvalidOption, match="infrastructure_retries is .*. Write a whole number from 0"):
        task(infrastructure_retries=value)(noted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retries": -1}, "retries is -1. Write a whole number from 0"),
        ({"retries": 1.5}, "retries is 1.5"),
        ({"retries": True}, "retries is True"),
        ({"retries": 1, "retry_delay_seconds": "2s"}, "retry_delay_seconds is '2s'. Write a number of seconds"),
        ({"retries": 1, "retry_delay_seconds": [1, -1]}, "retry_delay_seconds is"),
        ({"retries": 1, "retry_jitter_factor": -1}, "retry_jitter_factor is -1"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0. Write a positive number"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds is inf"),
        ({"tags": "nightly"}, "tags is 'nightly'. Write a list of texts, such as tags=[\"nightly\"]"),
        ({"on_failure": [1]}, "on_failure holds 1, which cannot be called"),
        ({"persist_result": "yes"}, "persist_result is 'yes'. Write True or False"),
        ({"name": 3}, "name is 3"),
        ({"retrys": 3}, "no option 'retrys'. Did you mean retries"),
        ({"nothing_like_it": 3}, "The options are: "),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
def test_an_option_that_cannot_be_used_is_refused_with_its_name(
    decorate: Callable[..., Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidOption) as raised:
        decorate(**options)(noted)

    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task_run_name": 3}, "task_run_name is 3. Write a template such as 'load-{region}', or a callable."),
        ({"retry_condition_fn": 3}, "retry_condition_fn is 3, which cannot be called"),
        ({"priority": 1.5}, "priority is 1.5. Write a whole number"),
        ({"resources": {"GPU": 0}}, "resources is {'GPU': 0}. Write such as resources={\"GPU\": 1}"),
    ],
    ids=["task_run_name", "retry_condition_fn", "priority", "resources"],
)
def test_a_tasks_own_option_that_cannot_be_used_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        task(**options)(noted)

    assert words in str(raised.value)


def test_a_task_knows_its_function() -> None:
    made = task(noted)

    assert (made.name, made.description, made.fn(1, y=2), made.__name__, made.__doc__) == (
        "noted",
        "Add.",
        3,
        "noted",
        "Add.",
    )


def test_a_flows_name_has_hyphens() -> None:
    @flow
    def nightly_report() -> None: ...

    assert nightly_report.name == "nightly-report"


def test_with_options_changes_some_and_keeps_the_others() -> None:
    made = task(name="first", tags=["a"], retries=2)(noted)

    changed = made.with_options(name="second", timeout_seconds=5)

    assert (changed.name, changed.tags, changed.retries, changed.settings.timeout_seconds) == ("second", {"a"}, 2, 5)
    assert (made.name, made.settings.timeout_seconds) == ("first", None)
    assert changed.fn is made.fn


@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
def test_with_options_keeps_the_hooks_that_were_added_by_decorator(decorate: Any) -> None:
    made = decorate(noted)
    first = made.on_completion(lambda *_: None)

    renamed, hooked = made.with_options(name="second"), made.with_options(on_completion=[print])
    renamed.on_completion(print)

    assert renamed.on_completion_hooks == [first, print]
    assert hooked.on_completion_hooks == [print]
    assert made.on_completion_hooks == [first]


def test_with_options_refuses_an_option_that_there_is_not() -> None:
    for made in (task(noted), flow(noted)):
        assert isinstance(made, Task | Flow)
        with pytest.raises(InvalidOption, match="no option 'speed'"):
            made.with_options(speed=3)


def test_hooks_are_added_by_decorators() -> None:
    made = flow(noted)

    @made.on_completion
    @made.on_crashed
    def hook(flow: object, run: object, state: object) -> None: ...

    assert (made.on_completion_hooks, made.on_crashed_hooks, made.on_failure_hooks) == ([hook], [hook], [])


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidOption, match="no function"):
        task(name="x")(3)  # type: ignore[arg-type]


def test_two_options_of_which_one_wins_are_warned_of() -> None:
    with pytest.warns(OptionWarning, match="Task 'noted': with persist_result=False there is no cache") as kept:
        uncached = task(persist_result=False, cache_policy=INPUTS)(noted)
    with pytest.warns(OptionWarning, match="Task 'noted': both cache_policy and cache_key_fn") as keyed:
        cached = task(cache_policy=INPUTS, cache_key_fn=task_input_hash)(noted)

    assert not uncached.caching.is_on(flow_persists=True)
    assert cached.caching.policy == CachePolicy.from_cache_key_fn(task_input_hash)
    assert [warning.filename for warning in (kept[0], keyed[0])] == [__file__, __file__]


@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
def test_a_parameter_that_calls_take_for_themselves_is_refused(decorate: Any) -> None:
    with pytest.raises(ReservedArgumentError, match=r"'add' has a parameter wait_for.*Rename it"):

        @decorate
        def add(x: int, wait_for: int = 0) -> int:
            return x + wait_for


@pytest.mark.parametrize(
    ("serializer", "words"),
    [("yaml", "result_serializer is 'yaml'. There is no serializer 'yaml'"), (3, "result_serializer is 3. 3 is no")],
)
def test_a_serializer_that_there_is_not_is_refused_where_the_task_is_made(serializer: Any, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        task(result_serializer=serializer)(noted)


@pytest.mark.parametrize(
    "call",
    [flow(noted).serve, Flow.from_source, orchestra_nb.serve, orchestra_nb.deploy],
    ids=["flow.serve", "Flow.from_source", "serve", "deploy"],
)
def test_ways_to_deploy_that_there_are_not_say_what_to_do(call: Callable[..., Any]) -> None:
    with pytest.raises(NotImplementedError, match=r"is not here. Write flow.deploy") as raised:
        call(name="nightly", cron="0 3 * * *")

    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
