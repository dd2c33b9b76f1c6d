"""States as a user's code sees them: Prefect's types, names and methods, over the states of :mod:`orchestra_nb.model`.

A state carries the result of what ended in it, so ``state.result()`` gives the value or raises. ``PREFECT_NAMES`` is
the one table between the two vocabularies.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from orchestra_nb.errors import (
    OrchestraError,
    TaskCrashed,
    TaskFailed,
    TaskTimedOut,
    TaskWasCancelled,
    UpstreamFailed,
)
from orchestra_nb.model import states as model

Result = TypeVar("Result")


class StateType(str, Enum):
    """What kind of state it is."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


TERMINAL_TYPES: Final = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})

#: Our state to (Prefect's type, Prefect's name).
PREFECT_NAMES: Final[dict[model.State, tuple[StateType, str]]] = {
    model.State.SCHEDULED: (StateType.SCHEDULED, "Scheduled"),
    model.State.PENDING: (StateType.PENDING, "Pending"),
    model.State.RUNNING: (StateType.RUNNING, "Running"),
    model.State.RETRYING: (StateType.SCHEDULED, "AwaitingRetry"),
    model.State.PAUSED: (StateType.PAUSED, "Paused"),
    model.State.CANCELLING: (StateType.CANCELLING, "Cancelling"),
    model.State.COMPLETED: (StateType.COMPLETED, "Completed"),
    model.State.FAILED: (StateType.FAILED, "Failed"),
    model.State.TIMED_OUT: (StateType.FAILED, "TimedOut"),
    model.State.CRASHED: (StateType.CRASHED, "Crashed"),
    model.State.CANCELLED: (StateType.CANCELLED, "Cancelled"),
    model.State.SKIPPED: (StateType.COMPLETED, "Skipped"),
    model.State.UPSTREAM_FAILED: (StateType.PENDING, "NotReady"),
    model.State.MISSED: (StateType.CANCELLED, "Missed"),
}

_NOTHING: Final = object()


