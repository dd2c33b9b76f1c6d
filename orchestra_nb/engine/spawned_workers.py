"""Lets a Dask cluster of this process start worker processes from a script that guards nothing.

Dask starts the workers of a ``LocalCluster`` with multiprocessing, which first runs the script anew in each of them,
for functions that were pickled by their name in ``__main__``. Ours never are: so the script would be run once more for
nothing, and one that calls its flow without ``if __name__ == "__main__":`` could start no worker at all.
"""

from __future__ import annotations

from multiprocessing import spawn
from typing import Any, Final

#: How the processes are named that Dask's nannies start.
_WORKER_PREFIX: Final = "Dask Worker process"

_prepare_any = spawn.get_preparation_data


def leave_main_out() -> None:
    """From now on, worker processes of Dask are started without the script of this process; may be called again."""
    spawn.get_preparation_data = _prepare


def _prepare(name: str) -> dict[str, Any]:
    """Return what multiprocessing tells a new process, for each one by its name."""
    data: dict[str, Any] = _prepare_any(name)
    if name.startswith(_WORKER_PREFIX):
        data.pop("init_main_from_name", None)
        data.pop("init_main_from_path", None)
    return data
