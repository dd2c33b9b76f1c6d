"""Orchestra NB: notebook cells, functions and whole notebooks as tasks and flows on a Dask cluster.

Importing this package is cheap: the names below are loaded when they are first used (PEP 562).
"""

from __future__ import annotations

import importlib

from orchestra_nb.version import __version__

TYPE_CHECKING = False  # typing would take a good part of the start of a command
if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from orchestra_nb import runtime
    from orchestra_nb.assets import materialize
    from orchestra_nb.context import get_run_context, tags
    from orchestra_nb.flow_runs import pause_flow_run, resume_flow_run, suspend_flow_run
    from orchestra_nb.flows import Flow, deploy, flow, serve
    from orchestra_nb.futures import as_completed, wait
    from orchestra_nb.logging import get_run_logger
    from orchestra_nb.notebook_flows import notebook_flow, notebook_task
    from orchestra_nb.recording import record
    from orchestra_nb.states import State
    from orchestra_nb.tasks import Task, task
    from orchestra_nb.transactions import Transaction
    from orchestra_nb.utilities.annotations import allow_failure, quote, unmapped

#: Public name to the module that has it; a module's own name stands for the module itself.
_PUBLIC = {
    "Flow": "flows",
    "State": "states",
    "Task": "tasks",
    "Transaction": "transactions",
    "allow_failure": "utilities.annotations",
    "as_completed": "futures",
    "deploy": "flows",
    "flow": "flows",
    "get_run_context": "context",
    "get_run_logger": "logging",
    "materialize": "assets",
    "notebook_flow": "notebook_flows",
    "notebook_task": "notebook_flows",
    "pause_flow_run": "flow_runs",
    "quote": "utilities.annotations",
    "record": "recording",
    "resume_flow_run": "flow_runs",
    "runtime": "runtime",
    "serve": "flows",
    "suspend_flow_run": "flow_runs",
    "tags": "context",
    "task": "tasks",
    "unmapped": "utilities.annotations",
    "wait": "futures",
}


def __getattr__(name: str) -> object:
    module_name = _PUBLIC.get(name)
    if module_name is None:
        raise AttributeError(f"module 'orchestra_nb' has no attribute {name!r}")
    module = importlib.import_module(f"orchestra_nb.{module_name}")
    value: object = module if module_name == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext orchestra_nb``."""
    from orchestra_nb.ipython_extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext orchestra_nb``."""
    from orchestra_nb.ipython_extension import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from orchestra_nb.server.extension import OrchestraExtension

    return [{"module": "orchestra_nb", "app": OrchestraExtension}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "orchestra-nb"}]


__all__ = [
    "Flow",
    "State",
    "Task",
    "Transaction",
    "__version__",
    "allow_failure",
    "as_completed",
    "deploy",
    "flow",
    "get_run_context",
    "get_run_logger",
    "load_ipython_extension",
    "materialize",
    "notebook_flow",
    "notebook_task",
    "pause_flow_run",
    "quote",
    "record",
    "resume_flow_run",
    "runtime",
    "serve",
    "suspend_flow_run",
    "tags",
    "task",
    "unload_ipython_extension",
    "unmapped",
    "wait",
]
