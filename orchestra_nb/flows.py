"""Flows: Prefect's module name. Importing it says what drives and what shows flows in this process."""

import sys as _sys
from collections.abc import Mapping as _Mapping
from typing import Any as _Any

from orchestra_nb.engine.deployers import set_deployer as _set_deployer
from orchestra_nb.engine.drivers import Driver as _Driver
from orchestra_nb.engine.drivers import set_driver_factory as _set_driver_factory
from orchestra_nb.engine.flow_graph import FlowGraph as _FlowGraph
from orchestra_nb.engine.flow_graph import set_graph_display as _set_graph_display
from orchestra_nb.engine.flows import DeploymentsNotHere, Flow, deploy, flow, serve


def _make_driver() -> _Driver:
    """Return what drives this process: in a kernel its extension, so that all of a notebook belongs to one run."""
    from orchestra_nb.operations.script_driver import ScriptDriver

    ipython = _sys.modules.get("IPython")
    shell: _Any = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return ScriptDriver()
    from orchestra_nb.ipython_extension import load_for_call

    return load_for_call(shell) or ScriptDriver("kernel")


def _show_graph(graph: _FlowGraph) -> None:
    from orchestra_nb.flow_display import show_plan

    show_plan(graph)


def _deploy(flow: Flow[_Any, _Any], options: _Mapping[str, _Any]) -> _Any:
    from orchestra_nb.operations.python_deployment import deploy_flow

    return deploy_flow(flow, options)


_set_deployer(_deploy)
_set_driver_factory(_make_driver)
_set_graph_display(_show_graph)

__all__ = ["DeploymentsNotHere", "Flow", "deploy", "flow", "serve"]
