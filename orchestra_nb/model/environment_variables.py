"""Which variables of an environment belong to one process, and which to a terminal or session: told by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: What is said to one process, or about it: by who started it, by its supervisor, or at its own beginning. In another
#: process it would be wrong. What only matters when a process starts (``PYTHON…``, ``OMP_NUM_THREADS``), or is of a
#: terminal or a session, is not among them: programs that a task starts are to find it as they would in the driver.
_OF_PROCESS = re.compile(
    # the run that a kernel belongs to, and what a sentinel reads
    r"^(ORCHESTRA_RUN_|ORCHESTRA_SENTINEL_FD$"
    # Dask reads its variables when it is imported; a worker and its driver may need different ones
    r"|DASK_|__DASK_"
    # who started a kernel, and how it is interrupted
    r"|(JPY_PARENT_PID|JPY_INTERRUPT_EVENT|IPY_INTERRUPT_EVENT)$"
    # what was loaded into a process from outside
    r"|(LD_PRELOAD|DYLD_INSERT_LIBRARIES)$"
    # how systemd speaks with one process
    r"|LISTEN_|WATCHDOG_|(NOTIFY_SOCKET|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID)$"
    r"|SPT_|PYTEST_CURRENT_TEST$)"
)
#: What belongs to a process, a terminal or a session, and to no cell.
_OF_SESSION = re.compile(
    r"^(ORCHESTRA_|JPY_|IPY_|PYDEVD_|JUPYTERHUB_|XDG_SESSION_|SSH_|DBUS_|TERM_|VTE_|VSCODE_|KITTY_|SPT_)"
    r"|^(MPLBACKEND|_|PWD|OLDPWD|SHLVL|TERM|COLUMNS|LINES|WINDOWID|INVOCATION_ID|JOURNAL_STREAM|DISPLAY|TTY|STY|TMUX"
    # what ipykernel sets for what runs in a kernel
    r"|TMUX_PANE|PAGER|GIT_PAGER|CLICOLOR|CLICOLOR_FORCE|FORCE_COLOR|NO_COLOR|COLORTERM|PYTEST_CURRENT_TEST)$"
)


def belongs_to_process(name: str) -> bool:
    """Tell whether a variable belongs to one process: its tasks elsewhere do not get it.

    Examples
    --------
    >>> [name for name in ("API_URL", "TERM", "DASK_LOGGING", "JPY_PARENT_PID") if belongs_to_process(name)]
    ['DASK_LOGGING', 'JPY_PARENT_PID']
    """
    return _OF_PROCESS.match(name) is not None


def is_variable_that_counts(name: str) -> bool:
    """Tell whether a variable of the environment is one that a cell may depend on."""
    return _OF_SESSION.match(name) is None


def environment_that_counts(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a cell may depend on, without those that belong to one process or terminal."""
    return {name: environ[name] for name in sorted(environ) if is_variable_that_counts(name)}
