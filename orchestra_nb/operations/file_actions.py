"""Actions of automations as files say them: read with the place of each error."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_names import check_action_texts
from orchestra_nb.model.automations import (
    Action,
    CallWebhook,
    CancelRun,
    EmitEvent,
    Match,
    MoveDeployment,
    Notify,
    PauseDeployment,
    PausePool,
    ResumeDeployment,
    ResumePool,
    RetryRun,
    RunDeployment,
    SuspendRun,
)
from orchestra_nb.model.notifications import Severity
from orchestra_nb.model.secret_values import SECRET_KEY
from orchestra_nb.model.webhook_calls import USUAL_JSON, check_call
from orchestra_nb.operations.file_values import Names, ValueReader, texts

_ACTIONS: Final = (
    *("run", "pause", "resume", "move", "pause_pool", "resume_pool", "cancel", "suspend", "retry"),
    *("notify", "call_webhook", "emit"),
)


class _FileRun(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    parameters: dict[str, Any] = {}


class _FileNotify(msgspec.Struct, frozen=True, kw_only=True):
    notify: str
    title: str = ""
    body: str = ""
    severity: Severity = "info"


class _FileCall(msgspec.Struct, frozen=True, kw_only=True):
    call_webhook: str | dict[str, str]
    method: str = "POST"
    headers: dict[str, str | int | float | dict[str, str]] = {}
    json: Any = None
    text: str = ""
    sign: dict[str, str] | None = None
    allow_private: Names = []


class _FileEmit(msgspec.Struct, frozen=True, kw_only=True):
    emit: str
    resource: str
    payload: dict[str, Any] = {}


class _FilePause(msgspec.Struct, frozen=True, kw_only=True):
    pause: str


class _FileResume(msgspec.Struct, frozen=True, kw_only=True):
    resume: str


class _FileMove(msgspec.Struct, frozen=True, kw_only=True):
    move: str
    pool: str


class _FilePausePool(msgspec.Struct, frozen=True, kw_only=True):
    pause_pool: str


class _FileResumePool(msgspec.Struct, frozen=True, kw_only=True):
    resume_pool: str


class _FileCancel(msgspec.Struct, frozen=True, kw_only=True):
    cancel: str


class _FileSuspend(msgspec.Struct, frozen=True, kw_only=True):
    suspend: str


class _FileRetry(msgspec.Struct, frozen=True, kw_only=True):
    retry: str


class ActionReader:
    """Makes the record of an action.

    Parameters
    ----------
    values
        Knows where they stand.
    """

    def __init__(self, values: ValueReader) -> None:
        self._values = values
        self._source = values.source

    def action(self, path: str, item: object, about: Collection[Match] | None) -> Action:
        """Return what a file says at an item of `do`.

        Parameters
        ----------
        about
            What may have happened, whose facts its texts may name; None where that is not known.

        Raises
        ------
        InvalidInput
            It is no action; the message has the place.
        """
        kind = next((name for name in _ACTIONS if isinstance(item, dict) and name in item), None)
        action: Action
        match kind:
            case "run":
                run = self._source.convert(path, item, _FileRun, "run")
                action = RunDeployment(deployment=run.run, parameters=run.parameters)
            case "notify":
                told = self._source.convert(path, item, _FileNotify, "notify")
                action = Notify(channel=told.notify, title=told.title, body=told.body, severity=told.severity)
            case "call_webhook":
                action = self._call(path, self._source.convert(path, item, _FileCall, kind))
            case "emit":
                event = self._source.convert(path, item, _FileEmit, "emit")
                action = EmitEvent(event=event.emit, resource=event.resource, payload=event.payload)
            case "pause":
                action = PauseDeployment(deployment=self._source.convert(path, item, _FilePause, kind).pause)
            case "resume":
                action = ResumeDeployment(deployment=self._source.convert(path, item, _FileResume, kind).resume)
            case "move":
                move = self._source.convert(path, item, _FileMove, kind)
                action = MoveDeployment(deployment=move.move, pool=move.pool)
            case "pause_pool":
                action = PausePool(pool=self._source.convert(path, item, _FilePausePool, kind).pause_pool)
            case "resume_pool":
                action = ResumePool(pool=self._source.convert(path, item, _FileResumePool, kind).resume_pool)
            case "cancel":
                action = CancelRun(run=self._source.convert(path, item, _FileCancel, kind).cancel)
            case "suspend":
                action = SuspendRun(run=self._source.convert(path, item, _FileSuspend, kind).suspend)
            case "retry":
                action = RetryRun(run=self._source.convert(path, item, _FileRetry, kind).retry)
            case _:
                raise self._source.error(path, InvalidInput(f"an action is one of {', '.join(_ACTIONS)}."))
        return self.with_texts(path, action, about)

    def with_texts(self, path: str, action: Action, about: Collection[Match] | None) -> Action:
        """Return an action; what is wrong with its templates is raised with the place."""
        self._values.telling(path, lambda: check_action_texts(action, about))
        return action

    def _call(self, path: str, said: _FileCall) -> CallWebhook:
        method = said.method.upper()
        is_silent = said.json is None and not said.text and method not in ("GET", "DELETE")
        sign = {} if said.sign is None else said.sign
        if said.sign is not None and (set(sign) != {SECRET_KEY} or not sign[SECRET_KEY]):
            raise self._source.error(f"{path}.sign", InvalidInput(f"write {{{SECRET_KEY}: NAME}}."))
        fields = {
            "url": said.call_webhook,
            "method": method,
            "headers": {name: one if isinstance(one, dict) else str(one) for name, one in said.headers.items()},
            "json": dict(USUAL_JSON) if is_silent else said.json,
            "text": said.text,
            "signed_with": sign.get(SECRET_KEY, ""),
            "private_hosts": texts(said.allow_private),
        }
        try:
            call = msgspec.convert(fields, CallWebhook)
        except msgspec.ValidationError:
            message = f"{said.method!r} is no method: it is one of POST, PUT, PATCH, GET, DELETE."
            raise self._source.error(f"{path}.method", InvalidInput(message)) from None
        return self._values.telling(path, lambda: check_call(call, is_rendered=False))
