"""``orchestra apply`` and ``orchestra export``: deployments and automations as a file says them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.command_audit import has_changed
from orchestra_nb.cli.deployment_tables import change_lines
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_tables import printable
from orchestra_nb.cli.service_hint import say_if_unserved
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.audit_actions import action_of_step
from orchestra_nb.model.automations import is_trigger_of
from orchestra_nb.model.counted import counted
from orchestra_nb.model.work_pools import DEFAULT_POOL, WorkPool
from orchestra_nb.operations.automations import automation_store
from orchestra_nb.operations.deployment_files import content_of, text_of_content
from orchestra_nb.operations.deployment_plan import Plan, apply_plan, make_plan
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.operations.service_presence import is_served
from orchestra_nb.operations.work_pools import pool_store
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

_SIGNS = {"create": ("+", "green"), "change": ("~", "yellow"), "delete": ("-", "red"), "unchanged": ("=", "")}


@click.command()
@click.argument("file", default="orchestra.yaml", type=click.Path(path_type=str))
@click.option("--yes", "is_agreed", is_flag=True, help="Apply it without asking.")
@click.option("--prune", is_flag=True, help="Delete what is not in FILE.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would change, and change nothing.")
@as_json_option
def apply(file: str, is_agreed: bool, prune: bool, is_dry: bool, as_json: bool) -> int:
    """Show what FILE would change, and make pools, deployments and automations as it says. Default: orchestra.yaml.

    All of FILE is checked first: where anything is wrong nothing is changed.

    Exit code: 0 done, 1 not agreed to or a name is taken, 2 refused, 3 something is not there.
    """
    now = datetime.now(UTC)
    with opened_backend() as backend:
        plan = backend.call(make_plan, file, load_settings(), now, prune=prune)
        if not as_json:
            _tell(plan)
        is_applied = not is_dry and (is_agreed or plan.changes_nothing or (not as_json and _asked()))
        if is_applied:
            backend.call(apply_plan, plan, actor=caller(), now=now)
        has_changed(
            (action, step.name)
            for step in plan.steps
            if is_applied and (action := action_of_step(step.kind, step.action)) is not None
        )
        has_service = backend.call(is_served)
    if as_json:
        print_json(_document(plan, is_applied))
    elif is_applied and not plan.changes_nothing:
        click.echo("Done.")
        say_if_unserved(has_service)
    elif not is_applied:
        click.echo("Nothing was changed." + ("" if is_dry else " --yes applies it without asking."))
    return 0 if is_applied or is_dry else 1


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-o", "--output", metavar="FILE", help="Write it here, with paths as from here. Default: stdout.")
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
def export(names: tuple[str, ...], output: str | None, force: bool) -> None:
    """Write deployments with pools and triggers, these or all with all automations, as `orchestra apply` reads them."""
    with opened_backend() as backend:
        content = backend.call(exported_content, names)
    text = text_of_content(content, None if output is None else Path(output).absolute().parent)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            with open(output, "w" if force else "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise InvalidInput(f"There is a file {output} already. Pass --force to replace it.") from None
        except OSError as error:
            raise InvalidInput(f"{output} cannot be written: {error.strerror}.") from None
        deployments = content["deployments"]
        number = len(content.get("automations", ())) + sum(len(one.get("triggers", ())) for one in deployments)
        written = counted(len(deployments), "deployment") + (f" and {counted(number, 'automation')}" if number else "")
        click.echo(f"{written} written to {printable(output)}.", err=True)


def exported_content(store: RunStore, names: Sequence[str]) -> dict[str, Any]:
    """Return what a file says of these deployments, or of all with all automations."""
    found = [find_deployment(store, name) for name in names] or deployment_store(store).list_deployments()
    automations = [
        one.automation
        for one in automation_store(store).list_automations()
        if not names or any(is_trigger_of(one.automation, deployment.name) for deployment in found)
    ]
    named = {one.spec.pool for one in found} if names else None
    pools = [
        pool
        for pool in pool_store(store).list_pools()
        if pool != WorkPool(name=DEFAULT_POOL) and (named is None or pool.name in named)
    ]
    return content_of(found, automations, pools)


def _asked() -> bool:
    return sys.stdin.isatty() and click.confirm("Apply this?", err=True)


def _tell(plan: Plan) -> None:
    for step in plan.steps:
        sign, colour = _SIGNS[step.action]
        name = printable(step.name if step.kind == "deployment" else f"{step.kind} {step.name}")
        click.echo(click.style(f"{sign} {name}", fg=colour or None) + f"  {printable(step.words)}")
        for line in change_lines(step.changes):
            click.echo(f"  {line}")
        for warning in step.warnings:
            click.echo(f"  ! {printable(warning)}")
    counts = {action: sum(step.action == action for step in plan.steps) for action in _SIGNS}
    words = {"create": "to create", "change": "to change", "delete": "to delete", "unchanged": "unchanged"}
    parts = [f"{number} {words[action]}" for action, number in counts.items() if number]
    click.echo(f"{printable(plan.file)}: {', '.join(parts) or 'nothing'}.")


def _document(plan: Plan, is_applied: bool) -> dict[str, object]:
    steps = [
        {
            "kind": step.kind,
            "name": step.name,
            "action": step.action,
            "changes": step.changes,
            "warnings": step.warnings,
        }
        for step in plan.steps
    ]
    return {"file": plan.file, "is_applied": is_applied, "steps": steps}
