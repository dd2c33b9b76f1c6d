"""What the audit trail says of a call: which endpoint, and the name of what it was done to, never what was said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote

import msgspec

from orchestra_nb.model.audit import AuditEntry, Outcome, Via, short_name

if TYPE_CHECKING:
    from orchestra_nb.rest.endpoint import Endpoint

T = TypeVar("T")

#: POST, and yet it only looks.
_READERS: Final = frozenset({"dry_run_automation", "read_automation_text", "read_task_line", "write_task_line"})
#: Those that only tell what they would do, with ``plan``.
_PLANNERS: Final = frozenset({"apply_file", "deploy"})


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
    if endpoint.method == "GET" or endpoint.name in _READERS:
        return None
    if endpoint.name in _PLANNERS and str(query.get("plan", "")).lower() in ("true", "1"):
        return None
    found = endpoint.pattern.fullmatch(path)
    assert found is not None
    named = [unquote(part) for part in found.groups()]
    return AuditEntry(
        at=at,
        actor=actor,
        via=Via.API,
        origin=origin,
        action=endpoint.name,
        area=endpoint.path.split("/")[1],
        target=short_name("/".join(named) if named else _name_in(body)),
        outcome=Outcome.DONE,
    )


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


class _OfRun(msgspec.Struct, frozen=True):
    run_id: Any = None
    cancelled: Any = None
    suspended: Any = None


def _name_in(body: bytes) -> str:
    said = _read(body, _Named)
    return next((one for one in (said.name, said.path) if isinstance(one, str)), "")


def _read(text: bytes, kind: type[T]) -> T:
    """Return what is known of a JSON object; nothing of what is none."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return kind()
