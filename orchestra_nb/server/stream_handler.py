"""The websocket ``/orchestra/api/v1/stream?since=SEQUENCE``: live deltas of runs, with sequence numbers and replay.

The first message is ``{"sequence", "hello": true, "version"}``; then, at most ten times a second, full newest records:
``{"sequence", "reset", "runs", "tasks", "cells", "logs", "artifacts", "inputs", "lists"}``; ``lists`` names what else
is to be read anew. With ``reset`` the others are empty and the client reads anew. A client reconnects with the last
sequence that it got.

``run``, ``flow``, ``deployment``, ``kind`` and ``owner`` narrow it to what a page shows, ``parts`` to some of the
records; the first message says so in ``view``, with the ids of runs that were given by name. ``language`` is that of
who reads it, where it is not that of the browser (``Accept-Language``).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from orchestra_nb.errors import InvalidInput, OrchestraError, StoreUnavailable, TokenRefused
from orchestra_nb.model.api_tokens import bearer_token
from orchestra_nb.model.stream_views import EVERYTHING, StreamView
from orchestra_nb.operations.api_tokens import find_token
from orchestra_nb.operations.run_changes import last_sequence, list_marks
from orchestra_nb.operations.stream_subscriptions import VIEW_PARAMETERS, view_of
from orchestra_nb.server.api_handler import PROBLEM_TYPE, problem_answer
from orchestra_nb.server.callers import AUTH_RESOURCE
from orchestra_nb.server.languages import reader_language, wanted_language
from orchestra_nb.server.rest_handler import PREFIX
from orchestra_nb.server.store_access import as_seen_by
from orchestra_nb.server.token_identity import TokenIdentity
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.server.store_access import StoreAccess

_GOING_AWAY = 1001
_POLICY_VIOLATION = 1008
_INTERNAL_ERROR = 1011
_TRY_AGAIN_LATER = 1013
#: So often, at most, it is asked whether a token still opens anything.
_CHECK_SECONDS = 1.0


class StreamHandler(WebSocketMixin, WebSocketHandler, TokenIdentity):
    """One client of the stream."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, access: StoreAccess) -> None:
        """Take the way to the store from the route."""
        self._access = access
        self._since: int | None = None
        self._language: str | None = None
        self._view = EVERYTHING
        self._checked_at = -math.inf
        self._sending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # the mixin gives the argument that is missing here
        """Refuse whoever is not logged in, whatever the method."""
        await super().prepare()
        if self.current_user is None:
            raise web.HTTPError(403)

    @ws_authenticated
    async def get(self) -> None:
        """Open the socket for those who may read runs: the stream changes nothing."""
        may_read = self.authorizer.is_authorized(self, self.current_user, "read", AUTH_RESOURCE)
        if not await ensure_async(may_read):
            raise web.HTTPError(403)
        text = self.get_query_argument("since", None)
        if text is not None:
            if not (text.isascii() and text.isdigit() and len(text) <= 18):
                raise InvalidInput(f"since={text[:40]!r} is no sequence number.")
            self._since = int(text)
        language = self.get_query_argument("language", None)
        self._language = reader_language(self.request.headers) if language is None else wanted_language(language)
        self._view = await self._asked_view()
        await super().get()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a handshake that fails with a problem, as all calls are answered."""
        status, body = problem_answer(
            status_code, kwargs.get("exc_info", (None, None, None))[1], reader_language(self.request.headers)
        )
        self.set_status(status)
        self.set_header("Content-Type", PROBLEM_TYPE)
        self.finish(body)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log errors that are answers as one line, others with their trace."""
        if isinstance(value, OrchestraError):
            self.log.debug("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)

    async def _asked_view(self) -> StreamView:
        from orchestra_nb.rest.request_reading import given_parameters

        given = given_parameters({name: self.get_query_arguments(name) for name in self.request.query_arguments})
        for name in given:
            if name not in ("since", "language", *VIEW_PARAMETERS):
                listed = ", ".join(("since", "language", *VIEW_PARAMETERS))
                raise InvalidInput(f"{name[:40]!r} is no parameter of the stream. Its parameters are: {listed}.")
        if not any(name in given for name in VIEW_PARAMETERS):
            return EVERYTHING  # whose stream needs no store to begin
        owner = self.get_query_argument("owner", None)
        return await self._access.call(
            as_seen_by(self.owners, view_of),
            runs=self._words("run"),
            flow=self.get_query_argument("flow", None),
            deployment=self.get_query_argument("deployment", None),
            kind=self.get_query_argument("kind", None),
            owner=self.caller_name if owner == "me" else owner,
            parts=self._words("parts"),
        )

    def _words(self, name: str) -> list[str]:
        return [word for value in self.get_query_arguments(name) for word in value.split(",") if word]

    def open(self) -> None:
        """Begin to send."""
        super().open()
        self._sending = asyncio.create_task(self._send_deltas())

    def on_message(self, message: str | bytes) -> None:
        """Ignore what a client sends: this socket has one direction."""

    def on_close(self) -> None:
        """Stop sending."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_deltas(self) -> None:
        try:
            stream = await self._access.stream()
            with stream.subscribed():
                since = self._since if self._since is not None else await self._access.call(last_sequence)
                marks: Mapping[str, str] = {}
                if self._view == EVERYTHING:
                    # before the client knows that it is heard
                    marks = await self._access.call(as_seen_by(self.owners, list_marks))
                hello: dict[str, object] = {"sequence": since, "hello": True, "version": __version__}
                if self._view != EVERYTHING:
                    hello["view"] = self._view
                await self.write_message(msgspec.json.encode(hello).decode())
                deltas = stream.deltas(since, self._view, marks, owners=self.owners, language=self._language)
                async for text in deltas:
                    await self._check_token()
                    await self.write_message(text.decode())
        except WebSocketClosedError:
            pass
        except TokenRefused as error:
            self.log.info("The live view of runs ends: %s", error)
            self.close(_POLICY_VIOLATION, "token refused")
        except StoreUnavailable as error:
            self.log.warning("The live view of runs is interrupted: %s", error)
            self.close(_TRY_AGAIN_LATER, "store unavailable")
        except asyncio.CancelledError:
            self.close(_GOING_AWAY)
            raise
        except Exception:
            self.log.exception("The live view of runs broke.")
            self.close(_INTERNAL_ERROR)

    async def _check_token(self) -> None:
        """Refuse a token that has expired, or was revoked, since the socket was opened."""
        now = asyncio.get_running_loop().time()
        text = bearer_token(self.request.headers.get("Authorization", ""))
        if text is not None and now - self._checked_at >= _CHECK_SECONDS:
            await self._access.call(find_token, text, datetime.now(UTC))
            self._checked_at = now


stream_routes = ((rf"{PREFIX}/stream", StreamHandler),)
