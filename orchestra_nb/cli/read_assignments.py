"""Options that are given as NAME=VALUE, where the value is YAML: a number, a text, a list, a mapping."""

from __future__ import annotations

from collections.abc import Sequence

import click


def read_assignments(texts: Sequence[str], option: str) -> dict[str, object]:
    """Return name to value; ``A.B=VALUE`` is the entry B of the mapping A."""
    if not texts:
        return {}
    import yaml

    found: dict[str, object] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise click.UsageError(f"{option} {text!r}: write NAME=VALUE.")
        try:
            meant: object = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # 2026-02-30 looks like a date
            meant = value
        first, _, second = name.strip().partition(".")
        if second:
            inner = found.setdefault(first, {})
            if not isinstance(inner, dict):
                raise click.UsageError(f"{option} {text!r}: {first} is given as a whole, too.")
            inner[second] = meant
        else:
            found[first] = meant
    return found
