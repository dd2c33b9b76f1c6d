"""The environment of the kernel of a notebook run: that of who drives the run, and what only a kernel is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE, RUN_NAME_VARIABLE, RUN_SOCKET_VARIABLE
from orchestra_nb.engine.task_keys import NOTEBOOK_VARIABLE

#: The cluster of the run's tasks.
CLUSTER_VARIABLE: Final = "ORCHESTRA_CLUSTER"
#: What every kernel gets; as papermill does: no warning of the debugger about frozen modules.
KERNEL_VARIABLES: Final = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
_OF_A_RUN: Final = (RUN_ID_VARIABLE, RUN_NAME_VARIABLE, RUN_SOCKET_VARIABLE, NOTEBOOK_VARIABLE)


def kernel_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what belongs to a run around this process: a run inside a run is its own."""
    return {name: value for name, value in environ.items() if name not in _OF_A_RUN}
