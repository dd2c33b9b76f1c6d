"""What somebody who wants a cache key's result is told: it is there, it is theirs to compute, or another one does."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestra_nb.model.result_reference import ResultReference


class Claimed(msgspec.Struct, frozen=True, tag=True):
    """The key is the caller's to compute, until its lease runs out."""

    lease_until: datetime


class Found(msgspec.Struct, frozen=True, tag=True):
    """The key has a result."""

    reference: ResultReference


class Busy(msgspec.Struct, frozen=True, tag=True):
    """Somebody else is computing the key: ask again, at the latest when the lease has run out."""

    holder: str
    lease_until: datetime
