"""Artifacts: what a run leaves for people to look at. Each creation under one key is a new version of it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput

#: The largest artifact, as JSON: a figure has some 100 KB.
MAX_ARTIFACT_BYTES: Final = 10_000_000

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_KEY: Final = 255


class StoredArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an artifact.

    Parameters
    ----------
    type
        ``"markdown"`` (links, too), ``"table"``, ``"progress"``, ``"image"``, ``"display"`` (a MIME bundle as in a
        notebook's output) or a word of the user's.
    data
        Of JSON's types; its form belongs to the type: Markdown text, a table as column name to values or a list of
        rows, a number from 0 to 100, a picture's URL, MIME type to content.
    key
        Lower-case letters, digits and dashes; None for one without history.
    version
        Counts from 1 for each key; 1 without a key.
    """

    artifact_id: str
    type: str
    data: object
    created_at: datetime
    updated_at: datetime
    key: str | None = None
    version: int = 1
    description: str | None = None
    run_id: str | None = None
    task_run_id: str | None = None


def check_artifact_key(key: str | None) -> str | None:
    """Return the key of an artifact.

    Raises
    ------
    InvalidInput
        It has other characters than lower-case letters, digits and single dashes between them.
    """
    if key is not None and (len(key) > _LONGEST_KEY or not _KEY.fullmatch(key)):
        near = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:_LONGEST_KEY]
        hint = f" Write {near!r}." if near else ""
        raise InvalidInput(f"{key!r} is no artifact key: it has lower-case letters, digits and dashes.{hint}")
    return key
