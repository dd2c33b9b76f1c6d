"""What ``--json`` prints: one document on stdout."""

from __future__ import annotations

import click
import msgspec

from orchestra_nb.operations.json_encoding import encode_json


def print_json(document: object) -> None:
    """Print a record, or containers of records, as one indented JSON document."""
    click.echo(msgspec.json.format(encode_json(document), indent=2).decode())
