"""``POST /orchestra/api/v1/webhooks/NAME``: messages from outside. Anybody may call; the signature says who did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from orchestra_nb.errors import InvalidSetting, StoreUnavailable, WebhookRefused
from orchestra_nb.model.webhook_signatures import slack_challenge
from orchestra_nb.model.webhooks import Receipt, ReceiptState
from orchestra_nb.operations import webhooks
from orchestra_nb.server.api_handler import OrchestraAPIHandler
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.server.store_access import StoreAccess
    from orchestra_nb.store.run_store import RunStore

#: A body that is too large is read to its end up to here, since who sends one does not listen before; beyond that the
#: connection is closed.
_LARGEST_READ_BYTES: Final = 16_000_000


@web.stream_request_body
class WebhookHandler(OrchestraAPIHandler):
    """``webhooks/NAME``: take a message. It says what it started, and says so again when it comes again."""

    public_methods: ClassVar[frozenset[str]] = frozenset({"POST"})

    def initialize(self, access: StoreAccess) -> None:
        """Take the way to the store from the route, and make room for the body."""
        super().initialize(access)
        self._body = bytearray()
        self._read_bytes = 0

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself
        """Limit the body before it is read."""
        connection = self.request.connection
        assert connection is not None
        connection.set_max_body_size(_LARGEST_READ_BYTES)  # type: ignore[attr-defined]  # of HTTP1Connection
        await super().prepare()
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and len(length) <= 18 and int(length) > _LARGEST_READ_BYTES:
            raise web.HTTPError(413, _too_large())

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, and no more than a message may have."""
        self._read_bytes += len(chunk)
        if self._read_bytes <= webhooks.MAX_BODY_BYTES:
            self._body += chunk

    def check_xsrf_cookie(self) -> None:
        """Let a message pass without the token against forgery: no cookie gives it any right, its signature does."""
        if self.request.method not in self.public_methods:
            super().check_xsrf_cookie()

    @allow_unauthenticated
    async def post(self, name: str) -> None:
        """Answer 202 with what the message started, 422 where that failed, and 401 where nobody vouches for it."""
        if self._read_bytes > webhooks.MAX_BODY_BYTES:
            raise web.HTTPError(413, _too_large())
        body, headers = bytes(self._body), dict(self.request.headers)
        try:
            receipt = await self.call(_receive, name, headers, body)
        except WebhookRefused as refused:
            self.log.warning("A message for the webhook %.100r was refused: %s.", name, refused.__cause__)
            raise
        except StoreUnavailable as error:
            self.log.warning("A message for a webhook cannot be taken: %s", error)
            raise web.HTTPError(503, "Try again later.") from error
        challenge = slack_challenge(body) if receipt.state is ReceiptState.IGNORED else None
        if challenge is not None:
            self.answer({"challenge": challenge})
        else:
            self.answer(_answer(receipt), status=422 if receipt.state is ReceiptState.DEAD else 202)


def _receive(store: RunStore, name: str, headers: Mapping[str, str], body: bytes) -> Receipt:
    try:
        return webhooks.receive(store, name, headers, body, load_settings(), datetime.now(UTC))
    except InvalidSetting as error:  # not the fault of whoever sends
        raise StoreUnavailable(str(error)) from error


def _answer(receipt: Receipt) -> dict[str, object]:
    """Return what a sender hears; why something failed is for the owner, since it names files and deployments."""
    answer: dict[str, object] = {"delivery": receipt.number, "state": receipt.state}
    if receipt.run_id is not None:
        answer["run"] = {"run_id": receipt.run_id, "name": receipt.run_name}
    if receipt.event_id is not None:
        answer["event"] = {"event_id": receipt.event_id}
    return answer


def _too_large() -> str:
    return f"A message has at most {webhooks.MAX_BODY_BYTES:,} bytes."


webhook_routes = ((r"/orchestra/api/v1/webhooks/([^/]+)", WebhookHandler),)
