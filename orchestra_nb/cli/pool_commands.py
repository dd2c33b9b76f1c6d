"""``orchestra pools``: named places to run, and what goes on in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.duration_option import DURATION
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.read_assignments import read_assignments
from orchestra_nb.cli.run_tables import ago, print_table, printable
from orchestra_nb.model.counted import counted
from orchestra_nb.model.work_pools import POOL_KINDS, WorkPool
from orchestra_nb.operations import work_pools as operations
from orchestra_nb.operations.pool_form import PoolForm, pool_form
from orchestra_nb.operations.service_presence import how_to_serve, is_served
from orchestra_nb.settings import load_settings

_F = TypeVar("_F", bound=Callable[..., object])
_name_argument = click.argument("name")


def _place_options(command: _F) -> _F:
    for option in reversed(
        (
            click.option("--description", help="What it is for."),
            click.option("--concurrency", type=int, metavar="N", help="How many of its runs go on at a time."),
            click.option(
                "--cluster", metavar="CLASS|ADDRESS", help="dask: a class by its dotted path, or tcp://HOST:PORT."
            ),
            click.option(
                "--argument", "arguments", multiple=True, metavar="NAME=VALUE", help="dask: an argument of the class."
            ),
            click.option("--minimum", type=int, metavar="N", help="dask: scale down to so many workers."),
            click.option("--maximum", type=int, metavar="N", help="dask: scale up to so many workers."),
            click.option("--idle", type=DURATION, help="dask: how long the cluster lives without a run. 5m."),
            click.option("--image", metavar="IMAGE", help="docker, kubernetes: as --job-variable image=IMAGE."),
            click.option(
                "--job-variable",
                "job_variables",
                multiple=True,
                metavar="NAME=VALUE",
                help="docker, kubernetes: what its jobs are like, such as env.NAME=VALUE or namespace=team.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group()
def pools() -> None:
    """Named places to run: a kind, limits, and the machines that serve them.

    `orchestra deploy --pool NAME` has a deployment run in one, `orchestra worker --pool NAME` serves it.
    """


@pools.command()
@_name_argument
@click.option("--kind", type=click.Choice(POOL_KINDS), default="local", show_default=True, help="What it is.")
@_place_options
@click.option("--paused", is_flag=True, help="Have its runs wait until `orchestra pools resume`.")
@as_json_option
def create(name: str, kind: str, paused: bool, as_json: bool, **options: Any) -> None:
    """Make a pool.

    \b
    orchestra pools create gpu --concurrency 2
    orchestra pools create slurm --kind dask --cluster dask_jobqueue.SLURMCluster --argument cores=8 --maximum 10
    orchestra pools create cloud --kind kubernetes --image ghcr.io/me/flows:1 --job-variable namespace=flows
    """  # noqa: D301  click reads the backspace that \b stands for
    form = msgspec.convert({"name": name, "kind": kind, "paused": paused, **_fields(options)}, PoolForm)
    with opened_backend() as backend:
        pool = backend.call(operations.create_pool, form, datetime.now(UTC))
        warning = backend.call(operations.warning_of_pool, name, load_settings())
        has_worker = backend.call(is_served, name)
    _tell(pool, f"The pool {printable(name)} is there, of the kind {pool.kind}.", as_json)
    _warn(warning)
    if not as_json and not has_worker:
        click.echo(f"Nobody serves it yet: `{how_to_serve(name)}` does.", err=True)


@pools.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List pools by name, with what goes on in them."""
    with opened_backend() as backend:
        found = backend.call(operations.list_pools, datetime.now(UTC))
    if as_json:
        print_json({"pools": found})
        return
    print_table(
        ("NAME", "KIND", "RUNNING", "DUE", "WAITING", "WORKERS", "STATE", "DESCRIPTION"),
        [
            [
                one.name,
                one.kind,
                f"{one.running}" if one.concurrency is None else f"{one.running}/{one.concurrency}",
                str(one.due),
                str(one.waiting),
                str(one.workers),
                "paused" if one.is_paused else "active",
                one.description or "-",
            ]
            for one in found
        ],
    )


