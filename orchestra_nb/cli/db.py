"""``orchestra db``: looks after the store."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.check_lines import print_checks
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, opened_store
from orchestra_nb.cli.run_tables import ago
from orchestra_nb.model.byte_sizes import format_bytes
from orchestra_nb.model.counted import counted
from orchestra_nb.model.retention import Cleaned

#: Field of :class:`Cleaned` to what one of them is called, and many.
_NOUNS = {
    "runs": ("run", ""),
    "log_lines": ("log line", ""),
    "changes": ("notice of a change", "notices of changes"),
    "events": ("event", ""),
    "artifacts": ("artifact", ""),
    "materializations": ("materialization", ""),
    "dead_letters": ("closed dead letter", ""),
    "notifications": ("closed notification", ""),
    "automation_firings": ("thing that an automation did", "things that automations did"),
    "drivers": ("driver", ""),
    "results": ("cached result", ""),
    "deployment_versions": ("version of a deployment", "versions of deployments"),
    "kept_answers": ("answer that was kept for a repeated call", "answers that were kept for repeated calls"),
    "audit_entries": ("entry of the audit trail", "entries of the audit trail"),
    "files": ("file", ""),
}


@click.group()
def db() -> None:
    """Look after the store: delete what is old, copy it, check it, make it small."""


@db.command()
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would go.")
@click.option(
    "--keep-runs", type=click.FloatRange(min=0), metavar="DAYS", help="In place of keep_runs_days; 0: for ever."
)
@click.option(
    "--keep-logs", type=click.FloatRange(min=0), metavar="DAYS", help="In place of keep_logs_days; 0: as long as runs."
)
@click.option(
    "--keep-results", type=click.FloatRange(min=0), metavar="DAYS", help="In place of keep_results_days; 0: for ever."
)
@click.option(
    "--keep-audit", type=click.FloatRange(min=0), metavar="DAYS", help="In place of keep_audit_days; 0: for ever."
)
@as_json_option
def clean(
    is_dry_run: bool,
    keep_runs: float | None,
    keep_logs: float | None,
    keep_results: float | None,
    keep_audit: float | None,
    as_json: bool,
) -> None:
    """Delete now what is too old, which a service does hourly.

    Runs that are open, that have an open dead letter or wait for a retry stay, and so does the newest run of each flow
    and of each deployment.
    """
    from orchestra_nb.operations.store_cleaning import clean_store
    from orchestra_nb.settings import load_settings

    given = {
        "keep_runs_days": keep_runs,
        "keep_logs_days": keep_logs,
        "keep_results_days": keep_results,
        "keep_audit_days": keep_audit,
    }
    settings = load_settings({name: days for name, days in given.items() if days is not None})
    with opened_store() as store:
        cleaned = clean_store(store, settings, datetime.now(UTC), is_dry_run=is_dry_run)
    if as_json:
        print_json({"is_dry_run": is_dry_run, "cleaned": cleaned})
    elif not cleaned:
        click.echo("Nothing is too old.")
    else:
        click.echo("Would be deleted:" if is_dry_run else "Deleted:")
        for line in _lines(cleaned):
            click.echo(f"  {line}")


@db.command()
@as_json_option
def status(as_json: bool) -> None:
    """Show where the store is, how large it is, and whether it is of this version. Changes nothing."""
    from orchestra_nb.operations.store_upkeep import store_status
    from orchestra_nb.settings import load_settings

    now = datetime.now(UTC)
    found = store_status(load_settings(), now)
    if as_json:
        print_json(found)
        return
    size = format_bytes(found.size_bytes)
    if found.free_bytes:
        size += f", {format_bytes(found.free_bytes)} of it unused: orchestra db vacuum"
    revision = found.revision or "no tables yet"
    if not found.is_current:
        revision += f"; this Orchestra needs {found.wanted_revision}: orchestra db upgrade"
    facts = [("store", f"{found.location} ({found.kind})"), ("revision", revision), ("size", size)]
    if found.is_current:
        rows = ", ".join(f"{number:,} {name}" for name, number in found.rows.items() if number)
        facts += [
            ("rows", rows or "none"),
            ("open runs", str(found.open_runs)),
            ("services", "; ".join(found.services) or "none: orchestra serve"),
            ("cleaned", ago(found.cleaned_at, now) if found.cleaned_at else "never: orchestra db clean, or a service"),
        ]
    for name, value in facts:
        click.echo(f"{name:<10}{value}")


@db.command()
@as_json_option
def upgrade(as_json: bool) -> None:
    """Make the store, or bring its tables to this version, which whoever opens it does, too.

    A SQLite file is copied first.
    """
    from orchestra_nb.operations.store_upkeep import upgrade_store
    from orchestra_nb.settings import load_settings

    done = upgrade_store(load_settings())
    if as_json:
        print_json(done)
    elif done.before == done.after:
        click.echo(f"{done.location} is of revision {done.after} already.")
    elif done.before is None:
        click.echo(f"{done.location} was made, of revision {done.after}.")
    else:
        click.echo(f"{done.location} was brought from revision {done.before} to {done.after}.")
        if done.copy is not None:
            click.echo(f"A copy of before: {done.copy}")


@db.command()
@click.argument("file", type=click.Path())
@click.option("--force", "is_replacing", is_flag=True, help="Replace FILE where it is there.")
@as_json_option
def backup(file: str, is_replacing: bool, as_json: bool) -> None:
    """Copy a store in SQLite into FILE, whole and checked, while it is in use.

    For PostgreSQL it says which command copies the store, and ends with exit code 1.
    """
    from orchestra_nb.operations.store_upkeep import back_up_store
    from orchestra_nb.settings import load_settings

    copy = back_up_store(load_settings(), file, is_replacing=is_replacing)
    size = copy.stat().st_size
    if as_json:
        print_json({"copy": str(copy), "size_bytes": size})
    else:
        click.echo(f"{copy} ({format_bytes(size)})")


@db.command()
@click.option("--repair", "is_repairing", is_flag=True, help="Mend what can be mended, then look again.")
@as_json_option
def check(is_repairing: bool, as_json: bool) -> int:
    """Look for damage, and for what does not fit together, and say what mends it.

    Exit code 1 when something is wrong; warnings do not count. --repair ends what no process runs any more as crashed,
    what nobody would start as cancelled, and deletes what belongs to nothing.
    """
    from orchestra_nb.operations.store_upkeep import check_store, repair_store

    now = datetime.now(UTC)
    with opened_store() as store:
        mended = repair_store(store, now) if is_repairing else 0
        checks = list(check_store(store, now))
    if as_json:
        print_json({"mended": mended, "checks": checks})
    else:
        if is_repairing:
            click.echo(f"Mended: {counted(mended, 'thing')}.")
        print_checks(checks)
    return 1 if any(check.status == "fail" for check in checks) else 0


@db.command()
@as_json_option
def vacuum(as_json: bool) -> None:
    """Give back what is unused of the store.

    A SQLite file is written again: writers wait meanwhile, and as much room is needed beside it.
    """
    from orchestra_nb.operations.store_upkeep import vacuum_store

    with opened_store() as store:
        done = vacuum_store(store)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done.location}: {format_bytes(done.before_bytes)}, now {format_bytes(done.after_bytes)}.")


def _lines(cleaned: Cleaned) -> list[str]:
    lines = []
    for name, (noun, plural) in _NOUNS.items():
        if number := getattr(cleaned, name):
            size = f" ({format_bytes(cleaned.file_bytes)})" if name == "files" else ""
            lines.append(counted(number, noun, plural) + size)
    return lines
