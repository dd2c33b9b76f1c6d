"""Dead letters of flows: a flow run of its own that failed for good is kept until somebody decides about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.function_call import error_info
from orchestra_nb.engine.run_codes import entrypoint_of
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, RunStateChanged
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.run_context import FlowRunContext

#: Ends that are a failure for good: not what somebody asked for, and not what another run is to blame for.
DEAD_STATES = frozenset({State.FAILED, State.TIMED_OUT, State.CRASHED})


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
