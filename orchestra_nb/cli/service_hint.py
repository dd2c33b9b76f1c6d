"""A hint for whoever makes runs that nobody starts."""

from __future__ import annotations

import click


def say_if_unserved(has_service: bool) -> None:
    """Say on stderr that no service is up, and how one is started."""
    if not has_service:
        click.echo("No service is up that starts its runs: `orchestra serve` starts one.", err=True)
