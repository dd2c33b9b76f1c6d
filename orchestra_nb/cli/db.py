"""``orchestra db``: looks after the store."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, opened_store
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
    "drivers": ("driver", ""),
    "results": ("cached result", ""),
    "deployment_versions": ("version of a deployment", "versions of deployments"),
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
@as_json_option
def clean(
    is_dry_run: bool, keep_runs: float | None, keep_logs: float | None, keep_results: float | None, as_json: bool
) -> None:
    """Delete now what is too old, which a service does hourly.

    Runs that are open, that have an open dead letter or wait for a retry stay, and so does the newest run of each flow
    and of each deployment.
    """
    from orchestra_nb.operations.store_cleaning import clean_store
    from orchestra_nb.settings import load_settings

    given = {"keep_runs_days": keep_runs, "keep_logs_days": keep_logs, "keep_results_days": keep_results}
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


def _lines(cleaned: Cleaned) -> list[str]:
    lines = []
    for name, (noun, plural) in _NOUNS.items():
        if number := getattr(cleaned, name):
            size = f" ({format_bytes(cleaned.file_bytes)})" if name == "files" else ""
            lines.append(counted(number, noun, plural) + size)
    return lines
