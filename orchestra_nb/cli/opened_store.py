"""What most commands begin with: the configured store, and who calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The option of each command whose result scripts read.
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


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


def caller() -> str:
    """Return who calls, for the history."""
    import getpass

    return f"command line of {getpass.getuser()}"
