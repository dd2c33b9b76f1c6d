"""What follows runs, as the commands see it over a server: automations, notifications, webhooks, dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.cli.remote.whole_lists import whole_list
from orchestra_nb.errors import NameTaken
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations.automation_files import read_automation_file
from orchestra_nb.operations.automation_form import automation_form
from orchestra_nb.operations.automations import Trial
from orchestra_nb.operations.webhooks import MadeWebhook
from orchestra_nb.settings import SecretKeyPlace, Settings

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.model.notifications import NotificationRule
    from orchestra_nb.model.outbox import Channel, Delivery, DeliveryState
    from orchestra_nb.model.webhooks import Receipt, ReceiptState, StoredWebhook, Webhook, WebhookChanges
    from orchestra_nb.operations.automation_files import AutomationEntry
    from orchestra_nb.operations.automations import AutomationDetails, AutomationSummary, MadeAutomation
    from orchestra_nb.operations.notifications import ChannelTest


def list_dead_letters(
    client: Client,
    *,
    state: LetterState | None = LetterState.OPEN,
    run: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[DeadLetter]:
    """Return letters, the newest first."""
    filters: dict[str, Any] = {"all": True} if state is None else {"state": state}
    return whole_list(client.list_dead_letters, "dead_letters", cursor="before", limit=limit, run=run, **filters)


def show_dead_letter(client: Client, id_: str) -> DeadLetter:
    """Return a letter."""
    return client.show_dead_letter(id_)


def describe_inputs(client: Client, letter: DeadLetter) -> dict[str, str]:
    """Return what a letter's task or flow was given."""
    return client.read_letter_inputs(letter.letter_id).inputs


def discard_dead_letter(client: Client, id_: str, *, actor: str, now: datetime, note: str = "") -> DeadLetter:
    """Decide that nothing is done about a letter."""
    return client.discard_dead_letter(id_, note=note)


def create_automations(
    client: Client, path: str | Path, settings: Settings, *, may_replace: bool, now: datetime
) -> list[MadeAutomation]:
    """Make the automations of a file of this machine, one after the other; those before one that is refused stay."""
    entries = read_automation_file(path)
    present = set() if may_replace else {one.name for one in list_automations(client)}
    if taken := [repr(entry.automation.name) for entry in entries if entry.automation.name in present]:
        what = f"is an automation {taken[0]}" if len(taken) == 1 else f"are automations {' and '.join(taken)}"
        raise NameTaken(f"There {what} already.")
    return [_make(client, entry, may_replace) for entry in entries]


def list_automations(client: Client) -> list[AutomationSummary]:
    """Return all automations by name."""
    return whole_list(client.list_automations, "automations")


def show_automation(client: Client, name: str, *, limit: int = 20) -> AutomationDetails:
    """Return an automation and what it did."""
    return client.show_automation(name, limit=limit)


def pause_automation(client: Client, name: str, now: datetime) -> object:
    """Have an automation rest; return what has its name."""
    return client.pause_automation(name)


def resume_automation(client: Client, name: str, now: datetime) -> object:
    """Have an automation act again; return what has its name."""
    return client.resume_automation(name)


def delete_automation(client: Client, name: str) -> None:
    """Delete an automation."""
    client.delete_automation(name)


def try_automation(
    client: Client, name: str, *, since: datetime, now: datetime, settings: Settings | None = None
) -> Trial:
    """Return what an automation would have done."""
    trial = client.try_automation(name, since=since)
    # the files that are there now are looked for by those alone who may change automations
    files = client.dry_run_automation(name, since=since).files if settings is not None else ()
    return Trial(
        automation=trial.automation,
        since=trial.since,
        until=trial.until,
        looked_at=trial.looked_at,
        firings=trial.firings,
        is_cut=trial.is_cut,
        files=files,
    )


def list_channels(client: Client) -> list[Channel]:
    """Return all channels by name."""
    return whole_list(client.list_channels, "channels")


def add_channel(
    client: Client,
    name: str,
    address: Secret,
    *,
    key_place: SecretKeyPlace,
    may_be_private: bool,
    may_overwrite: bool,
    now: datetime,
) -> Channel:
    """Make a channel; its address is encrypted at the server."""
    if may_overwrite:
        return client.set_channel(name, address=address.get(), allow_private=may_be_private)
    return client.create_channel(name=name, address=address.get(), allow_private=may_be_private)


def try_channel(client: Client, name: str, *, key_place: SecretKeyPlace, now: datetime) -> ChannelTest:
    """Send a message to a channel."""
    return client.try_channel(name)


def delete_channel(client: Client, name: str) -> None:
    """Delete a channel."""
    client.delete_channel(name)


def list_rules(client: Client) -> list[NotificationRule]:
    """Return all rules by name."""
    return whole_list(client.list_rules, "rules")


