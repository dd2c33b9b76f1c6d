"""``orchestra apply`` and ``export`` over a server: a file of this machine is sent with its notebooks, or written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_nb.cli.remote.whole_lists import whole_list
from orchestra_nb.model.work_pools import DEFAULT_POOL, WorkPool
from orchestra_nb.operations.deployment_plan import Plan, PlanStep
from orchestra_nb.operations.located_yaml import parse_located, read_text
from orchestra_nb.operations.notebook_deployment import snapshot_of
from orchestra_nb.operations.pool_form import pool_form
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client


class SentPlan(Plan, frozen=True, kw_only=True):
    """What a file would change at a server, and what was sent there to find out."""

    sent: dict[str, Any]


def make_plan(client: Client, path: str | Path, settings: Settings, now: datetime, *, prune: bool = False) -> Plan:
    """Return what a file would change at a server."""
    text = read_text(Path(path))
    sent: dict[str, Any] = {
        "file": str(path),
        "text": text,
        "notebooks": _notebooks_of(str(path), text),
        "prune": prune,
    }
    answer = client.apply_file(plan=True, **sent)
    steps = tuple(
        PlanStep(
            kind=step.kind,
            name=step.name,
            action=step.action,
            changes=step.changes,
            warnings=step.warnings,
            words=step.words,
        )
        for step in answer.steps
    )
    return SentPlan(file=str(path), steps=steps, sent=sent)


def apply_plan(client: Client, plan: Plan, *, actor: str, now: datetime, version: int | None = None) -> None:
    """Do what a plan of :func:`make_plan` says; what somebody else did meanwhile is done over."""
    assert isinstance(plan, SentPlan)
    client.apply_file(plan=False, **plan.sent)


def exported_content(client: Client, names: Sequence[str]) -> dict[str, Any]:
    """Return what a file says of these deployments, or of all with all automations."""
    known = names or [one.name for one in whole_list(client.list_deployments, "deployments")]
    found = [client.show_deployment(name) for name in known]
    forms = [
        {
            **one.spec,
            **({"paused": True} if one.is_paused else {}),
            **({"triggers": [trigger.form for trigger in one.triggers]} if one.triggers else {}),
        }
        for one in found
    ]
    usual = pool_form(WorkPool(name=DEFAULT_POOL))
    named = {form.get("pool", DEFAULT_POOL) for form in forms}
    pools = [
        form
        for pool in whole_list(client.list_pools, "pools")
        if (not names or pool.name in named) and (form := client.show_pool(pool.name).form) != usual
    ]
    triggers = {trigger.name for one in found for trigger in one.triggers}
    others = [] if names else [one.name for one in whole_list(client.list_automations, "automations")]
    automations = [client.show_automation(name).form for name in others if name not in triggers]
    return {
        **({"pools": pools} if pools else {}),
        "deployments": forms,
        **({"automations": automations} if automations else {}),
    }


def _notebooks_of(path: str, text: str) -> dict[str, Any]:
    """Return the notebooks that a file names and that are there, by their paths as it has them; without outputs."""
    content = parse_located(path, text).content
    deployments = content.get("deployments") if isinstance(content, dict) else None
    named = [one.get("notebook") for one in deployments or () if isinstance(one, dict)]
    folder = Path(path).absolute().parent
    return {
        notebook: json.loads(snapshot_of(str(folder / Path(notebook).expanduser())))
        for notebook in dict.fromkeys(named)
        if isinstance(notebook, str)
    }
