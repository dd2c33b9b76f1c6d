"""The value that a function gave, on its way from worker to driver and to other workers.

A packed value is a copy: what its receivers do to it does not change what others receive. Large buffers stay out of the
pickle (protocol 5), so they are copied once on each side.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from orchestra_nb.engine.portable_errors import PortableError, pack_error
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.outcomes import Outcome, ValueInfo

#: The name under which an outcome lists what a function returned.
RETURNED = "return"

#: Buffers below this size travel inside the pickle.
_OUT_OF_BAND_BYTES = 32 * 1024
#: Types that the plain pickler writes the same as cloudpickle does, and faster.
_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})


@dataclass(frozen=True, slots=True)
class PackedReturn:
    """A pickled value with its large buffers apart."""

    data: Any
    buffers: tuple[Any, ...] = ()
    readonly: tuple[bool, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What travels."""
        return len(self.data) + sum(len(buffer) for buffer in self.buffers)

    def unpack(self) -> Any:
        """Return a fresh copy; may raise anything that the import of its parts raises."""
        buffers = [
            bytes(buffer) if is_readonly else bytearray(buffer)
            for buffer, is_readonly in zip(self.buffers, self.readonly, strict=True)
        ]
        return pickle.loads(self.data, buffers=buffers)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.size_bytes

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        wrap = pickle.PickleBuffer if protocol >= 5 else bytes
        return PackedReturn, (wrap(self.data), tuple(map(wrap, self.buffers)), self.readonly)


@dataclass(frozen=True, slots=True)
class LiveReturn:
    """A value that stays in this process, for executors that run tasks in it: nothing is copied."""

    value: Any

    def unpack(self) -> Any:
        """Return the value itself."""
        return self.value


def pack_return(value: object) -> PackedReturn:
    """Pack a value by copy; raises what pickling it raises."""
    if type(value) in _PLAIN:
        return PackedReturn(pickle.dumps(value, protocol=5))
    import cloudpickle

    buffers: list[pickle.PickleBuffer] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < _OUT_OF_BAND_BYTES:
            return True
        buffers.append(buffer)
        return False

    data = cloudpickle.dumps(value, protocol=5, buffer_callback=keep)
    raw = [buffer.raw() for buffer in buffers]
    return PackedReturn(data, tuple(map(bytes, raw)), tuple(view.readonly for view in raw))


def info_of(value: object, packed: PackedReturn | LiveReturn) -> dict[str, ValueInfo]:
    """Return what an outcome says of a value."""
    size = packed.size_bytes if isinstance(packed, PackedReturn) else 0
    return {RETURNED: ValueInfo(type=type(value).__name__, group=0, size_bytes=size)}


def value_of(result: AttemptResult) -> Any:
    """Return the value in a result of a function or a task cell.

    A task cell gives several values by name: they come as a dictionary.
    """
    if result.groups and isinstance(result.groups[0], PackedReturn | LiveReturn):
        return result.groups[0].unpack()
    from orchestra_nb.notebooks.cell_values import PackedGroup, unpack_values

    groups = [group for group in result.groups if isinstance(group, PackedGroup)]
    return unpack_values(groups, None, {})


class WorkerTraceback(Exception):
    """Shows, as the cause of an exception that came from another process, where it was raised there."""

    def __str__(self) -> str:
        return f"on {self.args[0]}\n{self.args[1]}"


class LiveOutcome(Outcome, frozen=True, kw_only=True):
    """An outcome in the process of its driver: it has the exception itself, with its traceback."""

    raised: Any = None


def exception_of(outcome: Outcome, name: str = "") -> BaseException:
    """Return the exception that an attempt ended with, or what stands for it, with a traceback of where it was raised.

    Where the line that raised cannot be read in this process, its cause tells what the worker saw.

    Parameters
    ----------
    name
        The task run's, for what stands for an exception that could not travel.
    """
    if isinstance(outcome, LiveOutcome) and isinstance(outcome.raised, BaseException):
        return outcome.raised
    from orchestra_nb.engine.run_states import state_of

    text = f"{outcome.error.type}: {outcome.error.message}" if outcome.error is not None else ""
    error = state_of(outcome.state, f"Task {name}: {text}" if name else text).exception()
    if outcome.exception is not None:
        with suppress(Exception):  # of a task cell, which is another form
            portable = pickle.loads(outcome.exception)
            if isinstance(portable, PortableError):
                error = portable.rebuild(error)
                if portable.has_source():
                    return error
    if outcome.error is not None and outcome.error.traceback:
        error.__cause__ = WorkerTraceback(outcome.worker or "a worker", outcome.error.traceback)
    return error


def pack_exception(error: BaseException) -> bytes | None:
    """Return a pickle of an exception that is known to load again, or None."""
    import cloudpickle

    return pack_error(error, lambda value: cloudpickle.dumps(value, protocol=5))
