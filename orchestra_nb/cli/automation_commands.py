"""``orchestra automations``: when this happens, do that."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.command_audit import has_changed
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, print_table, printable
from orchestra_nb.cli.service_hint import say_if_unserved
from orchestra_nb.cli.times import as_time
from orchestra_nb.errors import NameTaken
from orchestra_nb.model.automation_decisions import Firing
from orchestra_nb.model.automation_log import FiringState, LoggedFiring
from orchestra_nb.model.automations import Action, CallWebhook
from orchestra_nb.model.counted import counted
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.webhook_calls import call_lines
from orchestra_nb.operations import automations as operations
from orchestra_nb.operations.automation_form import action_form
from orchestra_nb.operations.automation_words import action_words
from orchestra_nb.operations.service_presence import is_served
from orchestra_nb.settings import load_settings
from orchestra_nb.time_zones import time_text

_name_argument = click.argument("name")
_TRIED: Final = timedelta(days=7)
#: Click keeps the lines of a paragraph that begins with this.
_EXAMPLE: Final = """\b
A file, in which all but name, when and do may be left out:
  automations:
    - name: refill-when-empty
      when: {success: load}          # or: {state: FAILED, flow: etl}
                                     #     {event: orders.*}
                                     #     {file: "s3://incoming/*.csv"}
                                     #     {absent: {success: load}, within: 26h}
                                     #     {count: 3, of: {state: CRASHED}, within: 10m}
      if: rows == 0                  # what the run returned; run, event, file
      do:
        - run: refill                # or: pause, resume, move, cancel, retry, emit,
                                     #     call_webhook
          parameters: {day: "{{ day }}"}
        - notify: chat
          title: "{{ run.name }} found no rows"
