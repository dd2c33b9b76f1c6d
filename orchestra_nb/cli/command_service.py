"""What ``orchestra serve`` keeps ready for commands, in a process with one thread, since it forks theirs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import partial

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


def serve_commands() -> int:
    """Serve until stdin ends, or SIGTERM; say that all is ready by a line on stdout.

    Returns
    -------
    int
        The exit code: 1 when packages have changed, so that it has to be started again.

    Raises
    ------
    Conflict
        There is one for callers like this process.
    """
    for name in _IMPORTS:
        importlib.import_module(name)
    settings = load_settings()
    refresh_seconds = settings.kernel_idle_seconds / 2
    host = CommandHost(partial(_run, settings), keep_ready, keep_kernel_ready, refresh_seconds, lifeline=0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    return int(host.serve())


def _run(settings: Settings, argv: Sequence[str]) -> int:
    from orchestra_nb.cli.main import main

    let_go_unless_fit(settings)
    try:
        main(list(argv[1:]))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0
