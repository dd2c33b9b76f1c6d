"""How a flow is left to be resumed later, and the boundaries at which it is left when somebody outside asks for it.

A boundary is where the body of the flow, or of a flow that it called, calls or submits a task, a flow or a notebook,
and where it waits for people. What runs inside of a task has none: it ends first.
"""

from __future__ import annotations

from datetime import datetime

from orchestra_nb.engine.run_context import FlowRunContext, flow_run_context, task_run_context
from orchestra_nb.model.suspension import suspended_by


class SuspendFlow(BaseException):
    """Raised inside a flow's body to leave it: outside ``Exception`` so that user code does not swallow it.

    Parameters
    ----------
    run_id
        The run that is left: one whose body it passes through before is its subflow.
    until
        When the run fails because nobody resumed it; None for never.
    actor
        Who asked for it; empty where the flow suspends itself.
    """

    def __init__(self, run_id: str, message: str, until: datetime | None, actor: str = "") -> None:
        super().__init__(run_id, message, until, actor)
        self.run_id = run_id
        self.message = message
        self.until = until
        self.actor = actor


def leave_where_asked() -> None:
    """Leave the flow whose body calls this if somebody has asked for it; nothing in a task and outside of flows.

    Raises
    ------
    SuspendFlow
        Somebody has.
    """
    context = flow_run_context.get()
    if context is not None and task_run_context.get() is None and (signal := suspension_of(context)) is not None:
        raise signal


def suspension_of(context: FlowRunContext) -> SuspendFlow | None:
    """Return what leaves the flow that a body belongs to, or the one that called it; None where nobody asked."""
    outermost = context.outermost
    if outermost.suspend_asked_by is None:
        return None
    run, actor = outermost.run, outermost.suspend_asked_by
    return SuspendFlow(run.run_id, suspended_by(actor, run), None, actor)
