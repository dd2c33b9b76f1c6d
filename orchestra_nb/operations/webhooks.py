"""Webhooks: make and change them, take their messages, and decide about those that could not start anything.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, UnsetType

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import Conflict, InvalidInput, NotFound, WarningsRefused, WebhookNotFound, WebhookRefused
from orchestra_nb.model.automation_decisions import hops_of_headers
from orchestra_nb.model.automations import AUTOMATION_ROLE, HOPS_TAG
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import check_name
from orchestra_nb.model.webhook_signatures import SignatureRefused, check_secret, message_id, secret_of, slack_challenge
from orchestra_nb.model.webhook_templates import Message, check_templates, message_of, render
from orchestra_nb.model.webhooks import (
    Receipt,
    ReceiptState,
    StoredWebhook,
    Webhook,
    WebhookChanges,
    WebhookScheme,
    changed_webhook,
    check_webhook,
)
from orchestra_nb.operations.error_places import told_at
from orchestra_nb.settings import SecretKeyPlace, Settings

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


class MadeWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request for a webhook.

    Parameters
    ----------
    secret
        Shown nowhere else.
    warnings
        Parameters that the deployment may not take.
    """

    secret: Secret
    warnings: tuple[str, ...] = ()


def create_webhook(
    store: RunStore,
    webhook: Webhook,
    secret: Secret | None,
    settings: Settings,
    *,
    now: datetime,
    owner: str | None = None,
    refuses_warnings: bool = False,
) -> MadeWebhook:
    """Make a webhook.

    Parameters
    ----------
    secret
        The sender's; None to draw one.
    owner
        Whose it is, and the deployment that it runs; None for nobody's.
    refuses_warnings
        Whether it is not made where something may not fit.

    Raises
    ------
    WarningsRefused
        Something may not fit, and that is refused.
    InvalidInput
        Its name is none, it starts nothing, a template cannot be used, a parameter without one does not fit, or the
        secret is none of its scheme.
    DeploymentNotFound
        There is no such deployment.
    NameTaken
        There is a webhook of this name.
    """
    findings = Findings()
    hooks = _webhook_store(store, settings.secret_key_place)
    findings.trying(told_at("/name")(lambda: _check_webhook_name(webhook.name)))
    findings.trying(told_at("/name")(lambda: hooks.check_free(webhook.name)))
    warnings = _foresee(store, webhook, settings, findings)
    kept = findings.trying(told_at("/secret")(lambda: _new_secret(webhook.scheme, secret)))
    findings.tell()
    assert kept is not None
    if warnings and refuses_warnings:
        raise WarningsRefused("\n".join(warnings))
    with told_at("/name"):  # it may have been taken meanwhile
        hooks.add(webhook, kept, now, owner)
    return MadeWebhook(secret=kept, warnings=warnings)


def change_webhook(
    store: RunStore,
    name: str,
    changes: WebhookChanges,
    settings: Settings,
    *,
    owner: str | None = None,
    refuses_warnings: bool = False,
) -> tuple[str, ...]:
    """Have a webhook be otherwise; return what may not fit. With another name it has another address.

    Parameters
    ----------
    owner
        Whose it is from now on. None for the owner of the deployment that it is to run, where it was somebody's: one
        that is to emit events, or was nobody's, is nobody's.
    refuses_warnings
        Whether it stays as it is where something may not fit.

    Raises
    ------
    WarningsRefused
        Something may not fit, and that is refused.
    WebhookNotFound
        There is none of this name.
    InvalidInput, DeploymentNotFound
        Nothing is to change, or as :func:`create_webhook`.
    NameTaken
        There is a webhook of the other name.
    """
    if changes == WebhookChanges():
        raise InvalidInput(
            "Say what to change of the webhook, such as its condition: `orchestra webhooks update --help`."
        )
    from orchestra_nb.store.webhook_store import OTHER_NAME

    hooks = _webhook_store(store)
    while True:
        stored = show_webhook(store, name)
        before = stored.webhook
        after = changed_webhook(before, changes)
        findings = Findings()
        if after.name != name:
            findings.trying(told_at("/new_name")(lambda renamed=after.name: _check_webhook_name(renamed)))
            findings.trying(told_at("/new_name")(lambda renamed=after.name: hooks.check_free(renamed, OTHER_NAME)))
        warnings = _foresee(store, after, settings, findings)
        findings.tell()
        if warnings and refuses_warnings:
            raise WarningsRefused("\n".join(warnings))
        new_owner = owner or _owner_after(store, stored, changes)
        with told_at("/new_name"):  # it may have been taken meanwhile
            is_changed = hooks.replace(before, after, new_owner)
        if is_changed:
            return warnings  # else somebody else has changed it: once more, of what it is now


