"""What one client of the live stream looks at: everything, some runs, or the runs of a list."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.runs import RunKind

#: What of runs is told.
Part = Literal["runs", "tasks", "cells", "logs", "artifacts", "inputs"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)

#: How many runs one client may name.
MAX_RUNS: Final = 50
_LONGEST_NAME: Final = 500


class StreamView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told. All conditions must hold, and each is about what never changes of a run: none ever leaves a view.

    Parameters
    ----------
    runs
        Ids: these runs, and those that they started. Empty for all.
    flow, deployment, kind, owner
        Only runs of this flow, of this deployment, of this kind, and of this user; None for all.
    parts
        Only these of them.
    """

    runs: tuple[str, ...] = ()
    flow: str | None = None
    deployment: str | None = None
    kind: RunKind | None = None
    owner: str | None = None
    parts: tuple[Part, ...] = PARTS

    @property
    def subjects(self) -> frozenset[str]:
        """Which changes matter, by the words of the store; a run is told of anew when one of its tasks changes."""
        wanted = frozenset(_SUBJECT[part] for part in self.parts)
        return wanted | {"task"} if "runs" in self.parts else wanted


#: All that there is.
EVERYTHING: Final = StreamView()

_SUBJECT: Final[dict[Part, str]] = {
    "runs": "run",
    "tasks": "task",
    "cells": "cell",
    "logs": "logs",
    "artifacts": "artifact",
    "inputs": "input",
}


def read_parts(words: list[str]) -> tuple[Part, ...]:
    """Return parts, in their order; all where none is given.

    Raises
    ------
    InvalidInput
        A word is none.

    Examples
    --------
    >>> read_parts(["logs", "runs"])
    ('runs', 'logs')
    """
    for word in words:
        if word not in PARTS:
            raise InvalidInput(f"parts={word[:40]!r} is nothing that is told of runs. It may be: {', '.join(PARTS)}.")
    return tuple(part for part in PARTS if part in words) if words else PARTS


def read_kind(word: str | None) -> RunKind | None:
    """Return a kind of runs; None for all.

    Raises
    ------
    InvalidInput
        The word is none.
    """
    if word is None:
        return None
    try:
        return RunKind(word)
    except ValueError:
        kinds = ", ".join(kind.value for kind in RunKind)
        raise InvalidInput(f"kind={word[:40]!r} is no kind of runs. The kinds are: {kinds}.") from None


def read_name(name: str, value: str | None) -> str | None:
    """Return a name that is looked for; None for all.

    Raises
    ------
    InvalidInput
        Nothing can be called so.
    """
    if value is not None and not (0 < len(value) <= _LONGEST_NAME and "\0" not in value):
        raise InvalidInput(f"{name}={value[:40]!r} is no name.")
    return value
