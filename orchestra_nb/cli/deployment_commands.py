"""``orchestra deployments``: what runs by itself, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.deployment_changes import deployed_document, take_anew, take_back, tell_deployed
from orchestra_nb.cli.deployment_runs import backfill, run
from orchestra_nb.cli.deployment_tables import change_lines, print_deployments, print_details, print_versions
from orchestra_nb.cli.given_parameters import parameter_options
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.parameter_hints import ParametersCommand
from orchestra_nb.cli.run_tables import printable
from orchestra_nb.cli.stored_numbers import STORED_NUMBER
from orchestra_nb.model.counted import counted
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.notebooks.parameter_flags import GivenParameters
from orchestra_nb.operations import deployments as operations
from orchestra_nb.operations.deployment_versions import list_version_views
from orchestra_nb.operations.deployment_views import list_deployments, show_deployment
from orchestra_nb.settings import load_settings

_name_argument = click.argument("name")


@click.group()
def deployments() -> None:
    """List, show, update, pause, resume, roll back and delete deployments, and run them."""


deployments.add_command(run)
deployments.add_command(backfill)


@deployments.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List deployments by name, with when they are due next."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        found = backend.call(list_deployments, now)
    if as_json:
        print_json({"deployments": to_readable(msgspec.to_builtins(found))})
    elif found:
        print_deployments(found, now)
    else:
        click.echo("No deployments yet. `orchestra deploy NOTEBOOK --cron '0 7 * * *'` makes one.")


@deployments.command()
@_name_argument
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show a deployment, its schedules, its next times and its last runs."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        details = backend.call(show_deployment, name, now)
    if as_json:
        times = {"fire_times": [time.at.isoformat() for time in details.fire_times]}
        print_json(to_readable(msgspec.to_builtins(details) | times))
    else:
        print_details(details, now)


@deployments.command()
@_name_argument
@as_json_option
def versions(name: str, as_json: bool) -> None:
    """List the versions of a deployment, the newest first; also of one that was deleted."""
    with opened_backend() as backend:
        found = backend.call(list_version_views, name)
    if as_json:
        documents = [
            {
                "version": one.version,
                "is_present": one.version == found.present,
                "created_at": one.created_at,
                "created_by": one.created_by,
                "note": one.note,
                "spec": to_readable(one.spec),
            }
            for one in found.versions
        ]
        print_json({"versions": documents})
    else:
        print_versions(found.versions, found.present, datetime.now(UTC))


@deployments.command(cls=ParametersCommand)
@_name_argument
@parameter_options
@click.option("--note", default="", help="Why this version is made.")
@as_json_option
def update(name: str, given: GivenParameters, note: str, as_json: bool) -> None:
    """Take the notebook of a deployment as it is now, and leave all else as it is; -p changes single parameters."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        done = backend.call(
            take_anew,
            name,
            load_settings(),
            actor=caller(),
            now=now,
            parameters=given.values,
            parameter_texts=given.texts,
            note=note,
        )
    if as_json:
        print_json(deployed_document(done))
    else:
        tell_deployed(done)


@deployments.command()
@_name_argument
@as_json_option
def pause(name: str, as_json: bool) -> None:
    """Have a deployment's schedules rest; it can be run by hand nevertheless."""
    with opened_backend() as backend:
        backend.call(operations.pause_deployment, name, datetime.now(UTC))
    if as_json:
        print_json({"name": name, "is_paused": True})
    else:
        click.echo(f"The schedules of {printable(name)} rest until `orchestra deployments resume {printable(name)}`.")


@deployments.command()
@_name_argument
@as_json_option
def resume(name: str, as_json: bool) -> None:
    """Have a deployment's schedules go on from now; what was due meanwhile is left to `backfill`."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        backend.call(operations.resume_deployment, name, now)
        times = backend.call(show_deployment, name, now).fire_times[:1]
    if as_json:
        print_json({"name": name, "is_paused": False, "fire_times": [time.at.isoformat() for time in times]})
    else:
        due = f"due next on {times[0].words}" if times else "not due any more"
        click.echo(f"{printable(name)} is {due}.")


@deployments.command()
@_name_argument
@click.option("--to", "version", type=STORED_NUMBER, metavar="VERSION", help="Which version. Default: the one before.")
@as_json_option
def rollback(name: str, version: int | None, as_json: bool) -> None:
    """Have a deployment say again what it said in an earlier version."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        done = backend.call(take_back, name, version, now)
    if as_json:
        print_json(deployed_document(done))
    elif done.outcome == "unchanged":
        click.echo(f"{printable(name)} is at version {done.details.version} already.")
    else:
        click.echo(f"{printable(name)} is at version {done.details.version} again:")
        click.echo("\n".join(change_lines(done.changes)))


@deployments.command()
@_name_argument
@as_json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a deployment, and cancel its runs that wait; its other runs and its versions stay."""
    with opened_backend() as backend:
        cancelled = backend.call(operations.delete_deployment, name, actor=caller(), now=datetime.now(UTC))
    if as_json:
        print_json({"deleted": name, "cancelled": cancelled})
    else:
        waiting = f" {counted(cancelled, 'run')} that waited {'was' if cancelled == 1 else 'were'} cancelled."
        click.echo(f"{printable(name)} is deleted.{waiting if cancelled else ''}")
