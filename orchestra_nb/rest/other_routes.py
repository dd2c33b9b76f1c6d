"""What the server answers under the prefix beside the endpoints: health, the stream, webhooks, remote workers.

Handlers of their own serve these. They are described here for the document, which a test holds to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.stream_views import MAX_RUNS, PARTS
from orchestra_nb.operations.service_health import ServerHealth, StorePresence
from orchestra_nb.rest.endpoint import Method
from orchestra_nb.services.worker_messages import (
    EventsTaken,
    EventsTold,
    FileTaken,
    WorkAsked,
    WorkerHello,
    WorkerWelcome,
    WorkGiven,
)

#: The security scheme of workers, as the document names it.
_WORKERS: Final = ("worker_token",)

_JSON: Final = "application/json"
_MSGPACK: Final = "application/msgpack"
_BYTES: Final = "application/octet-stream"
_TEXT: Final = {"type": "string"}
_ANYTHING: Final[dict[str, Any]] = {"type": "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A call that is no endpoint.

    Parameters
    ----------
    security
        Who may call: names of security schemes; empty for everybody, None for who may call the endpoints.
    query
        Name of a parameter to its schema and whether it must be given.
    body, answer
        A type that is JSON, or a schema; None for nothing.
    answers
        Status to what it means, where something is answered that is no problem.
    problems
        Statuses that are answered with a problem.
    """

    method: Method
    path: str
    name: str
    summary: str
    area: str
    description: str = ""
    security: tuple[str, ...] | None = None
    query: Mapping[str, tuple[Mapping[str, Any], bool]] = field(default_factory=dict)
    body: Any = None
    body_media: str = _JSON
    answer: Any = None
    answer_media: str = _JSON
    answers: Mapping[int, str] = field(default_factory=lambda: {200: "OK"})
    problems: tuple[int, ...] = (401, 403, 503)


_WORKER: Final = "/workers/{worker}"
_RUN: Final = f"{_WORKER}/runs/{{run}}"
_WORKER_PROBLEMS: Final = (401, 403, 404, 409, 413, 422, 503)
_EPOCH: Final = {"epoch": ({"type": "integer"}, True)}

