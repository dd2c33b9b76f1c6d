"""Channels of notifications: made, given another address, tried. No call answers an address."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.model.outbox import Channel
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations import notifications
from orchestra_nb.operations.notifications import ChannelTest
from orchestra_nb.rest.endpoint import Area, Call, Role

area = Area("follow-up")


class ChannelAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the messages of a channel go."""

    address: Annotated[str, Meta(description="An address as apprise has them.")]
    allow_private: Annotated[bool, Meta(description="Also to addresses of the own network.")] = False


class ChannelRequest(ChannelAddress, frozen=True, kw_only=True):
    """A channel that is to be made."""

    name: str


@area.post("/notifications/channels", Role.ADMIN, status=201)
def create_channel(call: Call, body: ChannelRequest) -> Channel:
    """Make a channel."""
    return _set(call, body.name, body, may_overwrite=False)


@area.put("/notifications/channels/{name}", Role.ADMIN)
def set_channel(call: Call, name: str, body: ChannelAddress) -> Channel:
    """Make a channel, or give the one of this name another address."""
    return _set(call, name, body, may_overwrite=True)


@area.post("/notifications/channels/{name}/test", keeps_answer=False, is_one_transaction=False)
def try_channel(call: Call, name: str) -> ChannelTest:
    """Send a message to a channel at once, past the outbox, and tell what came of it."""
    return notifications.try_channel(call.store, name, key_place=call.settings.secret_key_place, now=call.now)


def _set(call: Call, name: str, said: ChannelAddress, *, may_overwrite: bool) -> Channel:
    return notifications.add_channel(
        call.store,
        name,
        Secret(said.address),
        key_place=call.settings.secret_key_place,
        may_be_private=said.allow_private,
        may_overwrite=may_overwrite,
        now=call.now,
    )
