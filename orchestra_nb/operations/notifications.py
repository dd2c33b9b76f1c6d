"""Notifications: the channels they go to, the rules that say of what, and the outbox with its dead letters.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import NotificationNotFound
from orchestra_nb.model.notification_texts import check_templates
from orchestra_nb.model.notifications import NotificationRule, check_rule
from orchestra_nb.model.outbox import Channel, Delivery, DeliveryState
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import check_name
from orchestra_nb.operations.error_places import told_at
from orchestra_nb.operations.runs import listed_run
from orchestra_nb.operations.unknown_names import unknown_names
from orchestra_nb.settings import SecretKeyPlace

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most messages that one call returns.
MAX_DELIVERIES = 500

#: How long a test message may take.
TEST_SECONDS = 15.0

_TEST_TITLE = "Orchestra NB: a test"


class ChannelTest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test message.

    Parameters
    ----------
    answer
        Why it was not taken; empty when it was.
    """

    channel: str
    is_sent: bool
    answer: str


def list_channels(store: RunStore) -> list[Channel]:
    """Return all channels by name, without their addresses."""
    from orchestra_nb.store.notification_store import NotificationStore

    return NotificationStore(store.database).list_channels()


def add_channel(
    store: RunStore,
    name: str,
    address: Secret,
    *,
    key_place: SecretKeyPlace,
    may_be_private: bool,
    may_overwrite: bool,
    now: datetime,
) -> Channel:
    """Make a channel, or give one another address.

    Parameters
    ----------
    address
        An apprise URL.
    may_be_private
        Whether messages may go to loopback, link-local and private addresses.

    Raises
    ------
    InvalidInput
        The name is none, the address is none of apprise's, or its host is not allowed.
    NameTaken
        There is one of this name, and it may not be overwritten.
    """
    from orchestra_nb.services.apprise_calls import describe_address
    from orchestra_nb.store.notification_store import NotificationStore
    from orchestra_nb.store.secret_key import load_secret_key

    with told_at("/name"):
        check_name(name, "channel")
    with told_at("/address"):
        shown = describe_address(address, may_be_private=may_be_private)
    return NotificationStore(store.database, load_secret_key(key_place)).set_channel(
        name, address, shown=shown, may_be_private=may_be_private, at=now, may_overwrite=may_overwrite
    )


def try_channel(store: RunStore, name: str, *, key_place: SecretKeyPlace, now: datetime) -> ChannelTest:
    """Send a message to a channel at once, past the outbox, and return what came of it.

    Raises
    ------
    NotificationNotFound
        There is no channel of this name.
    SecretUnreadable
        Its address was encrypted with another key.
    """
    from orchestra_nb.services.apprise_calls import send
    from orchestra_nb.store.notification_store import NotificationStore
    from orchestra_nb.store.secret_key import load_secret_key

    channels = NotificationStore(store.database, load_secret_key(key_place))
    channel = channels.get_channel(name)
    answer = send(
        channels.get_address(name),
        title=_TEST_TITLE,
        body=f"The channel {name} works. Sent at {now:%Y-%m-%d %H:%M:%S} UTC.",
        severity="info",
        may_be_private=channel.may_be_private,
        limit_seconds=TEST_SECONDS,
    )
    return ChannelTest(channel=name, is_sent=answer is None, answer=answer or "")


def delete_channel(store: RunStore, name: str) -> None:
    """Delete a channel.

    Raises
    ------
    NotificationNotFound
        There is none of this name.
    Conflict
        Rules name it.
    """
    from orchestra_nb.store.notification_store import NotificationStore

    if not NotificationStore(store.database).delete_channel(name):
        raise NotificationNotFound(f"No channel {name!r}. `orchestra notifications channels ls` lists them.")


def list_rules(store: RunStore) -> list[NotificationRule]:
    """Return all rules by name."""
    from orchestra_nb.store.notification_store import NotificationStore

    return NotificationStore(store.database).list_rules()


def show_rule(store: RunStore, name: str) -> NotificationRule:
    """Return a rule.

    Raises
    ------
    NotificationNotFound
        There is none of this name.
    """
    from orchestra_nb.store.notification_store import no_rule

    found = next((rule for rule in list_rules(store) if rule.name == name), None)
    if found is None:
        raise no_rule(name)
    return found


