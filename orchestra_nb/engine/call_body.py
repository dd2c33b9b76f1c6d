"""Calls of one function by many attempts: it is pickled, sent and unpickled once, each call only its arguments."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestra_nb.model.attempts import AttemptContext, AttemptResult

#: So many shared parts are kept unpickled in a process.
_MOST_LOADED = 64
_loaded: dict[str, Callee] = {}


@dataclass(frozen=True, slots=True)
class SharedPart:
    """What many attempts have in common, such as a function with its options: pickled once, and sent once.

    Parameters
    ----------
    digest
        Names the content: a process that has unpickled it before does not do so again.
    data
        A cloudpickle of a :class:`Callee`.
    """

    digest: str
    data: bytes


class Callee(Protocol):
    """What a :class:`SharedPart` is when it is unpickled."""

    def run_call(
        self, arguments: bytes, upstream: Mapping[str, AttemptResult], context: AttemptContext
    ) -> AttemptResult:
        """Run one call; the contract is that of :meth:`AttemptBody.run`."""


@dataclass(frozen=True, slots=True)
class CallBody:
    """An :class:`AttemptBody` that is one call of a shared part.

    An executor may run attempts with the same shared part in one task of its cluster, one after another.
    """

    shared: SharedPart
    arguments: bytes

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run the call."""
        return load_shared(self.shared).run_call(self.arguments, upstream, context)


def load_shared(shared: SharedPart) -> Callee:
    """Return what is shared; unpickled once in this process, as long as few others came meanwhile."""
    callee = _loaded.get(shared.digest)
    if callee is None:
        callee = pickle.loads(shared.data)
        while len(_loaded) >= _MOST_LOADED:
            _loaded.pop(next(iter(_loaded)), None)
        _loaded[shared.digest] = callee
    return callee
