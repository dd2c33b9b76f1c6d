"""``POST /orchestra/api/v1/webhooks/NAME``: messages from outside. Anybody may call; the signature says who did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from orchestra_nb.errors import InvalidSetting, StoreUnavailable, WebhookRefused
from orchestra_nb.model.audit import AuditEntry, Outcome, Via, entry_of
from orchestra_nb.model.webhook_signatures import slack_challenge
from orchestra_nb.model.webhooks import Receipt, ReceiptState
from orchestra_nb.operations import webhooks
from orchestra_nb.operations.audit_trail import note
from orchestra_nb.server.rest_handler import RestHandler
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


class WebhookHandler(RestHandler):
    """``webhooks/NAME``: take a message. It says what it started, and says so again when it comes again.

    All other methods are those of the REST API, for whoever may call it.
    """

    public_methods: ClassVar[frozenset[str]] = frozenset({"POST"})
    max_body_bytes: ClassVar[int] = webhooks.MAX_BODY_BYTES

    def check_xsrf_cookie(self) -> None:
        """Let a message pass without the token against forgery: no cookie gives it any right, its signature does."""
        if self.request.method not in self.public_methods:
            super().check_xsrf_cookie()

    @allow_unauthenticated
    async def post(self, name: str) -> None:
        """Answer 202 with what the message started, 422 where that failed, and 401 where nobody vouches for it."""
        body, headers = self.body, dict(self.request.headers)
        try:
            receipt = await self.call(_receive, name, headers, body, self.request.remote_ip or "")
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


def _receive(store: RunStore, name: str, headers: Mapping[str, str], body: bytes, origin: str) -> Receipt:
    now = datetime.now(UTC)
    try:
        receipt = webhooks.receive(store, name, headers, body, load_settings(), now)
    except InvalidSetting as error:  # not the fault of whoever sends
        raise StoreUnavailable(str(error)) from error
    if now in (receipt.received_at, receipt.closed_at) and receipt.state in (ReceiptState.ACCEPTED, ReceiptState.DEAD):
        note(store, _entry(name, receipt, origin, now))
    return receipt


def _entry(name: str, receipt: Receipt, origin: str, now: datetime) -> AuditEntry:
    """Return what the audit trail says of a message that was rightly signed, and is no repetition."""
    is_done = receipt.state is ReceiptState.ACCEPTED
    actor = f"webhook {name}"
    entry = entry_of("receive_message", name, at=now, actor=actor, via=Via.API, origin=origin, run_id=receipt.run_id)
    return entry if is_done else msgspec.structs.replace(entry, outcome=Outcome.FAILED, code="dead_letter")


def _answer(receipt: Receipt) -> dict[str, object]:
    """Return what a sender hears; why something failed is for the owner, since it names files and deployments."""
    answer: dict[str, object] = {"delivery": receipt.number, "state": receipt.state}
    if receipt.run_id is not None:
        answer["run"] = {"run_id": receipt.run_id, "name": receipt.run_name}
    if receipt.event_id is not None:
        answer["event"] = {"event_id": receipt.event_id}
    return answer


webhook_routes = ((r"/orchestra/api/v1/webhooks/([^/]+)", WebhookHandler),)
