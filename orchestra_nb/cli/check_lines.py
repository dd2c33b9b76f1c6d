"""Checks as lines: a mark, what was looked at, how it is, and below that what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestra_nb.operations.doctor import Check

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✕", "red")}


def print_checks(checks: Iterable[Check]) -> None:
    """Print checks as they come."""
    for check in checks:
        mark, colour = _MARKS[check.status]
        click.echo(f"{click.style(f'{mark} {check.status:<4}', fg=colour)}  {check.name}: {check.detail}")
        if check.remedy:
            click.echo(f"         {check.remedy}")
