"""The websocket ``/orchestra/api/v1/stream?since=SEQUENCE``: live deltas of runs, with sequence numbers and replay.

The first message is ``{"sequence", "hello": true, "version"}``; then, at most ten times a second, full newest records:
``{"sequence", "reset", "runs", "tasks", "cells", "logs"}``. With ``reset`` the lists are empty and the client reads
anew. A client reconnects with the last sequence that it got.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.operations.run_changes import last_sequence
from orchestra_nb.server.api_handler import AUTH_RESOURCE
from orchestra_nb.server.run_handlers import API
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.server.store_access import StoreAccess

_GOING_AWAY = 1001
_INTERNAL_ERROR = 1011
_TRY_AGAIN_LATER = 1013


class StreamHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One client of the stream."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, access: StoreAccess) -> None:
        """Take the way to the store from the route."""
        self._access = access
        self._since: int | None = None
        self._sending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # the mixin gives the argument that is missing here
        """Refuse whoever is not logged in, whatever the method."""
        await ensure_async(super().prepare())
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
                raise web.HTTPError(422, f"since={text[:40]!r} is no sequence number.")
            self._since = int(text)
        await super().get()

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
                hello = {"sequence": since, "hello": True, "version": __version__}
                await self.write_message(msgspec.json.encode(hello).decode())
                async for text in stream.deltas(since):
                    await self.write_message(text.decode())
        except WebSocketClosedError:
            pass
        except StoreUnavailable as error:
            self.log.warning("The live view of runs is interrupted: %s", error)
            self.close(_TRY_AGAIN_LATER, "store unavailable")
        except asyncio.CancelledError:
            self.close(_GOING_AWAY)
            raise
        except Exception:
            self.log.exception("The live view of runs broke.")
            self.close(_INTERNAL_ERROR)


stream_routes = ((rf"{API}/stream", StreamHandler),)
