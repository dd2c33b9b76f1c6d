"""Webhooks that come in: who may send, what a message starts, and what became of each."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput


class WebhookScheme(str, Enum):
    """How senders sign their messages."""

    #: Standard Webhooks, version 1
    STANDARD = "standard"
    #: GitHub's ``X-Hub-Signature-256``
    GITHUB = "github"
    #: Slack's ``v0``
    SLACK = "slack"

    def __str__(self) -> str:
        return self.value


class Webhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address that others send messages to, and what a message starts. Its secret is kept apart.

    Parameters
    ----------
    deployment, event
        What is started: a run of this deployment, or an event of this name. One of them is None.
    parameters
        Name to Jinja template: the parameters of the run, or the payload of the event.
    resource
        For an event: a template for the ``id`` of what it is about; empty for the webhook itself.
    condition
        A template: a message for which it is empty, or says no, starts nothing. Empty for all messages.
    is_paused
        Whether its messages start nothing for now.
    """

    name: str
    scheme: WebhookScheme = WebhookScheme.STANDARD
    deployment: str | None = None
    event: str | None = None
    parameters: dict[str, str] = {}
    resource: str = ""
    condition: str = ""
    is_paused: bool = False


class WebhookChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise about a webhook; null is as it is. Its secret, and how it is signed, stay."""

    new_name: Annotated[str | None, Meta(description="Another name, and so another address.")] = None
    deployment: Annotated[str | None, Meta(description="Run this one, in place of what is started now.")] = None
    event: Annotated[str | None, Meta(description="Emit this one, in place of what is started now.")] = None
    parameters: Annotated[
        dict[str, str] | None, Meta(description="All the templates of parameters, or of the event's payload, by name.")
    ] = None
    resource: Annotated[str | None, Meta(description="A template: what an event is about.")] = None
    condition: Annotated[str | None, Meta(description="A template: only messages for which it says yes.")] = None
    is_paused: Annotated[bool | None, Meta(description="Whether its messages start nothing for now.")] = None


def changed_webhook(webhook: Webhook, changes: WebhookChanges) -> Webhook:
    """Return a webhook as it is after some changes.

    Examples
    --------
    >>> changed = changed_webhook(Webhook(name="orders", deployment="etl"), WebhookChanges(event="orders.imported"))
    >>> changed.deployment, changed.event
    (None, 'orders.imported')
    """
    said = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    said["name"] = said.pop("new_name", webhook.name)
    if "event" in said:
        said.setdefault("deployment", None)
    elif "deployment" in said:
        said |= {"event": None, "resource": said.get("resource", "")}
    return msgspec.structs.replace(webhook, **said)


class StoredWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, and since when it is there and has its secret.

    Parameters
    ----------
    previous_until
        Until when the secret before it is accepted, too; None where none is.
    owner
        Whose it is: it runs nothing but a deployment of theirs. None for one that starts anything.
    """

    webhook: Webhook
    created_at: datetime
    secret_changed_at: datetime
    previous_until: datetime | None = None
    owner: str | None = None


class ReceiptState(str, Enum):
    """What became of a message that was rightly signed."""

    #: it started something
    ACCEPTED = "ACCEPTED"
    #: its webhook wants no such messages
    IGNORED = "IGNORED"
    #: a dead letter: what it should start could not be, somebody has to decide
    DEAD = "DEAD"
    #: somebody decided that it starts nothing
    DISCARDED = "DISCARDED"

    def __str__(self) -> str:
        return self.value


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a webhook, without its body.

    Parameters
    ----------
    number
        Names it for ever.
    message_id
        What the sender calls it: the same message has the same.
    run_id, run_name, event_id
        What it started; None for what it did not.
    reason
        Why it is a dead letter; of an ignored one, what ignored it, where that was not its condition.
    closed_at, closed_by
        When and by whom it was discarded, or tried again.
    """

    number: int
    webhook: str
    message_id: str
    state: ReceiptState
    received_at: datetime
    run_id: str | None
    run_name: str | None
    event_id: str | None
    reason: str
    closed_at: datetime | None
    closed_by: str | None


def check_webhook(webhook: Webhook) -> Webhook:
    """Return a webhook that starts one thing.

    Raises
    ------
    InvalidInput
        It starts nothing, or two things, or says of a run what only events have.
    """
    if (webhook.deployment is None) == (webhook.event is None):
        message = f"The webhook {webhook.name!r} has to name either a deployment or an event."
        raise InvalidInput(message, {"/deployment": message})
    if webhook.event is not None and not webhook.event.strip():
        message = f"{webhook.event!r} is no name of an event. Name it, by custom with dots: 'orders.imported'."
        raise InvalidInput(message, {"/event": message})
    if webhook.resource and webhook.event is None:
        message = f"The webhook {webhook.name!r} runs a deployment: only an event is about a resource."
        raise InvalidInput(message, {"/resource": message})
    return webhook
