"""The audit trail: note who changed what, and read it.

Whoever lets others change something notes it: the REST API each call, the command line each command, services what they
do by themselves. What the code of a run does is the run's own, and its record says whose it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Unpack

import msgspec

from orchestra_nb.errors import OrchestraError, StoreUnavailable
from orchestra_nb.model.audit import AuditEntry, Outcome
from orchestra_nb.operations.problems import code_of

if TYPE_CHECKING:
    from orchestra_nb.store.audit_store import AuditFilter
    from orchestra_nb.store.run_store import RunStore

#: How many entries are read at once, at most.
MAX_ENTRIES: Final = 500
#: What is told of an error that is a fault of ours, or of something below us.
_UNEXPECTED: Final = "internal_server_error"

_log = logging.getLogger(__name__)


def note(store: RunStore, entry: AuditEntry) -> None:
    """Keep an entry.

    Within ``Database.together`` it is kept with what it tells of, or neither is.

    Raises
    ------
    StoreUnavailable
        It cannot be kept.
    """
    from orchestra_nb.store.audit_store import AuditStore

    AuditStore(store.database).add(entry)


def failed(entry: AuditEntry, error: BaseException) -> AuditEntry:
    """Return the entry of what was not done, for this reason."""
    outcome = Outcome.REFUSED if isinstance(error, PermissionError) else Outcome.FAILED
    return msgspec.structs.replace(entry, outcome=outcome, code=_code_of(error))


def note_quietly(store: RunStore, entry: AuditEntry) -> None:
    """Keep an entry of what was not done; where that fails, too, the log has it: who asked hears of the first error."""
    try:
        note(store, entry)
    except StoreUnavailable as error:
        _log.warning("%s by %s (%s) is not in the audit trail: %s", entry.action, entry.actor, entry.code, error)


@contextmanager
def noted(store: RunStore, entry: AuditEntry) -> Iterator[None]:
    """Keep an entry of what the block does, whether it succeeds or fails.

    Raises
    ------
    StoreUnavailable
        It was done, and the entry cannot be kept.
    """
    try:
        yield
    except BaseException as error:
        note_quietly(store, failed(entry, error))
        raise
    note(store, entry)


def list_audit(
    store: RunStore, *, before: int | None = None, limit: int = 50, **wanted: Unpack[AuditFilter]
) -> tuple[list[AuditEntry], int | None]:
    """Return a page of entries, the newest first, and the ``before`` of the page that follows, None at the end.

    Parameters
    ----------
    wanted
        As :class:`~orchestra_nb.store.audit_store.AuditFilter`; None for all.
    """
    from orchestra_nb.store.audit_store import AuditStore

    found = AuditStore(store.database).list_entries(before=before, limit=limit + 1, **wanted)
    page = found[:limit]
    return page, page[-1].number if len(found) > limit else None


def _code_of(error: BaseException) -> str:
    if isinstance(error, OrchestraError):
        return code_of(type(error))
    if isinstance(error, PermissionError):
        return "forbidden"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else _UNEXPECTED
