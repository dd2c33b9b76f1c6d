"""Who changed what, when, from where, and how it ended: the entries of the audit trail.

An entry names things and never holds what was said of them: no parameter, no value, no body, no message of an error.
So nothing secret can be in it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from orchestra_nb.model.audit_actions import AREA_OF

#: What parts of other things are called, to how long the name of one may be, None where it is any text.
PARTS: Final[dict[str, int | None]] = {"schedule": 4, "task": None}
#: What is longer is cut: names come from whoever calls.
_LONGEST_NAME: Final = 200


class Via(StrEnum):
    """By which way somebody came."""

    #: the REST API: people, programs, remote workers and senders of messages
    API = "api"
    #: a command in a shell
    CLI = "cli"
    #: Python code that deploys: in a notebook, or a script
    PYTHON = "python"
    #: something that acts by itself: an automation, retention
    SERVICE = "service"


class Outcome(StrEnum):
    """How it ended."""

    #: it was done
    DONE = "done"
    #: whoever asked for it may not
    REFUSED = "refused"
    #: it could not be done; ``code`` says why
    FAILED = "failed"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry.

    Parameters
    ----------
    number
        Its place in the order of the trail; 0 before it is kept.
    actor
        Who: ``"user alice"``, ``"token ci"``, ``"command line of bob"``, ``"automation tidy"``.
    origin
        From where: the address of who called, or the host of the shell; empty where that says nothing.
    action
        What was done, as :mod:`~orchestra_nb.model.audit_actions` has it: ``"cancel_run"``.
    area
        What it was done to something of: ``"runs"``, ``"deployments"``, …
    target
        The name, id or number of it, as whoever asked named it, ``"schedule 2 of nightly"`` for a part of something;
        empty where it has none.
    code
        Why it was not done: the code of the problem; empty where it was.
    run_id
        The run that it made or changed, where it says so.
    """

    at: datetime
    actor: str
    via: Via
    origin: str
    action: str
    area: str
    target: str
    outcome: Outcome
    code: str = ""
    run_id: str | None = None
    number: int = 0


def entry_of(
    action: str, target: object, *, at: datetime, actor: str, via: Via, origin: str, run_id: str | None = None
) -> AuditEntry:
    """Return the entry of something that is done.

    Raises
    ------
    KeyError
        There is no such action.
    """
    return AuditEntry(
        at=at,
        actor=actor,
        via=via,
        origin=origin,
        action=action,
        area=AREA_OF[action],
        target=short_name(target),
        outcome=Outcome.DONE,
        run_id=run_id,
    )


def part_of(kind: str, name: object, whole: str) -> str:
    """Return what an entry calls a part of something.

    Examples
    --------
    >>> part_of("schedule", 2, "nightly")
    'schedule 2 of nightly'
    """
    assert kind in PARTS
    return f"{kind} {name} of {whole}"


def short_name(text: object) -> str:
    """Return a name as an entry has it.

    Examples
    --------
    >>> short_name(7), short_name("n" * 300)[-3:]
    ('7', 'nn…')
    """
    name = str(text)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
