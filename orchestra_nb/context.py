"""Contexts: Prefect's module name."""

from orchestra_nb.engine.run_context import (
    FlowRunContext,
    MissingContext,
    TaskRunContext,
    get_run_context,
    tags,
)

__all__ = ["FlowRunContext", "MissingContext", "TaskRunContext", "get_run_context", "tags"]
