"""Starts what the next notebook run of this process, or of one that is forked from it, will need."""

from __future__ import annotations

import contextlib
import os

from orchestra_nb.engine.kernel_environment import KERNEL_VARIABLES, kernel_environment
from orchestra_nb.engine.runner_process import end_warm_processes, keep_runner, start_runner
from orchestra_nb.errors import InvalidSetting
from orchestra_nb.notebooks.kernel_handover import keep_kernel
from orchestra_nb.settings import Settings, load_settings

#: Settings on which it depends what is kept, and whether anything is.
_KEPT_BY = ("kernel_fork", "kernel_spares", "kernel_idle_seconds", "kernel_preload")


def keep_ready() -> None:
    """Have a notebook's runner and a kernel wait, where they can be forked; cheap to call when they do."""
    with contextlib.suppress(InvalidSetting):  # a file is being edited: whoever runs a notebook is told
        keep_runner()
        keep_kernel_ready()


def start_ahead(*, with_kernel: bool) -> None:
    """Have a runner start, and what its kernel is forked from, for the one notebook that this process will run.

    All of it ends with this process, also when no notebook is run.

    Parameters
    ----------
    with_kernel
        Whether it is likely to be for Python's kernel of this environment.
    """
    with contextlib.suppress(InvalidSetting, OSError):  # whoever runs the notebook is told
        if load_settings().api_url:
            return  # a server runs it
        start_runner()
        if with_kernel:
            keep_kernel(_environment(), count=0)


def keep_kernel_ready() -> None:
    """Have a kernel wait, and the process that it is forked from stay: nobody asks for it meanwhile."""
    keep_kernel(_environment())


def let_go_unless_fit(kept_by: Settings) -> None:
    """End what was kept by these settings where those in force here and now are others.

    A process that was forked gets the settings of another folder and environment than the one that kept it.
    """
    with contextlib.suppress(InvalidSetting):  # nothing will run
        settings = load_settings()
        if any(getattr(settings, name) != getattr(kept_by, name) for name in _KEPT_BY):
            end_warm_processes()


def _environment() -> dict[str, str]:
    return {**kernel_environment(os.environ), **KERNEL_VARIABLES}
