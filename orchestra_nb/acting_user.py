"""For whom something is done: the user of this process, or somebody else for whom this thread does it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

#: What a JupyterHub calls the user whose server, and whose kernels, these are: in a container all have one account.
_HUB_USER: Final = "JUPYTERHUB_USER"

_acting: ContextVar[str | None] = ContextVar("orchestra_acting_user", default=None)
_is_alone: ContextVar[bool | None] = ContextVar("orchestra_acting_alone", default=None)


def process_user() -> str:
    """Return whose process this is: the user of a JupyterHub, or the account that it runs as."""
    if user := os.environ.get(_HUB_USER):
        return user
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as containers have it
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def acting_user() -> str | None:
    """Return for whom this thread does what it does; None where nobody has said."""
    return _acting.get()


def is_acting_alone() -> bool | None:
    """Tell whether what this thread makes is for its owner alone: it acts on nothing of anybody else.

    None where users are not told apart: there that is true of nobody, and no admin has decided it.
    """
    return _is_alone.get()


@contextmanager
def acting_as(user: str | None, *, is_alone: bool | None = None) -> Iterator[None]:
    """Do what is in the block for a user: what is made in it is theirs, and with ``is_alone`` acts on theirs alone."""
    token, alone = _acting.set(user), _is_alone.set(is_alone)
    try:
        yield
    finally:
        _acting.reset(token)
        _is_alone.reset(alone)
