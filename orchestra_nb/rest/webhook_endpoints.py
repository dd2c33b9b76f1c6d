"""Webhooks: made, looked at, changed, given another secret, deleted. A secret is answered once, where it is made."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhooks import StoredWebhook, Webhook, WebhookChanges, WebhookScheme
from orchestra_nb.operations import webhooks
from orchestra_nb.rest.common_answers import Deleted
from orchestra_nb.rest.endpoint import Area, Call
from orchestra_nb.rest.ownership import owner_of_webhook

area = Area("follow-up")

_OwnSecret = Annotated[str | None, Meta(description="The sender's; null to draw one.")]


class WebhookRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook that is to be made: it runs a `deployment`, or emits an `event`."""

    name: str
    scheme: Annotated[WebhookScheme, Meta(description="How its senders sign.")] = WebhookScheme.STANDARD
    deployment: str | None = None
    event: str | None = None
    parameters: Annotated[
        dict[str, str], Meta(description="Templates of the run's parameters, or of the event's payload, by name.")
    ] = {}
    resource: Annotated[str, Meta(description="A template: what an event is about.")] = ""
    condition: Annotated[str, Meta(description="A template: only messages for which it says yes.")] = ""
    is_paused: Annotated[bool, Meta(description="Whether its messages start nothing for now.")] = False
    secret: _OwnSecret = None


class WarningsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of what may not fit."""

    refuse_warnings: Annotated[
        bool,
        Meta(description="Do nothing where something may not fit: the answer is 422, `warnings_refused`, a line each."),
    ] = False


class MadeWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook with its address and a new secret, which is answered this once.

    ``warnings`` are of parameters that may not fit.
    """

    name: str
    address: str
    secret: str
    warnings: tuple[str, ...] = ()


class WebhookDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook with its address, and since when it has its secret; ``owner`` is null where it is nobody's."""

    webhook: Webhook
    address: str
    created_at: datetime
    secret_changed_at: datetime
    previous_until: datetime | None
    owner: str | None = None


class ChangedWebhook(WebhookDetails, frozen=True, kw_only=True):
    """A webhook that was changed; ``warnings`` are of parameters that may not fit."""

    warnings: tuple[str, ...] = ()


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the secret of a webhook is changed."""

    secret: _OwnSecret = None
    overlap_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=31_536_000)], Meta(description="For so long the old one is accepted, too.")
    ] = 0.0


@area.post("/webhooks", status=201, keeps_answer=False, is_one_transaction=False)
def create_webhook(call: Call, query: WarningsQuery, body: WebhookRequest) -> MadeWebhook:
    """Make a webhook; its secret is answered now and never again.

    Who sees only what is theirs makes one for a deployment of theirs: it belongs to that one's owner.
    """
    said = {name: getattr(body, name) for name in Webhook.__struct_fields__}
    made = webhooks.create_webhook(
        call.store,
        Webhook(**said),
        _secret(body.secret),
        call.settings,
        now=call.now,
        owner=owner_of_webhook(call, body.deployment),
        refuses_warnings=query.refuse_warnings,
    )
    return MadeWebhook(
        name=body.name, address=_address(call, body.name), secret=made.secret.get(), warnings=made.warnings
    )


@area.get("/webhooks/{name}")
def show_webhook(call: Call, name: str) -> WebhookDetails:
    """Show a webhook, without its secret."""
    return _details(call, name)


@area.patch("/webhooks/{name}", is_one_transaction=False)
def update_webhook(call: Call, name: str, query: WarningsQuery, body: WebhookChanges) -> ChangedWebhook:
    """Change a webhook: its name, what it starts, or for which messages; its secret stays.

    Who sees only what is theirs has it run a deployment of theirs. What was somebody's belongs to the owner of the
    deployment that it runs from now on; one that emits events is nobody's.
    """
    starts_another = body.deployment is not None or body.event is not None
    owner = owner_of_webhook(call, body.deployment) if starts_another else None
    warnings = webhooks.change_webhook(
        call.store, name, body, call.settings, owner=owner, refuses_warnings=query.refuse_warnings
    )
    details = _details(call, body.new_name or name)
    return ChangedWebhook(**{one: getattr(details, one) for one in WebhookDetails.__struct_fields__}, warnings=warnings)


@area.post("/webhooks/{name}/pause")
def pause_webhook(call: Call, name: str) -> WebhookDetails:
    """Have the messages of a webhook start nothing: those that come are ignored."""
    webhooks.pause_webhook(call.store, name)
    return _details(call, name)


@area.post("/webhooks/{name}/resume")
def resume_webhook(call: Call, name: str) -> WebhookDetails:
    """Have the messages of a webhook that come from now on start what they are to start."""
    webhooks.resume_webhook(call.store, name)
    return _details(call, name)


@area.post("/webhooks/{name}/rotate", keeps_answer=False)
def rotate_webhook_secret(call: Call, name: str, body: Rotation) -> MadeWebhook:
    """Give a webhook another secret, which is answered now and never again."""
    secret = webhooks.rotate_secret(
        call.store,
        name,
        _secret(body.secret),
        key_place=call.settings.secret_key_place,
        now=call.now,
        overlap=timedelta(seconds=body.overlap_seconds),
    )
    return MadeWebhook(name=name, address=_address(call, name), secret=secret.get())


@area.delete("/webhooks/{name}")
def delete_webhook(call: Call, name: str) -> Deleted:
    """Delete a webhook and the list of its messages; what they started stays."""
    webhooks.delete_webhook(call.store, name)
    return Deleted(deleted=name)


def _details(call: Call, name: str) -> WebhookDetails:
    found: StoredWebhook = webhooks.show_webhook(call.store, name)
    return WebhookDetails(
        webhook=found.webhook,
        address=_address(call, name),
        created_at=found.created_at,
        secret_changed_at=found.secret_changed_at,
        previous_until=found.previous_until,
        owner=found.owner,
    )


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _address(call: Call, name: str) -> str:
    return f"{call.server_url}{webhooks.WEBHOOKS_PATH}/{quote(name, safe='')}"
