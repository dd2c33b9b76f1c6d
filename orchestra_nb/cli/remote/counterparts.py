"""Where the counterparts of operations are that ask a server: functions of the same name, with a client for the store.

They take the parameters of the operations, of which the server knows some itself: who asks, when, and its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HERE: Final = "orchestra_nb.cli.remote"
_OPERATIONS: Final = "orchestra_nb.operations"

#: Module of operations to the module of their counterparts.
MODULES: Final[Mapping[str, str]] = {
    "orchestra_nb.cli.deployment_changes": f"{_HERE}.remote_deployments",
    "orchestra_nb.cli.deployment_file_commands": f"{_HERE}.remote_files",
    "orchestra_nb.cli.run_children": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.runs": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.run_state_setting": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.run_attempts": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.run_results": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.sweep_views": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.run_questions": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.run_resumption": f"{_HERE}.remote_runs",
    f"{_OPERATIONS}.shell_reruns": f"{_HERE}.remote_reruns",
    f"{_OPERATIONS}.rerun_forecast": f"{_HERE}.remote_reruns",
    f"{_OPERATIONS}.notebook_plan": f"{_HERE}.notebook_run",
    f"{_OPERATIONS}.pool_retries": f"{_HERE}.remote_reruns",
    f"{_OPERATIONS}.deployment_run": f"{_HERE}.remote_deployments",
    f"{_OPERATIONS}.deployments": f"{_HERE}.remote_deployments",
    f"{_OPERATIONS}.deployment_views": f"{_HERE}.remote_deployments",
    f"{_OPERATIONS}.deployment_plan": f"{_HERE}.remote_files",
    f"{_OPERATIONS}.deployment_versions": f"{_HERE}.remote_deployments",
    f"{_OPERATIONS}.backfill": f"{_HERE}.remote_deployments",
    f"{_OPERATIONS}.service_presence": f"{_HERE}.remote_pools",
    f"{_OPERATIONS}.work_pools": f"{_HERE}.remote_pools",
    f"{_OPERATIONS}.shared_variables": f"{_HERE}.remote_shared",
    f"{_OPERATIONS}.concurrency_limits": f"{_HERE}.remote_shared",
    f"{_OPERATIONS}.kept_artifacts": f"{_HERE}.remote_shared",
    f"{_OPERATIONS}.emitted_events": f"{_HERE}.remote_shared",
    f"{_OPERATIONS}.run_statistics": f"{_HERE}.remote_shared",
    f"{_OPERATIONS}.api_tokens": f"{_HERE}.remote_shared",
    f"{_OPERATIONS}.dead_letter_decisions": f"{_HERE}.remote_follow_ups",
    f"{_OPERATIONS}.automations": f"{_HERE}.remote_follow_ups",
    f"{_OPERATIONS}.notifications": f"{_HERE}.remote_follow_ups",
    f"{_OPERATIONS}.webhooks": f"{_HERE}.remote_follow_ups",
}
