"""Requests whose body is bounded before it is read: one that is too large costs no memory and no question who calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from tornado import web

from orchestra_nb.server.api_handler import OrchestraAPIHandler

if TYPE_CHECKING:
    from orchestra_nb.server.store_access import StoreAccess

#: A body that is too large is read to its end up to here, and thrown away, since who sends one does not listen before;
#: beyond that the connection is closed.
_LARGEST_READ_BYTES: Final = 16_000_000


@web.stream_request_body
class BoundedBodyHandler(OrchestraAPIHandler):
    """A handler that takes no more of a body than it may have."""

    max_body_bytes: ClassVar[int] = 4_000_000

    def initialize(self, access: StoreAccess) -> None:
        """Take the way to the store from the route, and make room for the body."""
        super().initialize(access)
        self._body = bytearray()
        self._read_bytes = 0

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself
        """Limit the body before it is read; refuse one that says that it is too large before it is asked who calls."""
        connection = self.request.connection
        assert connection is not None
        largest = max(self.max_body_bytes, _LARGEST_READ_BYTES)
        connection.set_max_body_size(largest)  # type: ignore[attr-defined]  # of HTTP1Connection
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and (len(length) > 18 or int(length) > self.max_body_bytes):
            raise self._too_large()
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, and no more than it may have."""
        self._read_bytes += len(chunk)
        if self._read_bytes <= self.max_body_bytes:
            self._body += chunk

    @property
    def body(self) -> bytes:
        """The body.

        Raises
        ------
        HTTPError
            413: it is too large, which its begin did not say.
        """
        if self._read_bytes > self.max_body_bytes:
            raise self._too_large()
        return bytes(self._body)

    def _too_large(self) -> web.HTTPError:
        return web.HTTPError(413, f"A body has at most {self.max_body_bytes:,} bytes here.")
