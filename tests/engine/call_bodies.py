"""A small callee: a function that many calls share, each with its own arguments."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import cloudpickle

from orchestra_nb.engine.call_body import CallBody, SharedPart
from orchestra_nb.engine.executors import AttemptBody, AttemptContext, AttemptResult
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.states import State
from tests.engine import attempt_bodies
from tests.engine.attempt_bodies import leave, value_of


@dataclass
class FunctionCallee:
    """Calls a function with the arguments and the values of the upstreams; leaves what it returns as ``value``."""

    function: Callable[..., object]
    takes_context: bool = False
    ballast: bytes = b""

    def run_call(
        self, arguments: bytes, upstream: Mapping[str, AttemptResult], context: AttemptContext
    ) -> AttemptResult:
        started_at = datetime.now(UTC)
        given = [context] if self.takes_context else []
        value = self.function(*given, *pickle.loads(arguments), *(value_of(result) for result in upstream.values()))
        outcome = Outcome(
            state=State.COMPLETED,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=context.worker,
            pid=os.getpid(),
        )
        return leave(outcome, {"value": value})


class BodyCallee:
    """Runs bodies: each call has another one for its arguments."""

    def run_call(
        self, arguments: bytes, upstream: Mapping[str, AttemptResult], context: AttemptContext
    ) -> AttemptResult:
        body: AttemptBody = pickle.loads(arguments)
        return body.run(upstream, context)


def as_call(body: AttemptBody) -> CallBody:
    """Return a call that does what a body does."""
    data = cloudpickle.dumps(BodyCallee())
    return CallBody(SharedPart(hashlib.sha256(data).hexdigest(), data), cloudpickle.dumps(body))


def share(function: Callable[..., object], *, takes_context: bool = False, ballast: bytes = b"") -> SharedPart:
    """Return a shared part that calls this function."""
    data = cloudpickle.dumps(FunctionCallee(function, takes_context, ballast))
    return SharedPart(hashlib.sha256(data).hexdigest(), data)


def call(function: Callable[..., object] | SharedPart, *arguments: object) -> CallBody:
    """Return the body of one call."""
    shared = function if isinstance(function, SharedPart) else share(function)
    return CallBody(shared, pickle.dumps(arguments, protocol=5))


cloudpickle.register_pickle_by_value(__import__("sys").modules[__name__])
cloudpickle.register_pickle_by_value(attempt_bodies)
