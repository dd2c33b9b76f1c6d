"""Tokens for the REST API, as they are kept: never their texts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import RowMapping, insert, or_, select, update

from orchestra_nb.errors import NameTaken
from orchestra_nb.model.api_tokens import ApiToken
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.store.custom_event_store import add_event
from orchestra_nb.store.database import Database
from orchestra_nb.store.service_tables import api_tokens

#: The last use is noted no more often, so that a busy token costs no writes.
_USE_STEP: Final = timedelta(minutes=1)


class ApiTokenStore:
    """The tokens of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: ApiToken, token_hash: str, audit: CustomEvent) -> None:
        """Keep a token, and with it the event that says so.

        Raises
        ------
        NameTaken
            There is one of this name that was not revoked.
        """
        same = select(api_tokens.c.token_id).where(api_tokens.c.name == token.name, api_tokens.c.revoked_at.is_(None))
        with self._database.write() as connection:
            if connection.execute(same).first() is not None:
                raise NameTaken(f"There is a token {token.name!r} already. Revoke it first, or choose another name.")
            values = msgspec.structs.asdict(token) | {"scopes": list(token.scopes), "token_hash": token_hash}
            connection.execute(insert(api_tokens).values(values))
            add_event(connection, audit)

    def find(self, token_id: str) -> tuple[ApiToken, str] | None:
        """Return a token and its hash, None where there is none of this id."""
        query = select(api_tokens).where(api_tokens.c.token_id == token_id)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else (_token_of_row(row), row["token_hash"])

    def list_tokens(self, *, has_revoked: bool = False) -> list[ApiToken]:
        """Return the tokens by name; those that were revoked only where they are asked for."""
        query = select(api_tokens).order_by(api_tokens.c.name, api_tokens.c.token_id)
        if not has_revoked:
            query = query.where(api_tokens.c.revoked_at.is_(None))
        with self._database.connect() as connection:
            return [_token_of_row(row) for row in connection.execute(query).mappings()]

    def note_use(self, token: ApiToken, at: datetime) -> None:
        """Note when a token was last used, to the minute."""
        if token.last_used_at is not None and at - token.last_used_at < _USE_STEP:
            return
        is_due = or_(api_tokens.c.last_used_at.is_(None), api_tokens.c.last_used_at <= at - _USE_STEP)
        change = update(api_tokens).where(api_tokens.c.token_id == token.token_id, is_due).values(last_used_at=at)
        with self._database.write(durable=False) as connection:
            connection.execute(change)

    def revoke(self, token_id: str, at: datetime, audit: CustomEvent) -> bool:
        """Have a token open nothing from now on, and keep the event that says so; False where it does not already."""
        change = (
            update(api_tokens)
            .where(api_tokens.c.token_id == token_id, api_tokens.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        with self._database.write() as connection:
            if connection.execute(change).rowcount == 0:
                return False
            add_event(connection, audit)
        return True


def _token_of_row(row: RowMapping) -> ApiToken:
    fields = {name: row[name] for name in ApiToken.__struct_fields__}
    return ApiToken(**fields | {"scopes": tuple(row["scopes"])})
