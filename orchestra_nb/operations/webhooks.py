"""Webhooks: make them, take their messages, and decide about those that could not start anything.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import Conflict, InvalidInput, NotFound, WebhookNotFound, WebhookRefused
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import check_name
from orchestra_nb.model.webhook_signatures import SignatureRefused, check_secret, message_id, secret_of, slack_challenge
from orchestra_nb.model.webhook_templates import Message, check_templates, message_of, render
from orchestra_nb.model.webhooks import (
    Receipt,
    ReceiptState,
    StoredWebhook,
    Webhook,
    WebhookScheme,
    check_webhook,
)
from orchestra_nb.operations.deployment_run import new_run
from orchestra_nb.operations.deployments import find_deployment
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.webhook_receipts import Outcome, WebhookReceipts
    from orchestra_nb.store.webhook_store import WebhookStore

#: The largest body of a message.
MAX_BODY_BYTES: Final = 1_000_000
#: The most messages that one call returns.
MAX_RECEIPTS: Final = 500
#: Under which a Jupyter server has its webhooks, after its base URL.
WEBHOOKS_PATH: Final = "/orchestra/api/v1/webhooks"

_SECRET_BYTES: Final = 32
#: Nobody learns from the answer what was wrong, nor which webhooks there are.
_REFUSAL: Final = "This message is not accepted: the address or the signature is not right."


def create_webhook(
    store: RunStore, webhook: Webhook, secret: Secret | None, *, key_file: Path, now: datetime
) -> Secret:
    """Make a webhook and return its secret, which is shown nowhere else.

    Parameters
    ----------
    secret
        The sender's; None to draw one.

    Raises
    ------
    InvalidInput
        Its name is none, it starts nothing, a template cannot be used, or the secret is none of its scheme.
    DeploymentNotFound
        There is no such deployment.
    NameTaken
        There is a webhook of this name.
    """
    check_name(webhook.name, "webhook")
    if "/" in webhook.name:
        raise InvalidInput(f"{webhook.name!r} is no name of a webhook: it is a part of an address, and has no '/'.")
    check_templates(check_webhook(webhook))
    if webhook.deployment is not None:
        find_deployment(store, webhook.deployment)
    secret = _new_secret(webhook.scheme, secret)
    _webhook_store(store, key_file).add(webhook, secret, now)
    return secret


def list_webhooks(store: RunStore) -> list[StoredWebhook]:
    """Return all webhooks by name, without their secrets."""
    return _webhook_store(store).list_webhooks()


def show_webhook(store: RunStore, name: str) -> StoredWebhook:
    """Return a webhook without its secret.

    Raises
    ------
    WebhookNotFound
        There is none of this name.
    """
    found = _webhook_store(store).find(name)
    if found is None:
        raise _no_webhook(name)
    return found


def rotate_secret(store: RunStore, name: str, secret: Secret | None, *, key_file: Path, now: datetime) -> Secret:
    """Give a webhook another secret and return it; messages that are signed with the old one are refused from now on.

    Raises
    ------
    WebhookNotFound
        There is none of this name.
    InvalidInput
        The secret is none of its scheme.
    """
    secret = _new_secret(show_webhook(store, name).webhook.scheme, secret)
    if not _webhook_store(store, key_file).set_secret(name, secret, now):
        raise _no_webhook(name)
    return secret


def delete_webhook(store: RunStore, name: str) -> None:
    """Delete a webhook, and what is known of its messages; what they started stays.

    Raises
    ------
    WebhookNotFound
        There is none of this name.
    """
    if not _webhook_store(store).delete(name):
        raise _no_webhook(name)


def receive(
    store: RunStore, name: str, headers: Mapping[str, str], body: bytes, settings: Settings, now: datetime
) -> Receipt:
    """Take a message, start what it is to start, and return what came of it.

    A message that is known starts nothing more; a dead letter that is sent again is tried again.

    Parameters
    ----------
    headers
        Name to value.

    Raises
    ------
    WebhookRefused
        There is no such webhook, or the message is not signed as it has to be; its ``__cause__`` says what it is.
    StoreUnavailable
        The sender has to try again.
    """
    key_file = settings.resolved_secret_key_file
    found, secret = _webhook_store(store, key_file).find_with_secret(name, _nobodys_secret())
    scheme = WebhookScheme.STANDARD if found is None else found.webhook.scheme
    try:
        sent = message_id(scheme, secret, {key.lower(): value for key, value in headers.items()}, body, now)
        if found is None:
            raise SignatureRefused("there is no such webhook, or its secret cannot be read")
    except SignatureRefused as refused:
        raise WebhookRefused(_REFUSAL) from refused
    receipts = _receipts(store, key_file)
    known = receipts.find(name, sent)
    if known is not None and known.state is not ReceiptState.DEAD:
        return known
    outcome = _outcome(store, found.webhook, message_of(headers, body), settings, now)
    return receipts.settle(name, sent, outcome, now)


def list_receipts(
    store: RunStore, *, webhook: str | None = None, states: Sequence[ReceiptState] | None = None, limit: int = 50
) -> list[Receipt]:
    """Return messages, the newest first.

    Parameters
    ----------
    webhook, states
        None for all.

    Raises
    ------
    WebhookNotFound
        There is no such webhook.
    """
    if not 1 <= limit <= MAX_RECEIPTS:
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_RECEIPTS}.")
    if webhook is not None:
        show_webhook(store, webhook)
    return _receipts(store).list_receipts(webhook=webhook, states=states, limit=limit)


def retry_message(store: RunStore, number: int, settings: Settings, *, actor: str, now: datetime) -> Receipt:
    """Try a dead letter again, with the templates and the deployment as they are now; return what came of it.

    Raises
    ------
    WebhookNotFound
        There is none of this number.
    Conflict
        It is no dead letter, or too old for its body to be kept.
    SecretUnreadable
        Its body was encrypted with another key.
    """
    receipts = _receipts(store, settings.resolved_secret_key_file)
    receipt = receipts.get(number)
    if receipt.state is not ReceiptState.DEAD:
        raise Conflict(f"Message {number} is {receipt.state.value.lower()}: only a dead letter is tried again.")
    kept = receipts.get_message(number)
    if kept is None:
        raise Conflict(f"The body of message {number} is not kept any more. Have its sender send it again.")
    webhook = show_webhook(store, receipt.webhook).webhook
    outcome = _outcome(store, webhook, _message_from(kept), settings, now)
    return receipts.settle(receipt.webhook, receipt.message_id, outcome, now, actor)


def discard_message(store: RunStore, number: int, *, actor: str, now: datetime) -> Receipt:
    """Decide that a dead letter starts nothing, also when it is sent again.

    Raises
    ------
    WebhookNotFound
        There is none of this number.
    Conflict
        It is no dead letter.
    """
    return _receipts(store).discard(number, actor, now)


def _outcome(store: RunStore, webhook: Webhook, message: Message, settings: Settings, now: datetime) -> Outcome:
    from orchestra_nb.store.webhook_receipts import Outcome
    from orchestra_nb.store.work_queue import QueuedRun

    if webhook.scheme is WebhookScheme.SLACK and slack_challenge(message.body) is not None:
        return Outcome(state=ReceiptState.IGNORED)
    try:
        rendered = render(webhook, message)
        if not rendered.is_wanted:
            return Outcome(state=ReceiptState.IGNORED)
        if webhook.event is not None:
            resource = rendered.resource or f"webhook.{webhook.name}"
            event = CustomEvent(
                event_id=fresh_id(now),
                event=webhook.event,
                resource={"id": resource},
                occurred_at=now,
                payload=rendered.parameters,
            )
            return Outcome(state=ReceiptState.ACCEPTED, event=event)
        run, spec = new_run(store, webhook.deployment or "", settings, now=now, parameters=rendered.parameters)
    except (InvalidInput, NotFound) as error:
        return Outcome(state=ReceiptState.DEAD, reason=str(error), message=_kept(message))
    return Outcome(state=ReceiptState.ACCEPTED, run=run, queued=QueuedRun.of(run, spec.pool, spec.priority))


@lru_cache(maxsize=1)
def _nobodys_secret() -> Secret:
    """Return a secret that nobody has: messages for names that are not there are checked with it."""
    return secret_of(WebhookScheme.STANDARD, secrets.token_bytes(_SECRET_BYTES))


def _new_secret(scheme: WebhookScheme, secret: Secret | None) -> Secret:
    if secret is not None:
        return check_secret(scheme, secret)
    if scheme is WebhookScheme.SLACK:
        raise InvalidInput(
            "Slack draws the secret itself: it is the Signing Secret of your app, under Basic Information."
        )
    return secret_of(scheme, secrets.token_bytes(_SECRET_BYTES))


def _kept(message: Message) -> Secret:
    return Secret(json.dumps({"headers": message.headers, "body": message.body.decode("utf-8", "surrogateescape")}))


def _message_from(kept: Secret) -> Message:
    content = msgspec.convert(json.loads(kept.get()), dict[str, object])
    body = str(content["body"]).encode("utf-8", "surrogateescape")
    return Message(headers=msgspec.convert(content["headers"], dict[str, str]), body=body)


def _no_webhook(name: str) -> WebhookNotFound:
    return WebhookNotFound(f"No webhook {name!r}. `orchestra webhooks ls` lists them.")


def _webhook_store(store: RunStore, key_file: Path | None = None) -> WebhookStore:
    from orchestra_nb.store.secret_key import load_secret_key
    from orchestra_nb.store.webhook_store import WebhookStore

    return WebhookStore(store.database, None if key_file is None else load_secret_key(key_file))


def _receipts(store: RunStore, key_file: Path | None = None) -> WebhookReceipts:
    from orchestra_nb.store.secret_key import load_secret_key
    from orchestra_nb.store.webhook_receipts import WebhookReceipts

    return WebhookReceipts(store.database, None if key_file is None else load_secret_key(key_file))