"""


@click.group()
def automations() -> None:
    """When this happens, do that: make automations, see what they did, and try them on what happened.

    They act while a server or `orchestra serve` runs.
    """


@automations.command(epilog=_EXAMPLE)
@click.option("-f", "--file", "path", required=True, metavar="FILE", help="A YAML file with a list of automations.")
@click.option("--overwrite", is_flag=True, help="Replace automations that exist.")
@as_json_option
def create(path: str, overwrite: bool, as_json: bool) -> None:
    """Make the automations of FILE; they look at what happens from now on.

    `orchestra automations test NAME` shows then what one would have done about what happened.
    """
    with opened_backend() as backend:
        try:
            made = backend.call(
                operations.create_automations, path, load_settings(), may_replace=overwrite, now=datetime.now(UTC)
            )
        except NameTaken as error:
            raise NameTaken(f"{error} Pass --overwrite to replace what is there.") from None
        has_changed(("replace_automation" if overwrite else "create_automation", one.name) for one in made)
        has_service = backend.call(is_served)
    if as_json:
        print_json({"automations": made})
        return
    for one in made:
        click.echo(f"{printable(one.name)}  {one.outcome}")
        for warning in one.warnings:
            click.echo(f"{printable(one.name)}: {printable(warning)}", err=True)
    say_if_unserved(has_service)


@automations.command("ls")
@as_json_option
def list_(as_json: bool) -> None:
    """List automations by name, each with what it did last."""
    with opened_backend() as backend:
        found = backend.call(operations.list_automations)
    if as_json:
        print_json({"automations": [_summary_document(one) for one in found]})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("NAME", "WHEN", "IF", "DO", "LAST"),
            [
                [
                    one.name,
                    one.when,
                    one.condition or "-",
                    one.do,
                    "paused" if not one.is_active else one.problem or _last_words(one.last_firing, now),
                ]
                for one in found
            ],
        )
    else:
        click.echo("No automations yet. `orchestra automations create -f FILE` makes those of a file.")


@automations.command()
@_name_argument
@click.option("--limit", type=click.IntRange(1, operations.MAX_FIRINGS), default=20, show_default=True)
@as_json_option
def show(name: str, limit: int, as_json: bool) -> None:
    """Show an automation, and what it did or why it did not, the newest first."""
    with opened_backend() as backend:
        details = backend.call(operations.show_automation, name, limit=limit)
    if as_json:
        document = msgspec.structs.asdict(details)
        print_json({**document, "firings": [_logged_document(firing) for firing in details.firings]})
        return
    import yaml

    now = datetime.now(UTC)
    click.echo(f"{printable(details.name)}  {'active' if details.is_active else 'paused'}: {printable(details.when)}\n")
    click.echo(printable(yaml.safe_dump(details.form, sort_keys=False, allow_unicode=True, width=100)))
    if details.next_at is not None:
        click.echo(f"Next: {time_text(details.next_at)}, if nothing happens before.\n")
    for watch in details.watches:
        if watch.problem_since is not None:
            click.echo(f"✕ {printable(watch.problem)}  Since {time_text(watch.problem_since)}.\n")
    for firing in details.firings:
        click.echo(f"{ago(firing.decided_at, now):>10}  {firing.state.value.lower()}  {printable(firing.about)}")
        if firing.message:
            click.echo(f"{'':12}{printable(firing.message)}")
        for action in firing.actions:
            sign = {None: "…", True: "✓", False: "✕"}[action.is_done]
            click.echo(f"{'':12}{sign} {printable(action.outcome or action_words(action.action))}")
    if not details.firings:
        click.echo("It has not acted yet.")


@automations.command()
@_name_argument
@as_json_option
def pause(name: str, as_json: bool) -> None:
    """Have an automation rest."""
    with opened_backend() as backend:
        automation = backend.call(operations.pause_automation, name, datetime.now(UTC))
    _tell(automation.name, "rests", {"name": name, "is_active": False}, as_json)


@automations.command()
@_name_argument
@as_json_option
def resume(name: str, as_json: bool) -> None:
    """Have an automation look at what happens from now on."""
    with opened_backend() as backend:
        automation = backend.call(operations.resume_automation, name, datetime.now(UTC))
    _tell(automation.name, "looks at what happens from now on", {"name": name, "is_active": True}, as_json)


@automations.command()
@_name_argument
@as_json_option
def delete(name: str, as_json: bool) -> None:
    """Delete an automation, with the log of what it did."""
    with opened_backend() as backend:
        backend.call(operations.delete_automation, name)
    _tell(name, "is no more", {"deleted": name}, as_json)


@automations.command()
@_name_argument
@click.option("--since", callback=as_time, metavar="TIME", help="2026-01-31, 12h, 7d … Default: 7d.")
@as_json_option
def test(name: str, since: datetime | None, as_json: bool) -> None:
    """Show what an automation would have done about what happened since then. Nothing is done."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        trial = backend.call(
            operations.try_automation, name, since=since or now - _TRIED, now=now, settings=load_settings()
        )
    if as_json:
        print_json(
            {
                "automation": trial.automation,
                "since": trial.since,
                "until": trial.until,
                "looked_at": trial.looked_at,
                "firings": [_planned_document(firing) for firing in trial.firings],
                "is_cut": trial.is_cut,
                "files": trial.files,
            }
        )
        return
    for firing in trial.acts:
        click.echo(f"{time_text(firing.at)}  {printable(firing.about)}")
        if firing.refusal:
            click.echo(f"{'':21}✕ {printable(firing.refusal)}")
        for line in (line for action in firing.actions for line in _whole_lines(action)):
            click.echo(f"{'':21}{printable(line)}".rstrip())
    for found in trial.files:
        click.echo(_found_words(found))
    counts = Counter(firing.is_met for firing in trial.firings)
    since_text = time_text(trial.since)
    click.echo(
        f"Since {since_text} it would have looked at {counted(trial.looked_at, 'thing')} and acted "
        f"{counted(sum(not firing.refusal for firing in trial.acts), 'time')}."
        + (f" Its condition did not hold {counted(counts[False], 'time')}." if counts[False] else "")
    )
    if trial.is_cut:
        click.echo(f"More has happened. To go on from there: --since {trial.until.isoformat()}", err=True)


def _whole_lines(action: Action) -> list[str]:
    """Return what an action does, with all that it says."""
    if isinstance(action, CallWebhook):
        first, *more_lines = call_lines(action)
        return [f"call {first}", *(f"  {line}" for line in more_lines)]
    more = dict(list(action_form(action).items())[1:])
    return [action_words(action) + (f"  {json.dumps(to_readable(more), ensure_ascii=False)}" if more else "")]


def _found_words(found: operations.FoundFiles) -> str:
    if found.count is None:
        return f"✕ {printable(found.problem)}"
    names = printable(", ".join(found.examples) + (", …" if found.count > len(found.examples) else ""))
    return f"Now there: {counted(found.count, 'file')} at {printable(found.url)}" + (f": {names}" if names else ".")


def _last_words(firing: LoggedFiring | None, now: datetime) -> str:
    if firing is None:
        return "-"
    words = firing.state.value.lower() if firing.state is not FiringState.DONE else "acted"
    return f"{words} {ago(firing.decided_at, now)}"


def _summary_document(summary: operations.AutomationSummary) -> dict[str, Any]:
    last = None if summary.last_firing is None else _logged_document(summary.last_firing)
    return {**msgspec.structs.asdict(summary), "last_firing": last}


def _logged_document(firing: LoggedFiring) -> dict[str, Any]:
    return {**msgspec.structs.asdict(firing), "actions": to_readable(operations.logged_actions(firing))}


def _planned_document(firing: Firing) -> dict[str, Any]:
    return {**msgspec.structs.asdict(firing), "actions": to_readable(operations.planned_actions(firing))}


def _tell(name: str, words: str, document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(f"{printable(name)} {words}.")
