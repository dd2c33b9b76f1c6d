"""What follows runs: automations, notifications, webhooks and dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.model.automation_decisions import Firing
from orchestra_nb.model.automation_log import LoggedFiring
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.outbox import Channel, Delivery, DeliveryState
from orchestra_nb.model.webhook_calls import actions_shown, delivery_shown
from orchestra_nb.model.webhooks import Receipt, ReceiptState, StoredWebhook
from orchestra_nb.operations import automations, dead_letter_decisions, notifications, webhooks
from orchestra_nb.operations.automations import AutomationDetails, AutomationSummary
from orchestra_nb.rest.common_answers import Deleted
from orchestra_nb.rest.endpoint import Area, Call, Instant, Limit, Number, Role
from orchestra_nb.rest.pages import Before, BeforeNumber, NamesQuery, page_by_name, page_of

area = Area("follow-up")


class AutomationsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Automations, by name."""

    automations: tuple[AutomationSummary, ...]
    next: str | None


class AutomationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an automation."""

    limit: Annotated[int, Meta(ge=1, le=automations.MAX_FIRINGS, description="So many of its firings.")] = 20


class FiringsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of what an automation did."""

    before: BeforeNumber = None
    limit: Limit = 50


class FiringsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation did, the newest first."""

    firings: tuple[LoggedFiring, ...]
    next: int | None


class AutomationStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an automation acts."""

    name: str
    is_active: bool


class TrialQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Over what an automation is tried."""

    since: Annotated[Instant, Meta(description="From when on.")]


class TrialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation would have done, the oldest first; also where its condition does not hold.

    Where so much happened that ``is_cut``, it is all until ``until``: the next call may begin there.
    """

    automation: str
    since: datetime
    until: datetime
    looked_at: int
    firings: tuple[Firing, ...]
    is_cut: bool


class ChannelsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Channels that notifications go to, by name, without their addresses."""

    channels: tuple[Channel, ...]
    next: str | None


class DeliveriesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which notifications."""

    state: Annotated[tuple[DeliveryState, ...], Meta(description="Only these states.")] = ()
    run: Annotated[str | None, Meta(description="Only those about this run.")] = None
    before: BeforeNumber = None
    limit: Limit = 50


class DeliveriesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Notifications, the newest first."""

    deliveries: tuple[Delivery, ...]
    next: int | None


class WebhooksAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks by name, without their secrets."""

    webhooks: tuple[StoredWebhook, ...]
    next: str | None


class ReceiptsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages."""

    webhook: Annotated[str | None, Meta(description="Only those of this webhook.")] = None
    state: Annotated[tuple[ReceiptState, ...], Meta(description="Only these states.")] = ()
    before: BeforeNumber = None
    limit: Limit = 50


class ReceiptsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of webhooks, the newest first."""

    receipts: tuple[Receipt, ...]
    next: int | None


class LettersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters."""

    state: Annotated[LetterState, Meta(description="Only this state.")] = LetterState.OPEN
    all: Annotated[bool, Meta(description="Those in all states.")] = False
    run: Annotated[str | None, Meta(description="Only those of this run.")] = None
    before: Before = None
    limit: Limit = 50


class LettersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters, the newest first."""

    dead_letters: tuple[DeadLetter, ...]
    next: str | None


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why something is decided."""

    note: Annotated[str, Meta(max_length=2_000)] = ""


@area.get("/automations")
def list_automations(call: Call, query: NamesQuery) -> AutomationsAnswer:
    """List the automations by name."""
    page, following = page_by_name(automations.list_automations(call.store), query, lambda one: one.name)
    return AutomationsAnswer(automations=page, next=following)


@area.get("/automations/{name}")
def show_automation(call: Call, name: str, query: AutomationQuery) -> AutomationDetails:
    """Show an automation and what it did."""
    return automations.show_automation(call.store, name, limit=query.limit)


@area.get("/automations/{name}/firings")
def list_firings(call: Call, name: str, query: FiringsQuery) -> FiringsAnswer:
    """List what an automation did, the newest first."""
    found = automations.list_firings(call.store, name, before=query.before, limit=query.limit + 1)
    page, following = page_of(found, query.limit, lambda one: one.number)
    return FiringsAnswer(firings=page, next=following)


@area.get("/automations/{name}/trial")
def try_automation(call: Call, name: str, query: TrialQuery) -> TrialAnswer:
    """Tell what an automation would have done with what happened since; nothing is done.

    Where it waits for files it is not looked for them: that takes the secrets of the server.
    """
    trial = automations.try_automation(call.store, name, since=query.since, now=call.now)
    return TrialAnswer(
        automation=trial.automation,
        since=trial.since,
        until=trial.until,
        looked_at=trial.looked_at,
        firings=tuple(
            msgspec.structs.replace(firing, actions=actions_shown(firing.actions)) for firing in trial.firings
        ),
        is_cut=trial.is_cut,
    )


@area.post("/automations/{name}/pause")
def pause_automation(call: Call, name: str) -> AutomationStanding:
    """Have an automation do nothing."""
    return AutomationStanding(
        name=automations.pause_automation(call.store, name, call.now).name,
        is_active=False,
    )


@area.post("/automations/{name}/resume")
def resume_automation(call: Call, name: str) -> AutomationStanding:
    """Have an automation act again."""
    return AutomationStanding(
        name=automations.resume_automation(call.store, name, call.now).name,
        is_active=True,
    )


@area.delete("/automations/{name}")
def delete_automation(call: Call, name: str) -> Deleted:
    """Delete an automation."""
    automations.delete_automation(call.store, name)
    return Deleted(deleted=name)


@area.get("/notifications/channels")
def list_channels(call: Call, query: NamesQuery) -> ChannelsAnswer:
    """List the channels that notifications go to."""
    page, following = page_by_name(notifications.list_channels(call.store), query, lambda one: one.name)
    return ChannelsAnswer(channels=page, next=following)


@area.delete("/notifications/channels/{name}")
def delete_channel(call: Call, name: str) -> Deleted:
    """Delete a channel that no rule names."""
    notifications.delete_channel(call.store, name)
    return Deleted(deleted=name)


@area.get("/notifications/deliveries")
def list_deliveries(call: Call, query: DeliveriesQuery) -> DeliveriesAnswer:
    """List notifications, the newest first."""
    found = notifications.list_deliveries(
        call.store, states=query.state or None, run=query.run, before=query.before, limit=query.limit + 1
    )
    page, following = page_of(found, query.limit, lambda one: one.number)
    return DeliveriesAnswer(deliveries=tuple(map(delivery_shown, page)), next=following)


@area.get("/notifications/deliveries/{number}")
def show_delivery(call: Call, number: Number) -> Delivery:
    """Show a notification, and what became of it."""
    return delivery_shown(notifications.show_delivery(call.store, number))


@area.post("/notifications/deliveries/{number}/retry", Role.RUNNER)
def retry_delivery(call: Call, number: Number) -> Delivery:
    """Send a notification again that could not be delivered."""
    return delivery_shown(notifications.retry_delivery(call.store, number, actor=call.actor, now=call.now))


@area.post("/notifications/deliveries/{number}/discard", Role.RUNNER)
def discard_delivery(call: Call, number: Number) -> Delivery:
    """Decide that a notification is not sent."""
    return delivery_shown(notifications.discard_delivery(call.store, number, actor=call.actor, now=call.now))


@area.get("/webhooks")
def list_webhooks(call: Call, query: NamesQuery) -> WebhooksAnswer:
    """List the webhooks."""
    page, following = page_by_name(webhooks.list_webhooks(call.store), query, lambda one: one.webhook.name)
    return WebhooksAnswer(webhooks=page, next=following)


@area.get("/receipts")
def list_receipts(call: Call, query: ReceiptsQuery) -> ReceiptsAnswer:
    """List the messages of webhooks, the newest first."""
    found = webhooks.list_receipts(
        call.store, webhook=query.webhook, states=query.state or None, before=query.before, limit=query.limit + 1
    )
    page, following = page_of(found, query.limit, lambda one: one.number)
    return ReceiptsAnswer(receipts=page, next=following)


@area.post("/receipts/{number}/retry", Role.RUNNER, is_one_transaction=False)
def retry_message(call: Call, number: Number) -> Receipt:
    """Have a message of a webhook start what it could not."""
    return webhooks.retry_message(call.store, number, call.settings, actor=call.actor, now=call.now)


@area.post("/receipts/{number}/discard", Role.RUNNER)
def discard_message(call: Call, number: Number) -> Receipt:
    """Decide that a message of a webhook starts nothing."""
    return webhooks.discard_message(call.store, number, actor=call.actor, now=call.now)


@area.get("/dead-letters")
def list_dead_letters(call: Call, query: LettersQuery) -> LettersAnswer:
    """List what failed for good, the newest first."""
    state = None if query.all else query.state
    found = dead_letter_decisions.list_dead_letters(
        call.store, state=state, run=query.run, before=query.before, limit=query.limit + 1
    )
    page, following = page_of(found, query.limit, lambda one: one.letter_id)
    return LettersAnswer(dead_letters=page, next=following)


@area.get("/dead-letters/{letter}")
def show_dead_letter(call: Call, letter: str) -> DeadLetter:
    """Show one dead letter, by the id of its task run or run."""
    return dead_letter_decisions.show_dead_letter(call.store, letter)


@area.post("/dead-letters/{letter}/discard", Role.RUNNER)
def discard_dead_letter(call: Call, letter: str, body: Note) -> DeadLetter:
    """Decide that what failed is not run again."""
    return dead_letter_decisions.discard_dead_letter(call.store, letter, actor=call.actor, now=call.now, note=body.note)