def add_rule(
    store: RunStore,
    rule: NotificationRule,
    now: datetime,
    *,
    may_overwrite: bool = False,
    keeps_pause: bool = False,
) -> tuple[NotificationRule, list[str]]:
    """Make a rule, which tells of what happens from now on; return it, and in words what it names that nobody knows.

    One of this name that may be overwritten is like this from now on, and keeps what it knows of how things stand; with
    ``keeps_pause`` also whether it is paused.

    Raises
    ------
    InvalidInput
        Its name is none, it tells nobody of anything, or its templates cannot be used.
    NameTaken
        There is one of this name, and it may not be overwritten.
    NotificationNotFound
        One of its channels does not exist.
    """
    from orchestra_nb.store.notification_store import NotificationStore

    with told_at("/name"):
        check_name(rule.name, "rule")
    checked = check_templates(check_rule(rule))
    kept = NotificationStore(store.database).add_rule(
        checked, now, may_overwrite=may_overwrite, keeps_pause=keeps_pause
    )
    return kept, unknown_in_rule(store, kept)


def unknown_in_rule(store: RunStore, rule: NotificationRule) -> list[str]:
    """Return in words what a rule names that nobody knows."""
    return unknown_names(store, deployments=rule.deployments, flows=rule.flow_names)


def pause_rule(store: RunStore, name: str) -> NotificationRule:
    """Have a rule tell of nothing; it goes on watching. Raises NotificationNotFound where there is none."""
    from orchestra_nb.store.notification_store import NotificationStore

    return NotificationStore(store.database).set_paused(name, True)


def resume_rule(store: RunStore, name: str) -> NotificationRule:
    """Have a rule tell of what happens from now on. Raises NotificationNotFound where there is none."""
    from orchestra_nb.store.notification_store import NotificationStore

    return NotificationStore(store.database).set_paused(name, False)


def delete_rule(store: RunStore, name: str) -> None:
    """Delete a rule; what it has put into the outbox is sent nevertheless.

    Raises
    ------
    NotificationNotFound
        There is none of this name.
    """
    from orchestra_nb.store.notification_store import NotificationStore, no_rule

    if not NotificationStore(store.database).delete_rule(name):
        raise no_rule(name)


def list_deliveries(
    store: RunStore,
    *,
    states: Sequence[DeliveryState] | None = None,
    run: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """Return messages of the outbox, the newest first.

    Parameters
    ----------
    states
        None for all.
    run
        Id or name of a run; None for those of all.
    before
        Only those with a lower number, that of the last of the page before.

    Raises
    ------
    RunNotFound
        There is no such run.
    """
    from orchestra_nb.store.outbox_store import OutboxStore

    run_id = listed_run(store, run, limit, MAX_DELIVERIES)
    return OutboxStore(store.database).list_deliveries(states=states, run_id=run_id, before=before, limit=limit)


def show_delivery(store: RunStore, number: int) -> Delivery:
    """Return a message of the outbox.

    Raises
    ------
    NotificationNotFound
        There is none of this number.
    """
    from orchestra_nb.store.outbox_store import OutboxStore

    return OutboxStore(store.database).get(number)


def retry_delivery(store: RunStore, number: int, *, actor: str, now: datetime) -> Delivery:
    """Have a dead letter, one that was discarded, or one that waits, sent by the services now, with all its tries.

    Raises
    ------
    NotificationNotFound
        There is none of this number.
    Conflict
        It is being sent, or was.
    """
    from orchestra_nb.store.outbox_store import OutboxStore

    return OutboxStore(store.database).retry(number, actor, now)


def discard_delivery(store: RunStore, number: int, *, actor: str, now: datetime) -> Delivery:
    """Decide that a message is not sent.

    Raises
    ------
    NotificationNotFound
        There is none of this number.
    Conflict
        It was sent or discarded, or is being sent.
    """
    from orchestra_nb.store.outbox_store import OutboxStore

    return OutboxStore(store.database).discard(number, actor, now)