_STARTED: Final[dict[str, Any]] = {
    "title": "MessageTaken",
    "description": "What a message started: a run, or an event; or the challenge of Slack, given back.",
    "type": "object",
    "properties": {
        "delivery": {"type": "integer", "description": "The number of the message, for `orchestra webhooks`."},
        "state": {"type": "string", "enum": ["ACCEPTED", "IGNORED", "DEAD", "DISCARDED"]},
        "run": {"type": "object", "properties": {"run_id": _TEXT, "name": {"type": ["string", "null"]}}},
        "event": {"type": "object", "properties": {"event_id": _TEXT}},
        "challenge": _TEXT,
    },
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/openapi.json",
        name="read_openapi",
        summary="Read this document",
        area="server",
        answer=_ANYTHING,
        answer_media="application/vnd.oai.openapi+json",
    ),
    Route(
        method="GET",
        path="/health",
        name="read_health",
        summary="Tell whether the store can be used, and whether deployments run",
        description="Answers 200 also when something is wrong: `store` is then the code of what it is.",
        area="server",
        answer=ServerHealth,
        problems=(401, 403),
    ),
    Route(
        method="GET",
        path="/presence",
        name="read_presence",
        summary="Tell whether there is a store of runs, without making or opening one",
        area="server",
        answer=StorePresence,
        problems=(401, 403),
    ),
    Route(
        method="GET",
        path="/metrics",
        name="read_metrics",
        summary="Read the figures for Prometheus, in its text format",
        area="server",
        answer=_TEXT,
        answer_media="text/plain",
        problems=(401, 403),
    ),
    Route(
        method="GET",
        path="/stream",
        name="follow_runs",
        summary="Follow runs as they go on, over a websocket",
        description=(
            'The first message is `{"sequence", "hello": true, "version"}`; then come, at most ten times a second, '
            '`{"sequence", "reset", "runs", "tasks", "cells", "logs", "artifacts", "inputs", "lists"}` with the '
            "newest records; `lists` names what else changed and is to be read anew: `deployments`, `alerts`, `pools`. "
            "With `reset` the others are empty, and the client reads anew. It connects again with the last sequence "
            "that it got. `run` (ids or names), `flow`, `deployment`, `kind` and `owner` (a user, or `me`) narrow it "
            "to what a page shows, without `lists`, `parts` to some of the records; the first message repeats that in "
            "`view`."
        ),
        area="server",
        query={
            "since": ({"type": "integer", "minimum": 0, "maximum": 10**18 - 1}, False),
            "language": (_TEXT, False),
            "run": ({"type": "array", "items": _TEXT, "maxItems": MAX_RUNS}, False),
            "flow": (_TEXT, False),
            "deployment": (_TEXT, False),
            "kind": ({"type": "string", "enum": [kind.value for kind in RunKind]}, False),
            "owner": (_TEXT, False),
            "parts": ({"type": "array", "items": {"type": "string", "enum": list(PARTS)}}, False),
        },
        answers={101: "Switching Protocols"},
        problems=(400, 401, 403, 404, 422, 503),
    ),
    Route(
        method="POST",
        path="/webhooks/{name}",
        name="receive_message",
        summary="Take a message of a webhook, and start what it is to start",
        description=(
            "Anybody may call; the signature says who did. Its headers are those of the webhook's scheme: "
            "`webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks), `X-Hub-Signature-256` "
            "(GitHub), or `X-Slack-Signature` and `X-Slack-Request-Timestamp` (Slack). A message starts one thing, "
            "however often it comes. 422 says that what it should start could not be: it is a dead letter."
        ),
        area="server",
        security=(),
        body=_ANYTHING,
        answer=_STARTED,
        answers={200: "The challenge of Slack", 202: "Accepted", 422: "A dead letter, or no such message"},
        problems=(400, 401, 403, 413, 422, 503),
    ),
    Route(
        method="POST",
        path="/workers",
        name="register_worker",
        summary="Begin as a remote worker",
        area="workers",
        security=_WORKERS,
        body=WorkerHello,
        answer=WorkerWelcome,
        answers={201: "Created"},
        problems=_WORKER_PROBLEMS,
    ),
    Route(
        method="DELETE",
        path=_WORKER,
        name="end_worker",
        summary="End as a remote worker; its runs that have not ended are",
        area="workers",
        security=_WORKERS,
        answer={"type": "object", "required": ["ended"], "properties": {"ended": _TEXT}},
        problems=_WORKER_PROBLEMS,
    ),
    Route(
        method="POST",
        path=f"{_WORKER}/work",
        name="ask_for_work",
        summary="Say that the worker lives, and wait for what there is to do",
        area="workers",
        security=_WORKERS,
        body=WorkAsked,
        answer=WorkGiven,
        problems=_WORKER_PROBLEMS,
    ),
    Route(
        method="POST",
        path=f"{_WORKER}/events",
        name="tell_events",
        summary="Tell what happened to the worker's runs",
        area="workers",
        security=_WORKERS,
        body=EventsTold,
        answer=EventsTaken,
        problems=_WORKER_PROBLEMS,
    ),
    Route(
        method="POST",
        path=f"{_RUN}/questions",
        name="ask_for_run",
        summary="Ask what the code of a run asks its driver",
        area="workers",
        security=_WORKERS,
        query={"task": (_TEXT, False)},
        body=_TEXT,
        body_media=_MSGPACK,
        answer=_TEXT,
        answer_media=_MSGPACK,
        problems=_WORKER_PROBLEMS,
    ),
    Route(
        method="PUT",
        path=f"{_RUN}/notebook",
        name="send_notebook",
        summary="Send the executed notebook of a run, as far as it has come",
        area="workers",
        security=_WORKERS,
        query={**_EPOCH, "is_whole": ({"type": "boolean"}, False)},
        body=_TEXT,
        body_media=_BYTES,
        answer=FileTaken,
        problems=_WORKER_PROBLEMS,
    ),
    Route(
        method="PUT",
        path=f"{_RUN}/values/{{digest}}",
        name="send_value",
        summary="Send a large value that a run returned",
        area="workers",
        security=_WORKERS,
        query={**_EPOCH, "serializer": (_TEXT, True)},
        body=_TEXT,
        body_media=_BYTES,
        answer=FileTaken,
        problems=_WORKER_PROBLEMS,
    ),
)
