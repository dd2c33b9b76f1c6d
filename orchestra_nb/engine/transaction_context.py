"""The transaction that running code is in, and what waits for its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from orchestra_nb.engine.transaction_modes import TransactionState

if TYPE_CHECKING:
    from orchestra_nb.engine.transactions import Transaction

current_transaction: ContextVar[Transaction | None] = ContextVar("orchestra_transaction", default=None)


def get_transaction() -> Transaction | None:
    """Return the innermost transaction that this code is in; within a task that is called directly, the task's own."""
    return current_transaction.get()


@contextmanager
def entered_alone() -> Iterator[None]:
    """Let code see no transaction that it is called in: around the code of a submitted task."""
    token = current_transaction.set(None)
    try:
        yield
    finally:
        current_transaction.reset(token)


def staging_transaction() -> Transaction | None:
    """Return the transaction that the result of a task which ends now is kept back for; None: it is written at once."""
    around = get_transaction()
    return around if around is not None and around.staging is not None else None


def stage(write: Callable[[], object], within: Transaction | None = None) -> None:
    """Call ``write`` when the transaction around is committed, never if it is rolled back; now where there is none.

    Parameters
    ----------
    within
        Which transaction; None for the one that this code is in.
    """
    around = within if within is not None else get_transaction()
    if around is None or not around.write_on_commit or around.state is TransactionState.COMMITTED:
        write()
    elif around.state is not TransactionState.ROLLED_BACK:
        around.add_write(write)
