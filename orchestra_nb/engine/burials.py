"""Dead letters: a run or a task run that failed for good is kept until somebody decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.drivers import keeps_code
from orchestra_nb.engine.function_call import error_info
from orchestra_nb.engine.run_codes import entrypoint_of
from orchestra_nb.engine.task_codes import code_of_called_task
from orchestra_nb.model.dead_letters import DEAD_STATES, DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, RunStateChanged
from orchestra_nb.model.runs import TaskRun

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.run_context import FlowRunContext
    from orchestra_nb.engine.run_scope import RunScope
    from orchestra_nb.engine.tasks import Task


def bury_flow(
    owner: Flow[Any, Any], context: FlowRunContext, ended: RunStateChanged, error: BaseException | None
) -> None:
    """Keep a dead letter of a flow run that ended, if it failed for good and is nobody's subflow."""
    run, driver = context.run, context.driver
    if ended.state not in DEAD_STATES or run.parent_run_id is not None or driver.driver_id is None:
        return
    letter = DeadLetter(
        run_id=run.run_id,
        epoch=run.epoch,
        name=run.name,
        flow_name=run.flow_name,
        ended_as=ended.state,
        attempts=context.run_count,
        message=ended.message[:2000],
        error=None if error is None else error_info(error, owner.fn, owner.name),
        inputs=dict.fromkeys(context.parameters),
        code=entrypoint_of(owner),
        created_at=datetime.now(UTC),
    )
    driver.sink.emit(DeadLetterAdded(letter=letter))


def bury_direct_task(
    owner: Task[Any, Any], scope: RunScope, record: TaskRun, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Keep a dead letter of a task that ran in its caller's process and ended, if it failed for good.

    What a task called on a worker leaves is told by the letter of the task that called it.
    """
    if record.state not in DEAD_STATES or not keeps_code(scope.driver):
        return
    if scope.own_run is None:  # else the code of its run is its own
        scope.driver.keep_dead_code(lambda: code_of_called_task(record.task_run_id, owner, args, kwargs))
    scope.driver.sink.emit(DeadLetterAdded(letter=letter_of_task(record, scope.flow.flow_name)))


def letter_of_task(record: TaskRun, flow_name: str) -> DeadLetter:
    """Return the dead letter of a task run that ended."""
    return DeadLetter(
        run_id=record.run_id,
        task_run_id=record.task_run_id,
        epoch=record.epoch,
        name=record.name,
        flow_name=flow_name,
        ended_as=record.state,
        attempts=record.attempt,
        message=record.message,
        error=record.error,
        created_at=record.ended_at or record.created_at,
    )
