"""What automations and rules of notifications name and nobody knows yet: no error, since it may come, but told."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from orchestra_nb.acting_user import acting_user
from orchestra_nb.model.automation_names import facts_matches, returned_names
from orchestra_nb.model.automations import Automation, CallWebhook, RunMatch, matches_of, watched_files
from orchestra_nb.model.webhook_calls import secret_names_of
from orchestra_nb.operations.storage_options import secret_names

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Of so many last runs of a deployment it is known what they return.
_RUNS_LOOKED_AT: Final = 20


def unknown_names(
    store: RunStore,
    *,
    deployments: Sequence[str] = (),
    flows: Sequence[str] = (),
    coming: Mapping[str, str] = {},
) -> list[str]:
    """Return in words which deployments and flows are not there; ``*`` in a name stands for anything.

    Parameters
    ----------
    coming
        Deployments that will be there, with their flows.
    """
    from orchestra_nb.operations.deployments import deployment_store

    if not deployments and not flows:
        return []
    stored = deployment_store(store)
    present = {one.name for one in stored.list_deployments()} | set(coming)
    words = [
        f"there is no deployment {name!r} yet{_near(name, present)}"
        for name in deployments
        if not any(fnmatchcase(one, name) for one in present)
    ]
    if flows:
        deployed = {stored.version(one.name, one.version).spec.flow_name for one in stored.list_deployments()}
        known = store.flow_names() | deployed | set(coming.values())
        words += [
            f"no flow {name!r} has run or is deployed yet{_near(name, known)}"
            for name in flows
            if not any(fnmatchcase(one, name) for one in known)
        ]
    return words


def unknown_in_automation(store: RunStore, automation: Automation, coming: Mapping[str, str] = {}) -> list[str]:
    """Return in words what an automation names that nobody knows yet.

    Parameters
    ----------
    coming
        Deployments that will be there, with their flows.
    """
    matches = [match for match in matches_of(automation.trigger) if isinstance(match, RunMatch)]
    words = unknown_names(
        store,
        deployments=tuple(dict.fromkeys(name for match in matches for name in match.deployments)),
        flows=tuple(dict.fromkeys(name for match in matches for name in match.flow_names)),
        coming=coming,
    )
    return words + _unknown_secrets(store, automation) + _never_returned(store, automation)


def _unknown_secrets(store: RunStore, automation: Automation) -> list[str]:
    from orchestra_nb.operations.shared_variables import list_secrets
    from orchestra_nb.store.automation_store import AutomationStore

    of_files = [name for match in watched_files(automation) for name in secret_names(match.storage)]
    wanted = list(of_files)
    for action in automation.actions:
        wanted += secret_names_of(action) if isinstance(action, CallWebhook) else []
    known = {secret.name for secret in list_secrets(store)} if wanted else set()
    if of_files and automation.deployment:
        owner = AutomationStore(store.database).owner_of_deployment(automation) or acting_user()
        own = {secret.name for secret in list_secrets(store, owner, has_shared=False)}
        wanted = [name for name in wanted if name not in of_files or name not in own]
    return [f"there is no secret {name!r} yet: `orchestra secrets set {name}`" for name in wanted if name not in known]


def _never_returned(store: RunStore, automation: Automation) -> list[str]:
    """Return what the last runs never returned, where they returned anything."""
    from orchestra_nb.store.recorded_value_store import RecordedValueStore

    names = returned_names(automation)
    about = [match for match in facts_matches(automation.trigger) if isinstance(match, RunMatch)]
    deployments = {name for match in about for name in match.deployments}
    if not names or len(deployments) != 1 or any("*" in name for name in deployments):
        return []
    (deployment,) = deployments
    known = RecordedValueStore(store.database).names_of_deployment(deployment, _RUNS_LOOKED_AT)
    return [
        f"no run of {deployment} has returned {name!r}; they returned {', '.join(sorted(known))}"
        for name in sorted(names - known)
        if known
    ]


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f". Did you mean {near[0]}?" if near else ""
