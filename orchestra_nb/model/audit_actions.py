"""What the audit trail calls what somebody does, and the kind of thing that it is done to: one table for every way.

An action has the name that its call has in the REST API, where there is one, whether it comes from there, from a shell,
from Python code or from a service.
"""

from __future__ import annotations

from typing import Final

#: Kind of thing to what is done to such things.
_ACTIONS: Final = {
    "runs": "answer_input cancel_run cancel_task resume_run retry_run set_run_state suspend_run",
    "notebooks": "run_notebook",
    "dead-letters": "discard_dead_letter retry_dead_letter",
    "deployments": "add_schedule backfill_deployment delete_deployment deploy pause_deployment pause_schedule "
    "remove_schedule replace_schedule resume_deployment resume_schedule roll_back run_deployment update_deployment",
    "files": "apply_file",
    "pools": "create_pool delete_pool pause_pool replace_pool resume_pool update_pool",
    "workers": "end_worker register_worker",
    "limits": "create_limit delete_limit update_limit",
    "variables": "set_variable unset_variable",
    "secrets": "set_secret unset_secret",
    "automations": "create_automation delete_automation pause_automation replace_automation resume_automation",
    "notifications": "add_rule call_webhook create_channel delete_channel delete_rule discard_delivery notify "
    "pause_rule resume_rule retry_delivery set_channel set_rule try_channel",
    "webhooks": "create_webhook delete_webhook pause_webhook receive_message resume_webhook "
    "rotate_webhook_secret update_webhook",
    "receipts": "discard_message retry_message",
    "events": "emit_event",
    "tokens": "create_token revoke_token",
    "store": "clean_store repair_store",
}

#: Action to the kind of thing that it is done to: ``"cancel_run"`` to ``"runs"``.
AREA_OF: Final[dict[str, str]] = {action: area for area, actions in _ACTIONS.items() for action in actions.split()}

#: What a file does to a thing: the kind and what becomes of it, to the action.
_FILE_ACTIONS: Final = {
    ("deployment", "create"): "deploy",
    ("deployment", "change"): "deploy",
    ("deployment", "delete"): "delete_deployment",
    ("automation", "create"): "create_automation",
    ("automation", "change"): "replace_automation",
    ("automation", "delete"): "delete_automation",
    ("pool", "create"): "create_pool",
    ("pool", "change"): "update_pool",
    ("pool", "delete"): "delete_pool",
}


def action_of_step(kind: str, becomes: str) -> str | None:
    """Return the action of a step of a plan; None for one that changes nothing.

    Examples
    --------
    >>> action_of_step("pool", "change"), action_of_step("pool", "unchanged")
    ('update_pool', None)
    """
    return _FILE_ACTIONS.get((kind, becomes))