def _owner_after(store: RunStore, stored: StoredWebhook, changes: WebhookChanges) -> str | UnsetType | None:
    """Return whose a webhook is after a change; unset for who it is of, where it starts what it did."""
    from orchestra_nb.operations.deployments import find_deployment

    if changes.event is not None:
        return None
    if changes.deployment is None:
        return UNSET
    return None if stored.owner is None else find_deployment(store, changes.deployment).owner


def pause_webhook(store: RunStore, name: str) -> None:
    """Have the messages of a webhook start nothing: those that come are ignored, also where they come again later.

    Raises
    ------
    WebhookNotFound
        There is none of this name.
    """
    _set_paused(store, name, True)


def resume_webhook(store: RunStore, name: str) -> None:
    """Have the messages of a webhook that come from now on start what they are to start.

    Raises
    ------
    WebhookNotFound
        There is none of this name.
    """
    _set_paused(store, name, False)


def _set_paused(store: RunStore, name: str, is_paused: bool) -> None:
    with store.database.together():
        before = show_webhook(store, name).webhook
        _webhook_store(store).replace(before, msgspec.structs.replace(before, is_paused=is_paused))


def _foresee(store: RunStore, webhook: Webhook, settings: Settings, findings: Findings) -> tuple[str, ...]:
    """Return what may not fit about a webhook; what is wrong with it goes to the findings."""
    from orchestra_nb.operations.deployments import find_deployment
    from orchestra_nb.operations.foreseen_parameters import foresee_webhook

    findings.trying(lambda: check_webhook(webhook))
    findings.trying(lambda: check_templates(webhook))
    if webhook.deployment is not None:
        findings.trying(told_at("/deployment")(lambda: find_deployment(store, webhook.deployment or "")))
    warnings = findings.trying(told_at("/parameters")(lambda: foresee_webhook(store, webhook, settings)))
    return tuple(warnings or ())


def _check_webhook_name(name: str) -> None:
    if "/" in check_name(name, "webhook"):
        raise InvalidInput(f"{name!r} is no name of a webhook: it is a part of an address, and has no '/'.")


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


def rotate_secret(
    store: RunStore,
    name: str,
    secret: Secret | None,
    *,
    key_place: SecretKeyPlace,
    now: datetime,
    overlap: timedelta = timedelta(0),
) -> Secret:
    """Give a webhook another secret and return it.

    Parameters
    ----------
    overlap
        How long messages that are signed with the old one are accepted, too. The one before that is refused at once.

    Raises
    ------
    WebhookNotFound
        There is none of this name.
    InvalidInput
        The secret is none of its scheme.
    """
    secret = _new_secret(show_webhook(store, name).webhook.scheme, secret)
    previous_until = now + overlap if overlap > timedelta(0) else None
    if not _webhook_store(store, key_place).set_secret(name, secret, now, previous_until):
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
    key_place = settings.secret_key_place
    found, accepted = _webhook_store(store, key_place).find_with_secrets(name, _nobodys_secret(), now)
    scheme = WebhookScheme.STANDARD if found is None else found.webhook.scheme
    try:
        sent = message_id(scheme, accepted, {key.lower(): value for key, value in headers.items()}, body, now)
        if found is None:
            raise SignatureRefused("there is no such webhook, or its secret cannot be read")
    except SignatureRefused as refused:
        raise WebhookRefused(_REFUSAL) from refused
    receipts = _receipts(store, key_place)
    known = receipts.find(name, sent)
    if known is not None and known.state is not ReceiptState.DEAD:
        return known
    if found.webhook.is_paused:
        outcome = _ignored("The webhook was paused.")
    else:
        outcome = _outcome(store, found, message_of(headers, body), settings, now)
    return receipts.settle(name, sent, outcome, now)


