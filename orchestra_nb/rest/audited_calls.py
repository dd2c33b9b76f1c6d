"""What the audit trail says of a call: which endpoint, and the name of what it was done to, never what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote

import msgspec

from orchestra_nb.model import audit
from orchestra_nb.model.audit import AuditEntry, Via
from orchestra_nb.model.audit_actions import AREA_OF, action_of_step

if TYPE_CHECKING:
    from orchestra_nb.rest.endpoint import Endpoint

T = TypeVar("T")

#: POST, and yet it only looks.
READERS: Final = frozenset(
    {"dry_run_automation", "plan_notebook", "read_automation_text", "read_task_line", "write_task_line"}
)
#: Those that only tell what they would do, with ``plan``.
_FILE: Final = "apply_file"
_PLANNERS: Final = frozenset({_FILE, "deploy"})


def entry_of(
    endpoint: Endpoint[..., Any],
    path: str,
    query: Mapping[str, object],
    body: bytes,
    *,
    actor: str,
    origin: str,
    at: datetime,
) -> AuditEntry | None:
    """Return the entry of a call that is to be done; None for one that changes nothing.

    Parameters
    ----------
    path
        Of the request, below the prefix, with its parts still quoted.
    query
        Name to value, as it was given.
    body
        As it was given; of one that is no object, or holds no name, nothing is known.
    """
    if endpoint.method == "GET" or endpoint.name in READERS:
        return None
    if endpoint.name in _PLANNERS and str(query.get("plan", "")).lower() in ("true", "1"):
        return None
    found = endpoint.pattern.fullmatch(path)
    assert found is not None
    target = _target_of(endpoint.path, [unquote(part) for part in found.groups()]) or _name_in(body)
    return audit.entry_of(endpoint.name, target, at=at, actor=actor, via=Via.API, origin=origin)


def entries_after(entry: AuditEntry, answer: bytes) -> list[AuditEntry]:
    """Return what the trail says of a call once it is done: one entry, or for a file one for each thing that changed.

    Parameters
    ----------
    answer
        JSON.
    """
    if entry.action != _FILE:
        return [msgspec.structs.replace(entry, run_id=run_in(answer))]
    return [
        msgspec.structs.replace(entry, action=action, area=AREA_OF[action], target=audit.short_name(step.name))
        for step in _read(answer, _OfFile).steps
        if (action := action_of_step(step.kind, step.action)) is not None
    ]


def run_in(answer: bytes) -> str | None:
    """Return the id of the run that an answer says was made or changed; None where it says none.

    Examples
    --------
    >>> run_in(b'{"cancelled": "0af3"}'), run_in(b'{"deleted": "nightly", "cancelled": 2}')
    ('0af3', None)
    """
    said = _read(answer, _OfRun)
    return next((one for one in (said.run_id, said.cancelled, said.suspended) if isinstance(one, str)), None)


class _Named(msgspec.Struct, frozen=True):
    name: Any = None
    path: Any = None
    file: Any = None


class _Step(msgspec.Struct, frozen=True):
    kind: str
    name: str
    action: str


class _OfFile(msgspec.Struct, frozen=True):
    steps: tuple[_Step, ...] = ()


class _OfRun(msgspec.Struct, frozen=True):
    run_id: Any = None
    cancelled: Any = None
    suspended: Any = None


def _target_of(path: str, values: Sequence[str]) -> str:
    """Return the name of a thing, or of a part of one.

    Examples
    --------
    >>> _target_of("/deployments/{name}/schedules/{number}/pause", ["nightly", "2"])
    'schedule 2 of nightly'
    """
    kinds = [before for before, part in pairwise(path.split("/")) if part.startswith("{")]
    named = ""
    for kind, value in zip(kinds, values, strict=True):
        named = audit.part_of(kind.removesuffix("s"), value, named) if named else value
    return named


def _name_in(body: bytes) -> str:
    said = _read(body, _Named)
    return next((one for one in (said.name, said.path, said.file) if isinstance(one, str)), "")


def _read(text: bytes, kind: type[T]) -> T:
    """Return what is known of a JSON object; nothing of what is none."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return kind()
