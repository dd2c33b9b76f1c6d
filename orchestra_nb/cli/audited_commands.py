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
        The name of the call of the REST API that does the same, where there is one.
    parameter
        The parameter of the command that names what it is done to; empty for none.
    looks_with
        The flag with which it only tells what it would do; empty for none.
    acts_with
        The flag without which it only looks; empty for none.
    """

    action: str
    area: str
    parameter: str = ""
    looks_with: str = ""
    acts_with: str = ""

    def is_done_with(self, parameters: Mapping[str, object]) -> bool:
        """Tell whether a command that was called so changes anything."""
        only_looks = self.looks_with and parameters.get(self.looks_with)
        return not only_looks and bool(not self.acts_with or parameters.get(self.acts_with))


#: The words of a command, after ``orchestra``, to what it does.
AUDITED: Final[dict[str, Deed]] = {
    "runs cancel": Deed("cancel_run", "runs", "run"),
    "runs input": Deed("answer_input", "runs", "run"),
    "runs resume": Deed("resume_run", "runs", "run"),
    "runs retry": Deed("retry_run", "runs", "run"),
    "runs suspend": Deed("suspend_run", "runs", "run"),
    "variables set": Deed("set_variable", "variables", "name"),
    "variables unset": Deed("unset_variable", "variables", "name"),
    "secrets set": Deed("set_secret", "secrets", "name"),
    "secrets unset": Deed("unset_secret", "secrets", "name"),
    "concurrency create": Deed("create_limit", "limits", "name"),
    "concurrency update": Deed("update_limit", "limits", "name"),
    "concurrency delete": Deed("delete_limit", "limits", "name"),
    "dead-letters retry": Deed("retry_dead_letter", "dead-letters", "letter"),
    "dead-letters discard": Deed("discard_dead_letter", "dead-letters", "letter"),
    "deploy": Deed("deploy", "deployments", "target"),
    "deployments backfill": Deed("backfill_deployment", "deployments", "name"),
    "deployments delete": Deed("delete_deployment", "deployments", "name"),
    "deployments pause": Deed("pause_deployment", "deployments", "name"),
    "deployments resume": Deed("resume_deployment", "deployments", "name"),
    "deployments rollback": Deed("roll_back", "deployments", "name"),
    "deployments run": Deed("run_deployment", "deployments", "name"),
    "deployments update": Deed("deploy", "deployments", "name"),
    "pools create": Deed("create_pool", "pools", "name"),
    "pools delete": Deed("delete_pool", "pools", "name"),
    "pools pause": Deed("pause_pool", "pools", "name"),
    "pools resume": Deed("resume_pool", "pools", "name"),
    "pools update": Deed("update_pool", "pools", "name"),
    "apply": Deed("apply", "deployments", "file", looks_with="is_dry"),
    "notifications channels add": Deed("create_channel", "notifications", "name"),
    "notifications channels delete": Deed("delete_channel", "notifications", "name"),
    "notifications channels test": Deed("try_channel", "notifications", "name"),
    "notifications outbox discard": Deed("discard_delivery", "notifications", "number"),
    "notifications outbox retry": Deed("retry_delivery", "notifications", "number"),
    "notifications rules add": Deed("add_rule", "notifications", "name"),
    "notifications rules pause": Deed("pause_rule", "notifications", "name"),
    "notifications rules resume": Deed("resume_rule", "notifications", "name"),
    "notifications rules delete": Deed("delete_rule", "notifications", "name"),
    "automations create": Deed("create_automation", "automations", "path"),
    "automations delete": Deed("delete_automation", "automations", "name"),
    "automations pause": Deed("pause_automation", "automations", "name"),
    "automations resume": Deed("resume_automation", "automations", "name"),
    "webhooks create": Deed("create_webhook", "webhooks", "name"),
    "webhooks delete": Deed("delete_webhook", "webhooks", "name"),
    "webhooks discard": Deed("discard_message", "receipts", "number"),
    "webhooks retry": Deed("retry_message", "receipts", "number"),
    "webhooks rotate": Deed("rotate_webhook_secret", "webhooks", "name"),
    "tokens create": Deed("create_token", "tokens", "name"),
    "tokens revoke": Deed("revoke_token", "tokens", "name"),
    "db clean": Deed("clean_store", "store", looks_with="is_dry_run"),
    "db check": Deed("repair_store", "store", acts_with="is_repairing"),
}