def list_receipts(
    store: RunStore,
    *,
    webhook: str | None = None,
    states: Sequence[ReceiptState] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Receipt]:
    """Return messages, the newest first.

    Parameters
    ----------
    webhook, states
        None for all.
    before
        Only those with a lower number, that of the last of the page before.

    Raises
    ------
    WebhookNotFound
        There is no such webhook.
    """
    if not 1 <= limit <= MAX_RECEIPTS + 1:  # one more tells whether there are more
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_RECEIPTS}.")
    if webhook is not None:
        show_webhook(store, webhook)
    return _receipts(store).list_receipts(webhook=webhook, states=states, before=before, limit=limit)


def show_receipt(store: RunStore, number: int) -> Receipt:
    """Return what came of a message.

    Raises
    ------
    WebhookNotFound
        There is none of this number.
    """
    return _receipts(store).get(number)


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
    receipts = _receipts(store, settings.secret_key_place)
    receipt = receipts.get(number)
    if receipt.state is not ReceiptState.DEAD:
        raise Conflict(f"Message {number} is {receipt.state.value.lower()}: only a dead letter is tried again.")
    kept = receipts.get_message(number)
    if kept is None:
        raise Conflict(f"The body of message {number} is not kept any more. Have its sender send it again.")
    outcome = _outcome(store, show_webhook(store, receipt.webhook), _message_from(kept), settings, now)
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


def _ignored(why: str) -> Outcome:
    from orchestra_nb.store.webhook_receipts import Outcome

    return Outcome(state=ReceiptState.IGNORED, reason=why)


def _outcome(store: RunStore, stored: StoredWebhook, message: Message, settings: Settings, now: datetime) -> Outcome:
    from orchestra_nb.store.webhook_receipts import Outcome
    from orchestra_nb.store.work_queue import QueuedRun

    webhook = stored.webhook
    if webhook.scheme is WebhookScheme.SLACK and slack_challenge(message.body) is not None:
        return Outcome(state=ReceiptState.IGNORED)
    from orchestra_nb.operations.deployment_run import new_run
    from orchestra_nb.operations.deployments import find_deployment

    hops = hops_of_headers(message.headers)
    try:
        rendered = render(webhook, message)
        if not rendered.is_wanted:
            return Outcome(state=ReceiptState.IGNORED)
        if webhook.event is not None:
            resource = rendered.resource or f"webhook.{webhook.name}"
            sender = {"id": f"webhook {webhook.name}", "role": AUTOMATION_ROLE, "hops": str(hops)}
            event = CustomEvent(
                event_id=fresh_id(now),
                event=webhook.event,
                resource={"id": resource},
                occurred_at=now,
                related=(sender,) if hops else (),
                payload=rendered.parameters,
            )
            return Outcome(state=ReceiptState.ACCEPTED, event=event)
        if stored.owner is not None and find_deployment(store, webhook.deployment or "").owner != stored.owner:
            raise InvalidInput(
                f"The deployment {webhook.deployment!r} is not {stored.owner!r}'s any more, whose this webhook is. "
                "Delete the webhook, and have its new owner make one."
            )
        run, spec = new_run(store, webhook.deployment or "", settings, now=now, parameters=rendered.parameters)
    except (InvalidInput, NotFound) as error:
        return Outcome(state=ReceiptState.DEAD, reason=str(error), message=_kept(message))
    if hops:
        run = msgspec.structs.replace(run, tags={**run.tags, HOPS_TAG: str(hops)})
    return Outcome(
        state=ReceiptState.ACCEPTED, run=run, queued=QueuedRun.of(run, spec.pool, spec.priority, spec.limits)
    )


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


def _webhook_store(store: RunStore, key_place: SecretKeyPlace | None = None) -> WebhookStore:
    from orchestra_nb.store.secret_key import load_secret_key
    from orchestra_nb.store.webhook_store import WebhookStore

    return WebhookStore(store.database, None if key_place is None else load_secret_key(key_place))


def _receipts(store: RunStore, key_place: SecretKeyPlace | None = None) -> WebhookReceipts:
    from orchestra_nb.store.secret_key import load_secret_key
    from orchestra_nb.store.webhook_receipts import WebhookReceipts

    return WebhookReceipts(store.database, None if key_place is None else load_secret_key(key_place))
