"""Contexts: Prefect's module name."""

from orchestra_nb.engine.run_context import (
    FlowRunContext,
    MissingContext,
    TaskRunContext,
    get_run_context,
    tags,
)
from orchestra_nb.engine.run_context import (
    FlowRunContext as EngineContext,
)

__all__ = ["EngineContext", "FlowRunContext", "MissingContext", "TaskRunContext", "get_run_context", "tags"]
