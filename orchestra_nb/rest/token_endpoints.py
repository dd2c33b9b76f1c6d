"""Tokens for this API: who has one, what it may do, until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.api_tokens import ApiToken, Scope
from orchestra_nb.operations import api_tokens
from orchestra_nb.rest.endpoint import Area, Call, Role
from orchestra_nb.rest.pages import NamesQuery, page_by_name

area = Area("tokens")


class TokensQuery(NamesQuery, frozen=True, kw_only=True):
    """Which tokens."""

    revoked: Annotated[bool, Meta(description="Also those that were revoked.")] = False


class TokensAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens by name, without their texts."""

    tokens: tuple[ApiToken, ...]
    next: str | None


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token that is to be made."""

    owner: Annotated[
        str | None,
        Meta(
            description="The user for whom it acts: it sees what is theirs. Null: a user of its own, but for who may "
            "make them for themselves alone."
        ),
    ] = None

    name: str
    scopes: tuple[str, ...]
    days: Annotated[Annotated[float, Meta(gt=0, le=36_500)] | None, Meta(description="Null: it never expires.")] = 90.0


class MadeToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token with its text, which is answered this once."""

    token: ApiToken
    text: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """The token that opens nothing any more."""

    revoked: str
    token_id: str


@area.get("/tokens", Role.ADMIN, own_role=Role.VIEWER)
def list_tokens(call: Call, query: TokensQuery) -> TokensAnswer:
    """List the tokens by name.

    Where those who are no admins see only what is theirs, these are the ones that act for them.
    """
    found = api_tokens.list_tokens(call.store, has_revoked=query.revoked, owner=_owner_for(call))
    # several that were revoked may have one name
    page, following = page_by_name(found, query, lambda one: f"{one.name} {one.token_id}")
    return TokensAnswer(tokens=page, next=following)


@area.post("/tokens", Role.ADMIN, status=201, keeps_answer=False, own_role=Role.VIEWER)
def create_token(call: Call, body: TokenRequest) -> MadeToken:
    """Make a token; its text is kept nowhere.

    Where those who are no admins see only what is theirs, they make tokens that act for themselves, with the scope
    `runs:read`, and from the role *runner* on also `runs:write`. No token is told of groups: what counts, at each call,
    is the role that they have by name, or as everybody.
    """
    expires_at = None if body.days is None else call.now + timedelta(days=body.days)
    owner = body.owner
    if call.owners is not None:
        _check_own(call, body)
        owner = call.user
    token, text = api_tokens.create_token(
        call.store, body.name, body.scopes, expires_at=expires_at, actor=call.actor, now=call.now, owner=owner
    )
    return MadeToken(token=token, text=text.get())


@area.delete("/tokens/{name}", Role.ADMIN, own_role=Role.VIEWER)
def revoke_token(call: Call, name: str) -> Revoked:
    """Have a token, by its name or id, open nothing from now on.

    Where those who are no admins see only what is theirs, one that acts for them.
    """
    token = api_tokens.revoke_token(call.store, name, actor=call.actor, now=call.now, owner=_owner_for(call))
    return Revoked(revoked=token.name, token_id=token.token_id)


def _owner_for(call: Call) -> str | None:
    """Return for whom the tokens act that a call is about; None for all of them."""
    return None if call.owners is None else call.user


def _check_own(call: Call, body: TokenRequest) -> None:
    """See that a token acts for who makes it, and may no more than they may."""
    if body.owner not in (None, call.user):
        raise InvalidInput(
            f"owner: you make tokens that act for yourself. An admin makes one for {body.owner!r}.",
            {"/owner": "Leave it out, or have an admin make it."},
        )
    if call.role_by_name is None:
        raise InvalidInput(
            "You have your role by a group, and no token is told of groups: it would open nothing. An admin names you "
            "in OrchestraExtension.roles, or makes you a token that acts for nobody.",
        )
    may = [Scope.READ_RUNS, *([Scope.WRITE_RUNS] if call.role_by_name.rank >= Role.RUNNER.rank else [])]
    if wrong := [scope for scope in body.scopes if scope not in may]:
        raise InvalidInput(
            f"scopes: {', '.join(wrong)} is not yours to give: you have the role {call.role_by_name} without your "
            f"groups, of which no token is told, and may give {', '.join(may)}. An admin makes any other token.",
            {"/scopes": f"You may give {', '.join(may)}."},
        )
