"""Sends one request to a webhook: no redirect is followed, and nothing of its secrets is in what comes back."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automations import CallWebhook
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhook_calls import HOW_TO_ALLOW, Request, may_be_private, request_of
from orchestra_nb.services.guarded_calls import GuardedCalls, guarded_calls

if TYPE_CHECKING:
    from datetime import datetime

#: So much of an answer is read, and told.
_LONGEST_ANSWER: Final = 4_000
_LONGEST_REASON: Final = 500


def send_call(
    call: CallWebhook, secrets: Mapping[str, Secret], *, name: str, now: datetime, limit_seconds: float
) -> str | None:
    """Send a request; return None when it was answered with a status from 200 to 299, else why not, without secrets.

    Takes at most ``limit_seconds``, apart from looking up names. From any thread.

    Parameters
    ----------
    secrets
        Name to secret: all that it needs.
    name
        Names the message: the same at each try.
    """
    try:
        request = request_of(call, secrets, name, now)
    except InvalidInput as error:
        return str(error)
    mask = Mask(_parts(secret.get() for secret in secrets.values()))
    with guarded_calls(may_be_private=may_be_private(call, request.url), limit_seconds=limit_seconds) as calls:
        try:
            reason = _answer(request, limit_seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:  # a name of a host that none can be, too
            reason = _why(calls, error, limit_seconds)
    return None if reason is None else mask.text(reason)[:_LONGEST_REASON]


def _answer(request: Request, limit_seconds: float) -> str | None:
    parts = urlsplit(request.url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=limit_seconds, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=limit_seconds)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(request.method, target, request.body, request.headers)
        answer = connection.getresponse()
        if 200 <= answer.status < 300:
            return None
        text = answer.read(_LONGEST_ANSWER).decode("utf-8", "replace")
    finally:
        connection.close()
    status = f"It answered {answer.status} {answer.reason}".rstrip()
    if 300 <= answer.status < 400:
        return f"{status}: redirects are not followed."
    said = " ".join(text.split())
    return f"{status}: {said}" if said else f"{status}."


def _why(calls: GuardedCalls, error: Exception, limit_seconds: float) -> str:
    if calls.refusals:
        return f"Refused: {'; '.join(calls.refusals)}. {HOW_TO_ALLOW}"
    if calls.is_cut or isinstance(error, TimeoutError):
        return f"It took longer than {limit_seconds:g} s."
    return f"{type(error).__name__}: {error}"


def _parts(texts: Iterable[str]) -> set[str]:
    """Return secrets and the parts of them that an answer may hold: of addresses, and behind a word like Bearer."""
    parts: set[str] = set()
    for text in texts:
        host = urlsplit(text).hostname if "://" in text else None
        pieces = {text, *re.split(r"[/?&=:@#,;\s]+", text)}
        parts |= pieces | {unquote(piece) for piece in pieces}
        parts -= {host, "Bearer", "Basic", "http", "https"}
    return parts
