"""Tokens for this API: who has one, what it may do, until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.model.api_tokens import ApiToken
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


@area.get("/tokens", Role.ADMIN)
def list_tokens(call: Call, query: TokensQuery) -> TokensAnswer:
    """List the tokens by name."""
    found = api_tokens.list_tokens(call.store, has_revoked=query.revoked)
    # several that were revoked may have one name
    page, following = page_by_name(found, query, lambda one: f"{one.name} {one.token_id}")
    return TokensAnswer(tokens=page, next=following)


@area.post("/tokens", Role.ADMIN, status=201, keeps_answer=False)
def create_token(call: Call, body: TokenRequest) -> MadeToken:
    """Make a token; its text is kept nowhere."""
    expires_at = None if body.days is None else call.now + timedelta(days=body.days)
    token, text = api_tokens.create_token(
        call.store, body.name, body.scopes, expires_at=expires_at, actor=call.actor, now=call.now
    )
    return MadeToken(token=token, text=text.get())


@area.delete("/tokens/{name}", Role.ADMIN)
def revoke_token(call: Call, name: str) -> Revoked:
    """Have a token, by its name or id, open nothing from now on."""
    token = api_tokens.revoke_token(call.store, name, actor=call.actor, now=call.now)
    return Revoked(revoked=token.name, token_id=token.token_id)
