"""Where a stored result is: what travels in place of the value itself."""

from __future__ import annotations

from datetime import datetime

import msgspec


class ResultReference(msgspec.Struct, frozen=True, kw_only=True):
    """A stored result. Holds no secret: the key of a signed one is not in it.

    Parameters
    ----------
    url
        The file: an absolute path, or any URL of fsspec.
    digest
        SHA-256 of the serialised value, in hexadecimal digits; what is read must have it.
    serializer
        What can read it: ``"json"``, ``"arrow"``, ``"pickle"``, one of these after ``"compressed/"``, or
        ``"custom/"`` and the name of the user's class.
    size_bytes
        Size of the serialised value.
    expires_at
        From when on it is not used for a cached call any more; None for never.
    """

    url: str
    digest: str
    serializer: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        """Tell whether it may not be used for a cached call any more."""
        return self.expires_at is not None and self.expires_at <= now
