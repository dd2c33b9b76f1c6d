"""``notebook_flow("nb.ipynb")`` and ``notebook_task("nb.ipynb")``: a whole notebook as a flow, or as a task of one."""

from __future__ import annotations

from orchestra_nb.flows import flow as _flow  # noqa: F401  sets what drives flows
from orchestra_nb.operations.notebook_flow import NotebookFlow, notebook_flow
from orchestra_nb.operations.notebook_task import NotebookTask, notebook_task
from orchestra_nb.operations.sweep_result import SweepResult, SweepRow

__all__ = ["NotebookFlow", "NotebookTask", "SweepResult", "SweepRow", "notebook_flow", "notebook_task"]
