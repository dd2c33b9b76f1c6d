"""States: Prefect's module name."""

from orchestra_nb.engine.run_states import (
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    State,
    StateType,
    get_state_exception,
    is_state,
    raise_state_exception,
)

__all__ = [
    "Cancelled",
    "Completed",
    "Crashed",
    "Failed",
    "Pending",
    "Running",
    "State",
    "StateType",
    "get_state_exception",
    "is_state",
    "raise_state_exception",
]
