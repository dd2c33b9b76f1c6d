"""Starts what the next notebook run of this process, or of one that is forked from it, will need."""

from __future__ import annotations

import os

from orchestra_nb.engine.kernel_environment import KERNEL_VARIABLES, kernel_environment
from orchestra_nb.engine.runner_process import keep_runner
from orchestra_nb.notebooks.kernel_handover import keep_kernel


def keep_ready() -> None:
    """Have a notebook's runner and a kernel wait, where they can be forked; cheap to call when they do."""
    keep_runner()
    keep_kernel_ready()


def keep_kernel_ready() -> None:
    """Have a kernel wait, and the process that it is forked from stay: nobody asks for it meanwhile."""
    keep_kernel({**kernel_environment(os.environ), **KERNEL_VARIABLES})
