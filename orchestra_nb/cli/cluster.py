"""``orchestra cluster``: show, start or stop the local Dask cluster."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.engine.local_cluster import (
    LocalCluster,
    ensure_local_cluster,
    local_cluster_status,
    stop_local_cluster,
)
from orchestra_nb.model.counted import counted
from orchestra_nb.settings import load_settings

_as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group()
def cluster() -> None:
    """Show, start or stop the local Dask cluster.

    The first task starts it; it ends when it has been idle for a while.
    """


@cluster.command()
@_as_json_option
def status(as_json: bool) -> None:
    """Show the local cluster, if it runs."""
    _print(local_cluster_status(), as_json)


@cluster.command()
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes. Default: ORCHESTRA_CLUSTER_WORKERS.")
@_as_json_option
def start(workers: int | None, as_json: bool) -> None:
    """Start the local cluster, unless it runs."""
    settings = load_settings()
    running = local_cluster_status()
    if running is not None and workers not in (None, len(running.workers)):
        click.echo(
            f"The local cluster runs already, with {counted(len(running.workers), 'worker')}. To change that: "
            "`orchestra cluster stop`, then start it again.",
            err=True,
        )
    found = ensure_local_cluster(workers or settings.cluster_workers, settings.cluster_idle_seconds)
    _print(found, as_json)


@cluster.command()
@_as_json_option
def stop(as_json: bool) -> None:
    """End the local cluster and all that runs on it."""
    was_running = stop_local_cluster()
    if as_json:
        print_json({"stopped": was_running})
    else:
        click.echo("The local cluster has ended." if was_running else "The local cluster was not running.")


def _print(found: LocalCluster | None, as_json: bool) -> None:
    if as_json:
        print_json(_document(found))
    elif found is None:
        click.echo("The local cluster is not running. The first task starts it, or `orchestra cluster start`.")
    else:
        click.echo(
            f"The local cluster runs at {found.address} with {counted(len(found.workers), 'worker')}, "
            f"process {found.pid}.\nIt ends when it has been idle for {found.idle_seconds:g} s. "
            f"Its log is {found.log_path}."
        )


def _document(found: LocalCluster | None) -> dict[str, object]:
    """Return what scripts get: no certificate and no key."""
    if found is None:
        return {"running": False}
    return {
        "running": True,
        "address": found.address,
        "pid": found.pid,
        "started_at": datetime.fromtimestamp(found.process_started_at, UTC),
        "idle_seconds": found.idle_seconds,
        "python": found.python,
        "version": found.version,
        "workers": [{"name": worker.name, "pid": worker.pid} for worker in found.workers],
        "log": found.log_path,
    }
