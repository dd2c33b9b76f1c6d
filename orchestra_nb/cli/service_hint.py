"""A hint for whoever makes runs that nobody starts."""

from __future__ import annotations

import click

from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.operations.service_presence import how_to_serve


def say_if_unserved(has_service: bool, pool: str = DEFAULT_POOL) -> None:
    """Say on stderr that no service is up, and how one is started; of a pool, that nobody serves it."""
    if not has_service:
        click.echo(f"No service is up that starts its runs: `{how_to_serve(pool)}` starts one.", err=True)
