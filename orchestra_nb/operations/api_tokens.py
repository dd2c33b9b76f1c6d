"""Tokens for the REST API: make them, list them, revoke them, and tell whose a text is.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import InvalidInput, TokenNotFound, TokenRefused
from orchestra_nb.model.api_tokens import ApiToken, Scope, check_scopes, hash_of, is_text_of, token_id_of, token_text
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import check_name

if TYPE_CHECKING:
    from orchestra_nb.store.api_token_store import ApiTokenStore
    from orchestra_nb.store.run_store import RunStore

#: The events that say that a token was made, or revoked; each is about ``orchestra.api-token.NAME``.
CREATED_EVENT: Final = "orchestra.api-token.created"
REVOKED_EVENT: Final = "orchestra.api-token.revoked"

_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
#: Stands in for the hash of a token that is not there: no text has it.
_NO_HASH: Final = "0" * 64


def create_token(
    store: RunStore,
    name: str,
    scopes: Sequence[str],
    *,
    expires_at: datetime | None,
    actor: str,
    now: datetime,
    owner: str | None = None,
) -> tuple[ApiToken, Secret]:
    """Make a token; return it with its text, which is kept nowhere.

    Parameters
    ----------
    owner
        For whom it acts; None for a user of its own.

    Raises
    ------
    InvalidInput
        The name is none, a scope is none, its owner has no name, or it would have expired already.
    NameTaken
        There is a token of this name.
    """
    check_name(name, "token")
    if owner is not None and not owner.strip():
        raise InvalidInput(
            "A token acts for a user, by their name, or is a user of its own.", {"/owner": "Name a user."}
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(f"A token that expires at {expires_at:%Y-%m-%d %H:%M} UTC opens nothing.")
    token = ApiToken(
        token_id=secrets.token_hex(_ID_BYTES),
        name=name,
        scopes=check_scopes(scopes),
        created_at=now,
        created_by=actor,
        expires_at=expires_at,
        owner=owner,
    )
    text = token_text(token.token_id, secrets.token_urlsafe(_SECRET_BYTES))
    _tokens(store).add(token, hash_of(text), _audit(CREATED_EVENT, token, actor, now))
    return token, Secret(text)


def absent_pools(store: RunStore, token: ApiToken) -> list[str]:
    """Return the pools that a token may serve and that are not there."""
    from orchestra_nb.store.pool_store import PoolStore

    named = [scope.partition(":")[2] for scope in token.scopes if scope.startswith(f"{Scope.WORKER}:")]
    if not named:
        return []
    known = {pool.name for pool in PoolStore(store.database).list_pools()}
    return [pool for pool in named if pool not in known]


def list_tokens(store: RunStore, *, has_revoked: bool = False, owner: str | None = None) -> list[ApiToken]:
    """Return the tokens by name, without their texts; also those that have expired.

    Parameters
    ----------
    owner
        Only those that act for this user; None for all.
    """
    found = _tokens(store).list_tokens(has_revoked=has_revoked)
    return [token for token in found if owner in (None, token.owner)]


def revoke_token(store: RunStore, name: str, *, actor: str, now: datetime, owner: str | None = None) -> ApiToken:
    """Have a token open nothing from now on; return it as it was.

    Parameters
    ----------
    name
        Its name or its id.
    owner
        Only one that acts for this user; None for any.

    Raises
    ------
    TokenNotFound
        There is none, or it was revoked before.
    """
    tokens = _tokens(store)
    for token in list_tokens(store, owner=owner):
        if name in (token.name, token.token_id):
            if tokens.revoke(token.token_id, now, _audit(REVOKED_EVENT, token, actor, now)):
                return token
            break
    raise TokenNotFound(f"No token {name!r}. `orchestra tokens ls` lists them.")


def find_token(store: RunStore, text: str, now: datetime) -> ApiToken:
    """Return the token of this text, and note that it was used.

    Raises
    ------
    TokenRefused
        There is none, or it has expired or was revoked; one message for all who do not have it.
    """
    tokens = _tokens(store)
    token_id = token_id_of(text)
    found = None if token_id is None else tokens.find(token_id)
    is_right = is_text_of(text, _NO_HASH if found is None else found[1])
    if found is None or not is_right:
        raise TokenRefused("There is no such token. `orchestra tokens create` makes one.")
    token = found[0]
    _check_active(token, now)
    tokens.note_use(token, now)
    return token


def check_still_opens(store: RunStore, token: ApiToken, now: datetime) -> None:
    """Look at a token again, in a call that has taken a while.

    Raises
    ------
    TokenRefused
        It has expired or was revoked meanwhile.
    """
    found = _tokens(store).find(token.token_id)
    if found is None:
        raise TokenRefused("There is no such token. `orchestra tokens create` makes one.")
    _check_active(found[0], now)


def _check_active(token: ApiToken, now: datetime) -> None:
    if not token.is_active(now):
        what = "expired" if token.revoked_at is None else "was revoked"
        raise TokenRefused(f"The token {token.name!r} {what}. `orchestra tokens create` makes another one.")


def _audit(event: str, token: ApiToken, actor: str, now: datetime) -> CustomEvent:
    return CustomEvent(
        event_id=fresh_id(now),
        event=event,
        resource={"id": f"orchestra.api-token.{token.name}"},
        occurred_at=now,
        payload={
            "token_id": token.token_id,
            "scopes": list(token.scopes),
            "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
            "by": actor,
        },
    )


def _tokens(store: RunStore) -> ApiTokenStore:
    from orchestra_nb.store.api_token_store import ApiTokenStore

    return ApiTokenStore(store.database)
