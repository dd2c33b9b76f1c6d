"""The public face: each name that a Prefect script may import has its place here."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import orchestra_nb
from orchestra_nb.states import StateType

#: Module to the names of Prefect's that it must have; all are in its ``__all__``, too.
NAMES = {
    "orchestra_nb": "Flow State Task Transaction allow_failure flow get_run_logger pause_flow_run resume_flow_run "
    "runtime suspend_flow_run tags task unmapped",
    "orchestra_nb.artifacts": "create_image_artifact create_link_artifact create_markdown_artifact "
    "create_progress_artifact create_table_artifact update_progress_artifact",
    "orchestra_nb.automations": "Automation CompoundTrigger DeploymentCompoundTrigger DeploymentEventTrigger "
    "DeploymentMetricTrigger DeploymentSequenceTrigger EventTrigger MetricTrigger PauseDeployment PauseWorkPool Posture "
    "ResumeDeployment ResumeWorkPool RunDeployment SendNotification SequenceTrigger",
    "orchestra_nb.cache_policies": "DEFAULT FLOW_PARAMETERS INPUTS NONE NO_CACHE RUN_ID TASK_SOURCE CacheKeyFnPolicy "
    "CachePolicy CompoundCachePolicy FlowParameters Inputs RunId TaskSource",
    "orchestra_nb.concurrency.asyncio": "AcquireConcurrencySlotTimeoutError concurrency rate_limit",
    "orchestra_nb.concurrency.sync": "AcquireConcurrencySlotTimeoutError concurrency rate_limit",
    "orchestra_nb.context": "EngineContext FlowRunContext TaskRunContext get_run_context tags",
    "orchestra_nb.exceptions": "CancelledRun CrashedRun FailedRun MappingLengthMismatch MappingMissingIterable "
    "MissingContextError MissingResult ObjectNotFound ParameterBindError ParameterTypeError PausedRun "
    "ReservedArgumentError UnfinishedRun UpstreamTaskError",
    "orchestra_nb.futures": "PrefectFuture PrefectFutureList as_completed resolve_futures_to_states wait",
    "orchestra_nb.schedules": "Cron Interval RRule",
    "orchestra_nb.serializers": "CompressedSerializer JSONSerializer PickleSerializer Serializer",
    "orchestra_nb.states": "AwaitingConcurrencySlot AwaitingRetry Cancelled Cancelling Completed Crashed Failed Late "
    "Paused Pending Retrying Running Scheduled State StateType Suspended get_state_exception get_state_result is_state "
    "raise_state_exception",
    "orchestra_nb.task_runners": "ConcurrentTaskRunner DaskTaskRunner TaskRunner ThreadPoolTaskRunner",
    "orchestra_nb.tasks": "Task exponential_backoff task task_input_hash",
    "orchestra_nb.transactions": "CommitMode IsolationLevel Transaction TransactionState get_transaction transaction",
    "orchestra_nb.utilities.annotations": "BaseAnnotation allow_failure quote unmapped",
    "orchestra_nb.utilities.collections": "batched_iterable dict_to_flatdict distinct ensure_iterable "
    "extract_instances flatdict_to_dict get_from_dict isiterable listrepr remove_nested_keys visit_collection",
}


@pytest.mark.parametrize("module_name", NAMES)
def test_a_public_module_has_prefects_names(module_name: str) -> None:
    module = importlib.import_module(module_name)

    assert [name for name in NAMES[module_name].split() if getattr(module, name, None) is None] == []
    assert set(NAMES[module_name].split()) <= set(module.__all__)


def test_all_names_that_a_public_module_lists_are_there() -> None:
    modules = [
        importlib.import_module(f"orchestra_nb.{found.name}")
        for found in pkgutil.iter_modules(orchestra_nb.__path__)
        if found.name != "__main__" and not found.ispkg
    ]

    assert [f"{m.__name__}.{name}" for m in modules for name in getattr(m, "__all__", ()) if not hasattr(m, name)] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Scheduled", "SCHEDULED"),
        ("Late", "SCHEDULED"),
        ("AwaitingRetry", "SCHEDULED"),
        ("AwaitingConcurrencySlot", "SCHEDULED"),
        ("Retrying", "RUNNING"),
        ("Paused", "PAUSED"),
        ("Suspended", "PAUSED"),
        ("Cancelling", "CANCELLING"),
    ],
)
def test_states_are_made_by_their_names(name: str, kind: str) -> None:
    state = getattr(importlib.import_module("orchestra_nb.states"), name)(message="why")

    assert (state.type, state.name, state.message) == (StateType(kind), name, "why")
