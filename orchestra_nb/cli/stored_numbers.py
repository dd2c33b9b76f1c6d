"""The type of numbers that the store gives out: a larger one than it can hold is refused where it is read."""

from __future__ import annotations

from typing import Final

import click

STORED_NUMBER: Final = click.IntRange(1, 2**63 - 1)