class State(Generic[Result]):
    """A state with its result.

    Parameters
    ----------
    data
        The value, or the exception, of what ended in this state.
    load
        Called for the value when it is first asked for, in place of ``data``: it may be on a cluster.
    is_of_run
        Whether a run is in it; otherwise a user's code made it, to say what its run shall end in. States of runs are
        equal only to themselves.
    """

    def __init__(
        self,
        type: StateType | str,
        name: str | None = None,
        message: str | None = None,
        data: Any = None,
        *,
        load: Callable[[], Result] | None = None,
        timestamp: datetime | None = None,
        is_of_run: bool = False,
    ) -> None:
        self.type = StateType(type)
        self.name = name if name is not None else self.type.value.capitalize()
        self.message = message
        self.timestamp = timestamp or datetime.now(UTC)
        self.is_of_run = is_of_run
        self._data: Any = data if load is None else _NOTHING
        self._load = load

    @property
    def data(self) -> Any:
        """The value or the exception, fetched where it has to be."""
        if self._data is _NOTHING:
            assert self._load is not None
            self._data = self._load()
            self._load = None
        return self._data

    def result(self, raise_on_failure: bool = True) -> Any:
        """Return the value, or raise the exception of a state that is no success.

        Parameters
        ----------
        raise_on_failure
            If False, return what a state that is no success has instead: the exception, or the data that it was made
            with (such as the states of several tasks).

        Raises
        ------
        UnfinishedRun
            It is the state of something that has not ended.
        """
        if self.is_completed():
            return self.data
        if not self.is_final():
            raise self.exception()
        if raise_on_failure:
            raise self.exception()
        return self.data if self.data is not None else self.exception()

    async def aresult(self, raise_on_failure: bool = True) -> Any:
        """Return what :meth:`result` returns, without holding up the event loop."""
        import asyncio

        return await asyncio.to_thread(self.result, raise_on_failure)

    def exception(self) -> BaseException:
        """Return the exception of a state that is no success, or what stands for it."""
        if isinstance(self.data, BaseException):
            return self.data
        if isinstance(self.data, State) and not self.data.is_completed():
            return self.data.exception()
        if isinstance(self.data, list | tuple | set):
            for state in self.data:
                if isinstance(state, State) and not state.is_completed():
                    return state.exception()
        kind = _ERRORS.get(self.name, _ERRORS_BY_TYPE.get(self.type, UnfinishedRun))
        given = self.data if isinstance(self.data, str) else None
        return kind(self.message or given or f"The run is {self.name}.")

    def is_scheduled(self) -> bool:
        """Tell whether its time has not come."""
        return self.type is StateType.SCHEDULED

    def is_pending(self) -> bool:
        """Tell whether it waits to start."""
        return self.type is StateType.PENDING

    def is_running(self) -> bool:
        """Tell whether its code is being run."""
        return self.type is StateType.RUNNING

    def is_completed(self) -> bool:
        """Tell whether it ended well."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """Tell whether it ended by an error of its own code, or by its timeout."""
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        """Tell whether its infrastructure ended it."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Tell whether somebody ended it."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """Tell whether it was asked to end."""
        return self.type is StateType.CANCELLING

    def is_paused(self) -> bool:
        """Tell whether it waits to be resumed."""
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        """Tell whether nothing more happens to it.

        That is so of a task that could not run, too, whose state is of the type PENDING.
        """
        return self.type in TERMINAL_TYPES or self.name == "NotReady"

    def __repr__(self) -> str:
        message = f", {self.message!r}" if self.message else ""
        return f"{self.name}({self.type.value}{message})"

    def __str__(self) -> str:
        return f"{self.name}({self.message!r})" if self.message else f"{self.name}()"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        if self.is_of_run or other.is_of_run:
            return self is other
        return (self.type, self.name, self.message) == (other.type, other.name, other.message)

    def __hash__(self) -> int:
        return hash((self.type, self.name, self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self.type, self.name, self.message, self.data, self.timestamp, self.is_of_run)
        return _rebuilt, fields

    def as_of_run(self) -> State[Result]:
        """Return the same state as that of a run which ended in it."""
        state: State[Result] = State(self.type, self.name, self.message, timestamp=self.timestamp, is_of_run=True)
        state._data, state._load = self._data, self._load
        return state


def _rebuilt(
    type: StateType, name: str, message: str | None, data: Any, timestamp: datetime, is_of_run: bool
) -> State[Any]:
    return State(type, name, message, data, timestamp=timestamp, is_of_run=is_of_run)


class UnfinishedRun(OrchestraError, RuntimeError):
    """The result of something that has not ended was asked for."""


_ERRORS: dict[str, type[OrchestraError]] = {"TimedOut": TaskTimedOut, "NotReady": UpstreamFailed}
_ERRORS_BY_TYPE: dict[StateType, type[OrchestraError]] = {
    StateType.FAILED: TaskFailed,
    StateType.CRASHED: TaskCrashed,
    StateType.CANCELLED: TaskWasCancelled,
}


def state_of(
    state: model.State,
    message: str = "",
    data: Any = None,
    *,
    load: Callable[[], Any] | None = None,
    is_cached: bool = False,
    at: datetime | None = None,
) -> State[Any]:
    """Return what a user's code sees of a state of ours, which was entered ``at`` this time (None: now)."""
    kind, name = PREFECT_NAMES[state]
    return State(kind, "Cached" if is_cached else name, message or None, data, load=load, timestamp=at, is_of_run=True)


def model_state_of(state: State[Any]) -> model.State:
    """Return our state for one that a user's code returned."""
    by_name = {name: ours for ours, (kind, name) in PREFECT_NAMES.items() if kind is state.type}
    return by_name.get(state.name) or _FIRST_OF_TYPE[state.type]


_FIRST_OF_TYPE: dict[StateType, model.State] = {}
for _ours, (_kind, _) in PREFECT_NAMES.items():
    _FIRST_OF_TYPE.setdefault(_kind, _ours)


def state_of_returned(value: Any) -> State[Any]:
    """Return the state of what returned this: Prefect's rule of the final state, with futures replaced by their states.

    A state is taken as it is, but one of a task or a flow run, alone or with others in a list, tuple or set, makes a
    state of all of them: completed only if all are. Anything else is the value of a completed run.
    """
    if isinstance(value, State) and not value.is_of_run:
        return value
    states = [value] if isinstance(value, State) else value
    if not isinstance(states, list | tuple | set) or not states or not all(isinstance(s, State) for s in states):
        return Completed(data=value)
    bad = [state for state in states if not state.is_completed()]
    if not bad:
        return Completed(message="All states completed.", data=value)
    return Failed(message=f"{len(bad)}/{len(states)} states failed.", data=value)


def Completed(message: str | None = None, data: Any = None, name: str = "Completed") -> State[Any]:
    """Return a state to return from a task or a flow that ended well."""
    return State(StateType.COMPLETED, name, message, data)


def Failed(message: str | None = None, data: Any = None, name: str = "Failed") -> State[Any]:
    """Return a state to return from a task or a flow that failed."""
    return State(StateType.FAILED, name, message, data)


def Crashed(message: str | None = None, data: Any = None, name: str = "Crashed") -> State[Any]:
    """Return a state of something whose infrastructure ended it."""
    return State(StateType.CRASHED, name, message, data)


def Cancelled(message: str | None = None, data: Any = None, name: str = "Cancelled") -> State[Any]:
    """Return a state of something that was ended on purpose."""
    return State(StateType.CANCELLED, name, message, data)


def Pending(message: str | None = None, data: Any = None, name: str = "Pending") -> State[Any]:
    """Return a state of something that waits to start."""
    return State(StateType.PENDING, name, message, data)


def Running(message: str | None = None, data: Any = None, name: str = "Running") -> State[Any]:
    """Return a state of something whose code is being run."""
    return State(StateType.RUNNING, name, message, data)


def Scheduled(message: str | None = None, data: Any = None, name: str = "Scheduled") -> State[Any]:
    """Return a state of something whose time has not come."""
    return State(StateType.SCHEDULED, name, message, data)


def Late(message: str | None = None, data: Any = None, name: str = "Late") -> State[Any]:
    """Return a state of something that should have started before."""
    return State(StateType.SCHEDULED, name, message, data)


def AwaitingRetry(message: str | None = None, data: Any = None, name: str = "AwaitingRetry") -> State[Any]:
    """Return a state of something that failed and waits for its next attempt."""
    return State(StateType.SCHEDULED, name, message, data)


def AwaitingConcurrencySlot(
    message: str | None = None, data: Any = None, name: str = "AwaitingConcurrencySlot"
) -> State[Any]:
    """Return a state of something that waits for a slot."""
    return State(StateType.SCHEDULED, name, message, data)


def Retrying(message: str | None = None, data: Any = None, name: str = "Retrying") -> State[Any]:
    """Return a state of something whose code is being run once more."""
    return State(StateType.RUNNING, name, message, data)


def Paused(message: str | None = None, data: Any = None, name: str = "Paused") -> State[Any]:
    """Return a state of something that waits to be resumed."""
    return State(StateType.PAUSED, name, message, data)


def Suspended(message: str | None = None, data: Any = None, name: str = "Suspended") -> State[Any]:
    """Return a state of something that has left its process until it is resumed."""
    return State(StateType.PAUSED, name, message, data)


def Cancelling(message: str | None = None, data: Any = None, name: str = "Cancelling") -> State[Any]:
    """Return a state of something that was asked to end."""
    return State(StateType.CANCELLING, name, message, data)


def get_state_result(state: State[Any], raise_on_failure: bool = True) -> Any:
    """Return the value of a state, or raise its exception: :meth:`State.result`."""
    return state.result(raise_on_failure)


def raise_state_exception(state: State[Any]) -> None:
    """Raise the exception of a state that is no success; nothing otherwise."""
    if state.is_final():
        state.result()


def get_state_exception(state: State[Any]) -> BaseException:
    """Return the exception of a state that is no success."""
    if state.is_completed():
        raise ValueError(f"{state!r} has no exception: it ended well.")
    return state.exception()


def is_state(value: object) -> bool:
    """Tell whether a value is a state."""
    return isinstance(value, State)
