"""Which calls of a task are the same call."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from orchestra_nb.engine.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    CacheContext,
    CachePolicy,
    task_input_hash,
)
from orchestra_nb.errors import InvalidInput, ValueNotHashable

CALL: dict[str, Any] = {"inputs": {"x": 1, "y": [2]}, "flow_parameters": {"day": "monday"}}
CONTEXT = CacheContext(task_source=lambda: "source", run_id="run")
OTHER_RUN = CacheContext(task_source=lambda: "source", run_id="other run")
OTHER_SOURCE = CacheContext(task_source=lambda: "other source", run_id="run")


def key_of(policy: CachePolicy, context: CacheContext = CONTEXT, **changes: Any) -> str | None:
    return policy.compute_key(context, **{**CALL, **changes})


def no_source() -> str:
    raise AssertionError("the source was not asked for")


def key_from_words(context: CacheContext, arguments: dict[str, Any]) -> str | None:
    return f"{context.run_id}-{arguments['x']}" if arguments["x"] else None


@pytest.mark.parametrize(
    ("policy", "differing"),
    [
        pytest.param(INPUTS, {"inputs"}, id="INPUTS"),
        pytest.param(TASK_SOURCE, {"source"}, id="TASK_SOURCE"),
        pytest.param(RUN_ID, {"run"}, id="RUN_ID"),
        pytest.param(FLOW_PARAMETERS, {"parameters"}, id="FLOW_PARAMETERS"),
        pytest.param(DEFAULT, {"inputs", "source", "run"}, id="DEFAULT"),
        pytest.param(INPUTS + FLOW_PARAMETERS, {"inputs", "parameters"}, id="a sum"),
        pytest.param(DEFAULT - "x", {"inputs", "source", "run"}, id="a sum without an argument"),
    ],
)
def test_a_key_depends_on_what_its_policy_names(policy: CachePolicy, differing: set[str]) -> None:
    others = {
        "inputs": key_of(policy, inputs={"x": 1, "y": [3]}),
        "source": key_of(policy, OTHER_SOURCE),
        "run": key_of(policy, OTHER_RUN),
        "parameters": key_of(policy, flow_parameters={"day": "tuesday"}),
    }

    assert key_of(policy) is not None
    assert {name for name, key in others.items() if key != key_of(policy)} == differing


def test_default_is_inputs_source_and_run() -> None:
    assert key_of(DEFAULT) == key_of(INPUTS + TASK_SOURCE + RUN_ID)


@pytest.mark.parametrize("policy", [NONE, NO_CACHE, NONE + NO_CACHE])
def test_no_policy_gives_no_key(policy: CachePolicy) -> None:
    assert key_of(policy) is None


def test_adding_no_policy_changes_nothing() -> None:
    assert INPUTS + NONE == INPUTS == NO_CACHE + INPUTS
    assert DEFAULT + NONE == DEFAULT


def test_the_order_of_a_sum_does_not_count() -> None:
    assert key_of(RUN_ID + INPUTS + TASK_SOURCE) == key_of(DEFAULT)


def test_parts_without_a_key_do_not_count() -> None:
    assert key_of(INPUTS) is not None
    assert key_of(INPUTS, inputs={}) is None
    assert key_of(FLOW_PARAMETERS, flow_parameters={}) is None
    assert key_of(INPUTS + FLOW_PARAMETERS, inputs={}, flow_parameters={}) is None
    assert key_of(DEFAULT, inputs={}) == key_of(TASK_SOURCE + RUN_ID)


@pytest.mark.parametrize("policy", [INPUTS - "y", INPUTS + TASK_SOURCE - "y", (INPUTS - "y") + INPUTS - "z"])
def test_an_argument_that_was_taken_away_does_not_count(policy: CachePolicy) -> None:
    assert key_of(policy, inputs={"x": 1, "y": threading.Lock()}) == key_of(policy)
    assert key_of(policy, inputs={"x": 2, "y": [2]}) != key_of(policy)


@pytest.mark.parametrize("policy", [TASK_SOURCE, RUN_ID, FLOW_PARAMETERS, NONE, TASK_SOURCE + RUN_ID])
def test_taking_an_argument_from_a_policy_without_inputs_changes_nothing(policy: CachePolicy) -> None:
    assert policy - "x" == policy


def test_only_names_can_be_taken_away() -> None:
    for policy in (INPUTS, DEFAULT, RUN_ID):
        with pytest.raises(TypeError, match="Only the name of an argument"):
            policy - 1  # type: ignore[operator]


def test_the_source_is_asked_for_only_where_it_counts() -> None:
    context = CacheContext(task_source=no_source, run_id="run")

    assert key_of(INPUTS + RUN_ID, context) is not None
    with pytest.raises(AssertionError):
        key_of(DEFAULT, context)


def test_an_argument_without_content_is_named_with_the_remedies() -> None:
    with pytest.raises(ValueNotHashable) as refusal:
        key_of(DEFAULT, inputs={"x": 1, "conn": {"pool": threading.Lock()}})

    assert "conn['pool'] (type lock) has no fingerprint" in str(refusal.value)
    assert 'cache_policy=INPUTS - "conn"' in str(refusal.value)
    assert "cache_policy=NO_CACHE" in str(refusal.value)


def test_a_function_may_make_the_key() -> None:
    policy = CachePolicy.from_cache_key_fn(key_from_words)

    assert key_of(policy) == "run-1"
    assert key_of(policy, inputs={"x": 0}) is None
    assert key_of(policy + RUN_ID, inputs={"x": 0}) == key_of(RUN_ID + policy, inputs={"x": 0})


def test_a_function_that_makes_no_text_is_refused() -> None:
    policy = CachePolicy.from_cache_key_fn(lambda context, arguments: 7)  # type: ignore[arg-type,return-value]

    with pytest.raises(InvalidInput, match="returned 7 as a cache key"):
        key_of(policy)


def test_the_hash_of_the_inputs_as_a_key_function() -> None:
    policy = CachePolicy.from_cache_key_fn(task_input_hash)

    assert key_of(policy) == key_of(policy, OTHER_RUN) != key_of(policy, OTHER_SOURCE)


def test_a_class_written_for_prefect_is_a_policy() -> None:
    @dataclass
    class ByDay(CachePolicy):
        prefix: str = "day"

        def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **kwargs: Any) -> str | None:
            return f"{self.prefix}-{flow_parameters['day']}"

    assert key_of(ByDay()) == "day-monday"
    assert key_of(ByDay() + INPUTS) != key_of(INPUTS)


class Level(Enum):
    SERIALIZABLE = "serializable"


@pytest.mark.parametrize("level", ["SERIALIZABLE", Level.SERIALIZABLE])
def test_a_configured_policy_keeps_its_settings(level: object) -> None:
    configured = INPUTS.configure(key_storage="/keys").configure(isolation_level=level)
    travelled = pickle.loads(pickle.dumps(configured + RUN_ID - "x"))

    assert (INPUTS.key_storage, INPUTS.isolation_level) == (None, None)
    for policy in (configured, configured - "x", configured + RUN_ID, RUN_ID + configured, travelled):
        assert (policy.key_storage, policy.isolation_level) == ("/keys", "SERIALIZABLE")
    assert configured != INPUTS
    assert key_of(configured) == key_of(INPUTS)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidInput, match="different key_storage"):
        INPUTS.configure(key_storage="/one") + RUN_ID.configure(key_storage="/two")


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InvalidInput, match="isolation_level 'CHAOS' does not exist"):
        INPUTS.configure(isolation_level="CHAOS")
    with pytest.raises(InvalidInput, match="locks are kept in the store"):
        INPUTS.configure(lock_manager=threading.Lock())  # type: ignore[arg-type]


def test_policies_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        INPUTS.exclude = ("x",)  # type: ignore[misc]


@pytest.mark.parametrize("policy", [DEFAULT, INPUTS - "y", NONE, CachePolicy.from_cache_key_fn(key_from_words)])
def test_a_policy_travels(policy: CachePolicy) -> None:
    travelled = pickle.loads(pickle.dumps(policy))

    assert travelled == policy
    assert hash(travelled) == hash(policy)
    assert key_of(travelled) == key_of(policy)