@pools.command()
@_name_argument
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show a pool: its limits, who serves it, what waits and why, and what goes on."""
    now = datetime.now(UTC)
    with opened_backend() as backend:
        details = backend.call(operations.show_pool, name, now)
    if as_json:
        print_json(details)
        return
    import yaml

    summary = details.summary
    limit = "" if summary.concurrency is None else f", at most {counted(summary.concurrency, 'run')} at a time"
    click.echo(f"{printable(name)}  {'paused' if summary.is_paused else 'active'}, {summary.kind}{limit}\n")
    click.echo(printable(yaml.safe_dump(details.form, sort_keys=False, allow_unicode=True, width=100)))
    click.echo(f"Deployments: {printable(', '.join(details.deployments) or 'none')}")
    click.echo(f"Automations: {printable(', '.join(details.automations) or 'none')}\n")
    click.echo("Served by:" if details.served_by else f"Served by nobody: `{how_to_serve(name)}` serves it.")
    for worker in details.served_by:
        room = f", {counted(worker.room, 'run')} at a time" if worker.room else ""
        word = "heard of" if worker.is_up else "not heard of since"
        click.echo(
            f"  {printable(worker.name)}  {worker.kind} on {printable(worker.host)}, process {worker.pid}{room}, "
            f"{word} {ago(worker.heartbeat_at, now)}"
        )
    click.echo(f"\n{counted(summary.running, 'run')} going on, {summary.waiting} waiting, {summary.due} of them due.")
    for run in details.running:
        click.echo(f"  {printable(run.name)}  {run.state.lower()}  {printable(run.deployment or '-')}")
    for run in details.waiting:
        click.echo(f"  {printable(run.name)}  {printable(run.deployment or '-')}  {printable(run.reason)}")


@pools.command()
@_name_argument
@_place_options
@as_json_option
def update(name: str, as_json: bool, **options: Any) -> None:
    """Change what a pool says; what goes on in it goes on as it began.

    `--job-variable NAME=` takes a variable away, `--concurrency -1` the limit.
    """
    changes = _fields(options)
    if changes.get("concurrency") == -1:
        changes["concurrency"] = None
    with opened_backend() as backend:
        pool = backend.call(operations.update_pool, name, changes, datetime.now(UTC))
        warning = backend.call(operations.warning_of_pool, name, load_settings())
    _tell(pool, f"The pool {printable(name)} is changed.", as_json)
    _warn(warning)


@pools.command()
@_name_argument
@as_json_option
def pause(name: str, as_json: bool) -> None:
    """Have the runs of a pool wait, due or not; what goes on goes on."""
    with opened_backend() as backend:
        pool = backend.call(operations.pause_pool, name, datetime.now(UTC))
    _tell(pool, f"The pool {printable(name)} is paused: nothing starts in it.", as_json)


@pools.command()
@_name_argument
@as_json_option
def resume(name: str, as_json: bool) -> None:
    """Have the runs of a pool start again."""
    with opened_backend() as backend:
        pool = backend.call(operations.resume_pool, name, datetime.now(UTC))
    _tell(pool, f"The pool {printable(name)} goes on.", as_json)


@pools.command()
@_name_argument
@click.option("--force", is_flag=True, help="Also while deployments name it: their runs wait then.")
@as_json_option
def delete(name: str, force: bool, as_json: bool) -> None:
    """Delete a pool; refused while deployments name it."""
    with opened_backend() as backend:
        backend.call(operations.delete_pool, name, is_forced=force)
    if as_json:
        print_json({"deleted": name})
    else:
        click.echo(f"The pool {printable(name)} is no more.")


@pools.command()
@_name_argument
@click.option("--deployment", metavar="NAME", help="Of which deployment. Default: one with no job variables.")
@as_json_option
def preview(name: str, deployment: str | None, as_json: bool) -> None:
    """Print what would be submitted for a run of a pool of the kind docker or kubernetes; submit nothing."""
    with opened_backend() as backend:
        job = backend.call(operations.shown_job, name, deployment, load_settings(), datetime.now(UTC))
    if as_json:
        print_json(job)
        return
    for note in job.notes:
        click.echo(note, err=True)
    import shlex

    variables = (f"{key}={shlex.quote(value)}" for key, value in job.environment.items())
    click.echo(" ".join([*variables, shlex.join(job.command)]))
    if job.manifest is not None:
        import yaml

        click.echo(yaml.safe_dump(job.manifest, sort_keys=False, allow_unicode=True, width=100), nl=False)


def _fields(options: dict[str, Any]) -> dict[str, object]:
    """Return the fields of a form that were given."""
    job = read_assignments(options.pop("job_variables"), "--job-variable")
    if (image := options.pop("image")) is not None:
        job["image"] = image
    arguments = read_assignments(options.pop("arguments"), "--argument")
    fields = {name: value for name, value in options.items() if value is not None}
    return fields | ({"job": job} if job else {}) | ({"arguments": arguments} if arguments else {})


def _warn(why: str | None) -> None:
    """Say on stderr why runs could not begin."""
    if why is not None:
        click.echo(f"Its runs cannot begin as it is. {why}", err=True)


def _tell(pool: WorkPool, words: str, as_json: bool) -> None:
    if as_json:
        print_json(pool_form(pool))
    else:
        click.echo(words)
