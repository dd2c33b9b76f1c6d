"""Variables: named JSON values that all runs share, and what names may look like."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput

_LONGEST_NAME: Final = 255
#: What Prefect refuses in the name of a limit: it stands in URLs.
_REFUSED: Final = "/%&<>"


class StoredVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable as the store has it; ``value`` is of JSON's types."""

    name: str
    value: object
    tags: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret without its value: what lists show; of one that is a user's own, for their runs alone, its owner."""

    name: str
    created_at: datetime
    updated_at: datetime
    owner: str | None = None


def check_name(name: object, what: str) -> str:
    """Return the name of a variable, a secret or a limit.

    Parameters
    ----------
    what
        ``"variable"``, ``"secret"``, ``"concurrency limit"``: for the error.

    Raises
    ------
    InvalidInput
        It is empty, too long, or has characters that a name cannot have.
    """
    article = "an" if what[0] in "aeiou" else "a"
    if not isinstance(name, str):
        raise InvalidInput(f"{name!r} is no name of {article} {what}: a name is text.")
    if not name.strip():
        raise InvalidInput(f"{article.title()} {what} needs a name.")
    if len(name) > _LONGEST_NAME:
        raise InvalidInput(
            f"{article.title()} {what}'s name has at most {_LONGEST_NAME} characters; this one has {len(name)}."
        )
    if not name.isprintable() or any(character in _REFUSED for character in name):
        raise InvalidInput(
            f"{name!r} is no name of {article} {what}: it may not have control characters or any of {_REFUSED}."
        )
    return name
