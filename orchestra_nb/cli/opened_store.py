"""What commands of this machine begin with: the configured store, and who calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from orchestra_nb.acting_user import acting_as, process_user
from orchestra_nb.cli.command_audit import audited, caller

if TYPE_CHECKING:
    from orchestra_nb.settings import Settings
    from orchestra_nb.store.run_store import RunStore

__all__ = ["as_json_option", "caller", "opened_store"]

#: The option of each command whose result scripts read.
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@contextlib.contextmanager
def opened_store(is_lasting: bool = False) -> Iterator[RunStore]:
    """Open the configured store for one command; a lasting one also looks for lost runs meanwhile.

    Raises
    ------
    InvalidInput
        A server was chosen in place of a store.
    """
    from orchestra_nb.cli.server_choice import refuse_server
    from orchestra_nb.settings import load_settings

    settings = load_settings()
    refuse_server(settings, _command(), "works on a store itself")
    with open_for_command(settings, is_lasting) as store:
        yield store


@contextlib.contextmanager
def open_for_command(settings: Settings, is_lasting: bool) -> Iterator[RunStore]:
    """Open the store of these settings, whichever server was chosen."""
    from orchestra_nb.operations.opening import Sweeper, close_store, open_store

    store = open_store(settings)
    with contextlib.ExitStack() as stack:
        stack.callback(close_store, store)
        if is_lasting:
            stack.callback(Sweeper(store, settings.sweep_seconds).close)
        stack.enter_context(acting_as(process_user()))
        stack.enter_context(audited(store))
        yield store


def _command() -> str:
    """Return the command that runs, as it is typed."""
    context = click.get_current_context(silent=True)
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(["orchestra", *names])
