"""What several areas answer."""

from __future__ import annotations

import msgspec


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted."""

    deleted: str
