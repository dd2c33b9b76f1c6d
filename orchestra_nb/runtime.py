"""What runs now, attribute by attribute: ``runtime.flow_run.name``. Prefect's module name; empty outside of a run."""

from orchestra_nb.engine.runtime_facts import DeploymentFacts as _DeploymentFacts
from orchestra_nb.engine.runtime_facts import FlowRunFacts as _FlowRunFacts
from orchestra_nb.engine.runtime_facts import TaskRunFacts as _TaskRunFacts

deployment = _DeploymentFacts()
flow_run = _FlowRunFacts()
task_run = _TaskRunFacts()

__all__ = ["deployment", "flow_run", "task_run"]
