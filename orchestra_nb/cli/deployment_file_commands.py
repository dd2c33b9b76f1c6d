"""``orchestra apply`` and ``orchestra export``: deployments and automations as a file says them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from orchestra_nb.cli.deployment_tables import change_lines
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller, opened_store
from orchestra_nb.cli.run_tables import printable
from orchestra_nb.cli.service_hint import say_if_unserved
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.counted import counted
from orchestra_nb.operations.automation_form import trigger_words
from orchestra_nb.operations.automations import automation_store
from orchestra_nb.operations.deployment_files import write_deployments
from orchestra_nb.operations.deployment_plan import Plan, PlanStep, apply_plan, make_plan
from orchestra_nb.operations.deployment_views import schedule_words
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.operations.service_presence import is_served
from orchestra_nb.settings import load_settings

_SIGNS = {"create": ("+", "green"), "change": ("~", "yellow"), "delete": ("-", "red"), "unchanged": ("=", "")}


@click.command()
@click.argument("file", default="orchestra.yaml", type=click.Path(path_type=str))
@click.option("--yes", "is_agreed", is_flag=True, help="Apply it without asking.")
@click.option("--prune", is_flag=True, help="Delete what is not in FILE.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would change, and change nothing.")
@as_json_option
def apply(file: str, is_agreed: bool, prune: bool, is_dry: bool, as_json: bool) -> int:
    """Show what FILE would change, and make deployments and automations as it says. Default: orchestra.yaml.

    All of FILE is checked first: where anything is wrong nothing is changed.

    Exit code: 0 done, 1 not agreed to, 2 refused, 3 something is not there.
    """
    now = datetime.now(UTC)
    with opened_store() as store:
        plan = make_plan(store, file, load_settings(), now, prune=prune)
        if not as_json:
            _tell(plan)
        is_applied = not is_dry and (is_agreed or plan.changes_nothing or (not as_json and _asked()))
        if is_applied:
            apply_plan(store, plan, actor=caller(), now=now)
        has_service = is_served(store)
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
def export(names: tuple[str, ...], output: str | None) -> None:
    """Write deployments, these or all with all automations, in the form that `orchestra apply` reads."""
    with opened_store() as store:
        found = [find_deployment(store, name) for name in names] or deployment_store(store).list_deployments()
        automations = [] if names else [one.automation for one in automation_store(store).list_automations()]
    folder = None if output is None else Path(output).absolute().parent
    text = write_deployments(found, folder, automations)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{output} cannot be written: {error.strerror}.") from None
        click.echo(f"{counted(len(found), 'deployment')} written to {printable(output)}.", err=True)


def _asked() -> bool:
    return sys.stdin.isatty() and click.confirm("Apply this?", err=True)


def _tell(plan: Plan) -> None:
    for step in plan.steps:
        sign, colour = _SIGNS[step.action]
        name = printable(step.name if step.kind == "deployment" else f"automation {step.name}")
        click.echo(click.style(f"{sign} {name}", fg=colour or None) + f"  {_what(step)}")
        for line in change_lines(step.changes):
            click.echo(f"  {line}")
    counts = {action: sum(step.action == action for step in plan.steps) for action in _SIGNS}
    words = {"create": "to create", "change": "to change", "delete": "to delete", "unchanged": "unchanged"}
    parts = [f"{number} {words[action]}" for action, number in counts.items() if number]
    click.echo(f"{printable(plan.file)}: {', '.join(parts) or 'nothing'}.")


def _what(step: PlanStep) -> str:
    if step.action == "create" and step.prepared is not None:
        return f"create: {printable(schedule_words(step.prepared.spec))}"
    if step.action == "create" and step.automation is not None:
        return f"create: {printable(trigger_words(step.automation.trigger))}"
    return step.action


def _document(plan: Plan, is_applied: bool) -> dict[str, object]:
    steps = [
        {"kind": step.kind, "name": step.name, "action": step.action, "changes": step.changes} for step in plan.steps
    ]
    return {"file": plan.file, "is_applied": is_applied, "steps": steps}
