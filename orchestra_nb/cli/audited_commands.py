"""Which commands change something that the audit trail tells of, as what, and where the name of the thing stands.

Commands that only look are absent, and so are those that change nothing in the store (clusters, profiles, units of the
system). What ``orchestra run`` and ``orchestra worker`` make are runs, and a run says whose it is and what drives it.
A test holds this to the commands that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deed:
    """What a command does.

    Parameters
    ----------
    action
        As :mod:`~orchestra_nb.model.audit_actions` has it.
    parameter
        The parameter of the command that names what it is done to; empty for none.
    looks_with
        The flag with which it only tells what it would do; empty for none.
    acts_with
        The flag without which it only looks; empty for none.
    """

    action: str
    parameter: str = ""
    looks_with: str = ""
    acts_with: str = ""

    def is_done_with(self, parameters: Mapping[str, object]) -> bool:
        """Tell whether a command that was called so changes anything."""
        only_looks = self.looks_with and parameters.get(self.looks_with)
        return not only_looks and bool(not self.acts_with or parameters.get(self.acts_with))


#: The words of a command, after ``orchestra``, to what it does.
AUDITED: Final[dict[str, Deed]] = {
    "runs cancel": Deed("cancel_run", "run"),
    "runs input": Deed("answer_input", "run"),
    "runs resume": Deed("resume_run", "run"),
    "runs retry": Deed("retry_run", "run"),
    "runs set-state": Deed("set_run_state", "run"),
    "runs suspend": Deed("suspend_run", "run"),
    "variables set": Deed("set_variable", "name"),
    "variables unset": Deed("unset_variable", "name"),
    "secrets set": Deed("set_secret", "name"),
    "secrets unset": Deed("unset_secret", "name"),
    "concurrency create": Deed("create_limit", "name"),
    "concurrency update": Deed("update_limit", "name"),
    "concurrency delete": Deed("delete_limit", "name"),
    "dead-letters retry": Deed("retry_dead_letter", "letter"),
    "dead-letters discard": Deed("discard_dead_letter", "letter"),
    "deploy": Deed("deploy", "target"),
    "deployments backfill": Deed("backfill_deployment", "name"),
    "deployments delete": Deed("delete_deployment", "name"),
    "deployments pause": Deed("pause_deployment", "name"),
    "deployments resume": Deed("resume_deployment", "name"),
    "deployments rollback": Deed("roll_back", "name"),
    "deployments run": Deed("run_deployment", "name"),
    "deployments update": Deed("update_deployment", "name"),
    "pools create": Deed("create_pool", "name"),
    "pools delete": Deed("delete_pool", "name"),
    "pools pause": Deed("pause_pool", "name"),
    "pools resume": Deed("resume_pool", "name"),
    "pools update": Deed("update_pool", "name"),
    "apply": Deed("apply_file", "file", looks_with="is_dry"),
    "notifications channels add": Deed("create_channel", "name"),
    "notifications channels delete": Deed("delete_channel", "name"),
    "notifications channels test": Deed("try_channel", "name"),
    "notifications outbox discard": Deed("discard_delivery", "number"),
    "notifications outbox retry": Deed("retry_delivery", "number"),
    "notifications rules add": Deed("add_rule", "name"),
    "notifications rules pause": Deed("pause_rule", "name"),
    "notifications rules resume": Deed("resume_rule", "name"),
    "notifications rules delete": Deed("delete_rule", "name"),
    "automations create": Deed("create_automation", "path"),
    "automations delete": Deed("delete_automation", "name"),
    "automations pause": Deed("pause_automation", "name"),
    "automations resume": Deed("resume_automation", "name"),
    "webhooks create": Deed("create_webhook", "name"),
    "webhooks delete": Deed("delete_webhook", "name"),
    "webhooks discard": Deed("discard_message", "number"),
    "webhooks pause": Deed("pause_webhook", "name"),
    "webhooks resume": Deed("resume_webhook", "name"),
    "webhooks retry": Deed("retry_message", "number"),
    "webhooks rotate": Deed("rotate_webhook_secret", "name"),
    "webhooks update": Deed("update_webhook", "name"),
    "tokens create": Deed("create_token", "name"),
    "tokens revoke": Deed("revoke_token", "name"),
    "db clean": Deed("clean_store", looks_with="is_dry_run"),
    "db check": Deed("repair_store", acts_with="is_repairing"),
}
