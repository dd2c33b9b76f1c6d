"""Who calls, as this server knows them."""

from __future__ import annotations

import msgspec

from orchestra_nb.rest.endpoint import Area, Call, Role

area = Area("server")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls.

    ``user`` is whose the things are that they make, ``actor`` what histories say. ``role`` is the highest that the
    rules of this server, or the scopes of a token, give; the server's authorizer may allow less. With
    ``is_owners_only`` those who are no admins see, and change, only what is theirs, or shared with them.
    """

    user: str | None
    actor: str
    role: Role
    is_owners_only: bool


@area.get("/me")
def show_me(call: Call) -> Identity:
    """Show who calls, and what they may do."""
    return Identity(user=call.user, actor=call.actor, role=call.role, is_owners_only=call.is_owners_only)
