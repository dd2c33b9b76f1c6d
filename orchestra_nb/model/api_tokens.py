"""Tokens for the REST API: what each may do, and how its text is made and read.

A token's text is ``orc_ID_SECRET``. The id finds it in the store, which has no more than a hash of the text: whoever
reads the store cannot use it. The secret has 256 random bits, so a plain hash is as good as a slow one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput

#: What every token begins with, so that people and scanners of secrets know one when they see it.
PREFIX: Final = "orc_"

_TEXT: Final = re.compile(r"orc_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
_LONGEST_POOL: Final = 200


class Scope(StrEnum):
    """What a token may do; ``worker:POOL`` allows the worker's part for one pool alone."""

    #: see what there is, but for what secrets hold: runs, deployments, figures, the live stream
    READ_RUNS = "runs:read"
    #: see the figures for Prometheus, and no more
    READ_METRICS = "metrics:read"
    #: start, stop and retry
    WRITE_RUNS = "runs:write"
    #: claim runs of work pools, drive them, and answer for them
    WORKER = "worker"
    #: have the code of runs read and set any secret; without it a worker gets those that its runs' parameters name
    SECRETS = "secrets"
    #: all of this, and change what runs by itself
    ADMIN = "admin"


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is known, without its text.

    Parameters
    ----------
    scopes
        As :func:`check_scopes` returned them.
    expires_at
        None for never.
    last_used_at
        To the minute; None before the first use.
    owner
        For whom it acts: it sees what they see, and what it makes is theirs. None for one that is a user of its own.
    """

    token_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    owner: str | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: Scope) -> bool:
        """Whether it has a scope; for the worker's: for any pool at all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes or (scope is Scope.WORKER and bool(self._pools))

    def allows_pool(self, pool: str) -> bool:
        """Whether a worker with it may serve this pool."""
        return Scope.WORKER in self.scopes or Scope.ADMIN in self.scopes or pool in self._pools

    @property
    def _pools(self) -> frozenset[str]:
        start = f"{Scope.WORKER}:"
        return frozenset(scope.removeprefix(start) for scope in self.scopes if scope.startswith(start))


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return scopes, each once.

    Raises
    ------
    InvalidInput
        There is none, or one of them is no scope.

    Examples
    --------
    >>> check_scopes(["worker:gpu", "runs:read", "worker:gpu"])
    ('worker:gpu', 'runs:read')
    """
    found = tuple(dict.fromkeys(scopes))
    if not found:
        raise InvalidInput(f"A token needs a scope. The scopes are: {_known_scopes()}.")
    for scope in found:
        start, separator, pool = scope.partition(":")
        is_pool = start == Scope.WORKER and separator and 0 < len(pool.strip()) <= _LONGEST_POOL and pool.isprintable()
        if scope not in list(Scope) and not is_pool:
            raise InvalidInput(f"{scope[:100]!r} is no scope of a token. The scopes are: {_known_scopes()}.")
    return found


def token_text(token_id: str, secret: str) -> str:
    """Return the text of a token from 16 hexadecimal digits and 43 characters of base 64 for URLs."""
    text = f"{PREFIX}{token_id}_{secret}"
    assert _TEXT.fullmatch(text)
    return text


def token_id_of(text: str) -> str | None:
    """Return the id in a token's text, None for a text that is no token's."""
    match = _TEXT.fullmatch(text)
    return None if match is None else match[1]


def hash_of(text: str) -> str:
    """Return what is kept of a token's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_text_of(text: str, kept: str) -> bool:
    """Tell whether this is the text of which that was kept, in a time that tells nothing."""
    return hmac.compare_digest(hash_of(text), kept)


def bearer_token(header: str) -> str | None:
    """Return the text of a token in an ``Authorization`` header; None where that holds none of ours.

    Examples
    --------
    >>> bearer_token("Bearer orc_0"), bearer_token("token orc_0"), bearer_token("Bearer 0123")
    ('orc_0', 'orc_0', None)
    """
    kind, _, text = header.strip().partition(" ")
    text = text.strip()
    return text if kind.lower() in ("bearer", "token") and text.startswith(PREFIX) else None


def _known_scopes() -> str:
    return ", ".join([scope.value for scope in Scope] + [f"{Scope.WORKER}:POOL"])
