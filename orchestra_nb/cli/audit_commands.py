"""``orchestra audit``: who changed what, when, from where, and how it ended."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, opened_store
from orchestra_nb.cli.run_tables import ago, print_table, say_if_cut
from orchestra_nb.cli.times import as_time
from orchestra_nb.model.audit import AuditEntry, Outcome, Via
from orchestra_nb.operations.audit_trail import MAX_ENTRIES, list_audit


@click.group()
def audit() -> None:
    """Show who changed what, when, from where, and how it ended.

    Calls of the REST API, commands, automations and the like are noted, never what was said in them.
    """


@audit.command("list")
@click.option("--actor", metavar="WHO", help="Only by this one: 'user alice', 'token ci', 'command line of bob' …")
@click.option("--action", metavar="WHAT", help="Only this: cancel_run, deploy …")
@click.option("--about", "area", metavar="KIND", help="Only to something of this kind: runs, deployments, secrets …")
@click.option("--target", metavar="NAME", help="Only to what was named so, or a part of it.")
@click.option("--via", type=click.Choice([str(one) for one in Via]), help="Only by this way.")
@click.option("--outcome", type=click.Choice([str(one) for one in Outcome]), help="Only what ended so.")
@click.option("--since", callback=as_time, metavar="TIME", help="Only what was done since: 2026-01-31, 12h, 7d …")
@click.option("--before", type=click.IntRange(min=1), metavar="NUMBER", help="Only entries before this one.")
@click.option("--limit", type=click.IntRange(1, MAX_ENTRIES), default=20, show_default=True, help="At most so many.")
@as_json_option
def list_(
    actor: str | None,
    action: str | None,
    area: str | None,
    target: str | None,
    via: str | None,
    outcome: str | None,
    since: datetime | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List entries, the newest first."""
    with opened_store() as store:
        entries, following = list_audit(
            store,
            before=before,
            limit=limit,
            actor=actor,
            action=action,
            area=area,
            target=target,
            via=None if via is None else Via(via),
            outcome=None if outcome is None else Outcome(outcome),
            since=since,
        )
    if as_json:
        print_json({"entries": entries, "next": following})
    elif entries:
        now = datetime.now(UTC)
        print_table(("WHEN", "WHO", "FROM", "DID", "TO", "OUTCOME"), [_row(entry, now) for entry in entries])
        say_if_cut(following is not None, limit, MAX_ENTRIES)
    elif any([actor, action, area, target, via, outcome, since, before]):
        click.echo("No entry is like that. `orchestra audit list` lists all entries.")
    else:
        click.echo("No entries yet: nobody has changed anything.")


# what other lists are called by
audit.add_command(list_, "ls")


def _row(entry: AuditEntry, now: datetime) -> list[str]:
    return [
        ago(entry.at, now),
        entry.actor,
        entry.origin or "-",
        entry.action,
        f"{entry.area} {entry.target}".strip(),
        entry.outcome if not entry.code else f"{entry.outcome}: {entry.code}",
    ]
