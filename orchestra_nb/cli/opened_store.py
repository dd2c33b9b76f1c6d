"""The configured store, open for one command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


@contextlib.contextmanager
def opened_store(is_lasting: bool = False) -> Iterator[RunStore]:
    """Open the configured store for one command; a lasting one also looks for lost runs meanwhile."""
    from orchestra_nb.operations.opening import Sweeper, close_store, open_store
    from orchestra_nb.settings import load_settings

    settings = load_settings()
    store = open_store(settings)
    with contextlib.ExitStack() as stack:
        stack.callback(close_store, store)
        if is_lasting:
            stack.callback(Sweeper(store, settings.sweep_seconds).close)
        yield store


def actor() -> str:
    """Return who gives this command, for the history of runs."""
    import getpass

    return f"command line of {getpass.getuser()}"
