"""Has the audit trail tell of commands that change something: who, from which machine, what, and how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from orchestra_nb.acting_user import process_user
from orchestra_nb.cli.audited_commands import AUDITED, Deed

if TYPE_CHECKING:
    from orchestra_nb.model.audit import AuditEntry
    from orchestra_nb.store.run_store import RunStore

_TARGETS: Final = "orchestra_nb.cli.audited targets"


def caller() -> str:
    """Return who calls, for the history."""
    return f"command line of {process_user()}"


def has_changed(targets: Iterable[tuple[str, str]]) -> None:
    """Say what a command has done that its parameters do not tell: (action, target) of each; it may be nothing."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_TARGETS] = list(targets)


@contextlib.contextmanager
def audited(store: RunStore) -> Iterator[None]:
    """Note what a command does in this block, where it is one that changes something."""
    context = click.get_current_context(silent=True)
    deed = None if context is None else AUDITED.get(words_of(context))
    if context is None or deed is None or not deed.is_done_with(context.params):
        yield
        return
    from orchestra_nb.operations.audit_trail import failed, note, note_quietly

    try:
        yield
    except (click.Abort, click.exceptions.Exit):  # nobody wanted it in the end
        raise
    except BaseException as error:
        for entry in _entries(deed, context, is_done=False):
            note_quietly(store, failed(entry, error))
        raise
    for entry in _entries(deed, context, is_done=True):
        note(store, entry)


def words_of(context: click.Context) -> str:
    """Return the words of a command as they follow ``orchestra``."""
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(words)


def _entries(deed: Deed, context: click.Context, *, is_done: bool) -> Iterator[AuditEntry]:
    import socket

    from orchestra_nb.model.audit import Via, entry_of

    said: list[tuple[str, str]] | None = context.meta.get(_TARGETS) if is_done else None
    given = context.params.get(deed.parameter)
    for action, target in [(deed.action, "" if given is None else str(given))] if said is None else said:
        yield entry_of(action, target, at=datetime.now(UTC), actor=caller(), via=Via.CLI, origin=socket.gethostname())