def add_rule(
    client: Client, rule: NotificationRule, now: datetime, *, may_overwrite: bool = False, keeps_pause: bool = False
) -> tuple[NotificationRule, list[str]]:
    """Make a rule; return it, and in words what it names that nobody knows yet."""
    said = msgspec.structs.asdict(rule)
    del said["owner"]  # which the server says
    if may_overwrite:
        made = client.set_rule(**said | ({"is_paused": None} if keeps_pause else {}))
    else:
        made = client.add_rule(**said)
    return made, list(made.warnings)


def pause_rule(client: Client, name: str) -> NotificationRule:
    """Have a rule tell of nothing."""
    return client.pause_rule(name)


def resume_rule(client: Client, name: str) -> NotificationRule:
    """Have a rule tell of what happens from now on."""
    return client.resume_rule(name)


def delete_rule(client: Client, name: str) -> None:
    """Delete a rule."""
    client.delete_rule(name)


def list_deliveries(
    client: Client,
    *,
    states: Sequence[DeliveryState] | None = None,
    run: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """Return messages of the outbox, the newest first."""
    filters = {"state": states or (), "run": run}
    return whole_list(client.list_deliveries, "deliveries", cursor="before", limit=limit, **filters)


def show_delivery(client: Client, number: int) -> Delivery:
    """Return a message of the outbox."""
    return client.show_delivery(number)


def retry_delivery(client: Client, number: int, *, actor: str, now: datetime) -> Delivery:
    """Have a message sent again."""
    return client.retry_delivery(number)


def discard_delivery(client: Client, number: int, *, actor: str, now: datetime) -> Delivery:
    """Decide that a message is not sent."""
    return client.discard_delivery(number)


def create_webhook(
    client: Client,
    webhook: Webhook,
    secret: Secret | None,
    settings: Settings,
    *,
    now: datetime,
    refuses_warnings: bool = False,
) -> MadeWebhook:
    """Make a webhook."""
    said = msgspec.structs.asdict(webhook)
    own_secret = None if secret is None else secret.get()
    made = client.create_webhook(**said, secret=own_secret, refuse_warnings=refuses_warnings)
    return MadeWebhook(secret=Secret(made.secret), warnings=made.warnings)


def list_webhooks(client: Client) -> list[StoredWebhook]:
    """Return all webhooks by name."""
    return whole_list(client.list_webhooks, "webhooks")


def show_webhook(client: Client, name: str) -> object:
    """Return a webhook with since when it has its secret."""
    return client.show_webhook(name)


def change_webhook(
    client: Client, name: str, changes: WebhookChanges, settings: Settings, *, refuses_warnings: bool = False
) -> tuple[str, ...]:
    """Have a webhook be otherwise; return what may not fit."""
    said = {one: value for one, value in msgspec.structs.asdict(changes).items() if value is not None}
    return client.update_webhook(name, **said, refuse_warnings=refuses_warnings).warnings


def pause_webhook(client: Client, name: str) -> None:
    """Have the messages of a webhook start nothing."""
    client.pause_webhook(name)


def resume_webhook(client: Client, name: str) -> None:
    """Have the messages of a webhook start what they are to start."""
    client.resume_webhook(name)


def rotate_secret(
    client: Client,
    name: str,
    secret: Secret | None,
    *,
    key_place: SecretKeyPlace,
    now: datetime,
    overlap: timedelta = timedelta(0),
) -> Secret:
    """Give a webhook another secret."""
    given = None if secret is None else secret.get()
    made = client.rotate_webhook_secret(name, secret=given, overlap_seconds=overlap.total_seconds())
    return Secret(made.secret)


def delete_webhook(client: Client, name: str) -> None:
    """Delete a webhook."""
    client.delete_webhook(name)


def list_receipts(
    client: Client,
    *,
    webhook: str | None = None,
    states: Sequence[ReceiptState] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Receipt]:
    """Return messages of webhooks, the newest first."""
    filters = {"webhook": webhook, "state": states or ()}
    return whole_list(client.list_receipts, "receipts", cursor="before", limit=limit, **filters)


def retry_message(client: Client, number: int, settings: Settings, *, actor: str, now: datetime) -> Receipt:
    """Try a message again."""
    return client.retry_message(number)


def discard_message(client: Client, number: int, *, actor: str, now: datetime) -> Receipt:
    """Decide that a message starts nothing."""
    return client.discard_message(number)


def _make(client: Client, entry: AutomationEntry, may_replace: bool) -> MadeAutomation:
    form = automation_form(entry.automation)
    said: dict[str, Any] = {
        "trigger": form["when"],
        "actions": form["do"],
        "condition": form.get("if", ""),
        "description": form.get("description", ""),
        "paused": entry.is_paused,
        "deployment": form.get("deployment", ""),
    }
    name = entry.automation.name
    return client.replace_automation(name, **said) if may_replace else client.create_automation(name=name, **said)
