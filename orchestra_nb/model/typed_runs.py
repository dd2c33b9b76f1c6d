"""How a run is named in a command that people copy into a shell."""

from __future__ import annotations

import re
from typing import Final, Protocol

#: What every shell takes as it stands, also as no option and no path of a drive.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:=@+-]*")


class NamedRun(Protocol):
    """What is known of a run by whoever writes a command."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def run_id(self) -> str:
        """What no other run has."""


def typed_run(run: NamedRun) -> str:
    """Return what to type for a run: its name, or its id where a shell would take the name for something else.

    A flow names its runs as it likes (``flow_run_name``). Quotes would do in one shell and not in another.
    """
    return typed_name(run.name, run.run_id)


def typed_name(name: str, run_id: str) -> str:
    """As :func:`typed_run`.

    >>> typed_name("calm-fox", "01J")
    'calm-fox'
    >>> typed_name("load 3; echo hi", "01J")
    '01J'
    >>> typed_name("--all", "01J")
    '01J'
    """
    return name if _PLAIN.fullmatch(name) else run_id
