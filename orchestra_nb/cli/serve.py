"""``orchestra serve``: keep ready what commands need."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import partial

import click

from orchestra_nb.errors import InvalidInput
from orchestra_nb.operations.warm_start import keep_kernel_ready, keep_ready, let_go_unless_fit
from orchestra_nb.services.command_host import CommandHost
from orchestra_nb.settings import Settings, load_settings

#: What `orchestra run` imports until its notebook has ended.
_IMPORTS = (
    "orchestra_nb.cli.late_progress",
    "orchestra_nb.cli.run",
    "orchestra_nb.cli.run_progress",
    "orchestra_nb.cli.run_results",
    "orchestra_nb.operations.run_notebook",
    "orchestra_nb.operations.run_services",
    "orchestra_nb.operations.opening",
    "orchestra_nb.services.driver_guard",
    "orchestra_nb.store.run_store",
    "orchestra_nb.store.store_sink",
    "sqlalchemy.dialects.sqlite",
    "rich.live",
)


@click.command()
def serve() -> int:
    """Keep ready what commands need, until Ctrl-C or SIGTERM.

    While it runs, `orchestra run` in the same Python environment starts in a tenth of the time: its process, its
    notebook's runner and a kernel are there already. It ends, with exit code 1, when packages have changed.
    """
    if sys.platform != "linux":
        raise InvalidInput("orchestra serve keeps forked processes ready, which works on Linux only.")
    for name in _IMPORTS:
        importlib.import_module(name)
    settings = load_settings()
    host = CommandHost(partial(_run, settings), keep_ready, keep_kernel_ready, settings.kernel_idle_seconds / 2)
    click.echo("Ready: `orchestra run` starts at once now. Ctrl-C ends this.", err=True)
    if not host.serve():
        return 0
    click.echo("Packages have changed, or the limits of this process: start it again.", err=True)
    return 1


def _run(settings: Settings, argv: Sequence[str]) -> int:
    from orchestra_nb.cli.main import main

    let_go_unless_fit(settings)
    try:
        main(list(argv[1:]))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0
