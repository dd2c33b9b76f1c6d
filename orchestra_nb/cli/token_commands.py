"""``orchestra tokens``: tokens for the REST API, each with what it may do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.duration_option import DURATION
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_tables import ago, print_table, printable
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.api_tokens import ApiToken
from orchestra_nb.model.durations import parse_duration
from orchestra_nb.operations import api_tokens as operations
from orchestra_nb.time_zones import here, time_text


@click.group()
def tokens() -> None:
    """Let programs use the REST API of a Jupyter server with the extension: remote workers, scripts, dashboards.

    A program sends its token as `Authorization: Bearer orc_…`. Scopes: runs:read, metrics:read, runs:write,
    worker (all pools), worker:POOL, secrets, admin.
    """


def _as_expiry(ctx: click.Context, param: click.Parameter, value: str) -> timedelta | None:
    if value.strip().lower() == "never":
        return None
    try:
        duration = timedelta(seconds=parse_duration(value))
        datetime.now(UTC) + duration  # a time that no calendar has
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{error} Or write never.", ctx, param) from None
    return duration


@tokens.command()
@click.option("--name", required=True, help="What people call it: who uses it, or for what.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it may do; may be given several times: runs:read, metrics:read, runs:write, worker, worker:POOL, "
    "secrets, admin.",
)
@click.option(
    "--expires",
    default="90d",
    show_default=True,
    callback=_as_expiry,
    type=DURATION,
    help="After how long it opens nothing any more: 12h, 90d, or never.",
)
@click.option(
    "--for",
    "owner",
    metavar="USER",
    help="The user for whom it acts: it sees what they see, and what it makes is theirs. Default: a user of its own.",
)
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file that gets the text, for you alone to read; without it the text is printed.",
)
@as_json_option
def create(
    name: str,
    scopes: tuple[str, ...],
    expires: timedelta | None,
    owner: str | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """Make a token, and print its text: once, and never again."""
    now = datetime.now(UTC)
    expires_at = None if expires is None else now + expires
    with _private_file(path) as file, opened_backend() as backend:
        token, text = backend.call(
            operations.create_token, name, scopes, expires_at=expires_at, actor=caller(), now=now, owner=owner
        )
        absent = backend.call(operations.absent_pools, token)
        if file is not None:
            file.write(f"{text.get()}\n")
    for pool in absent:
        click.echo(f"There is no pool {printable(repr(pool))} yet: `orchestra pools ls` lists them.", err=True)
    if as_json:
        where = {"token": text.get()} if path is None else {"token_file": str(path)}
        print_json({**where, **_document(token)})
        return
    if path is None:
        click.echo(text.get())
    kept = "Keep it now" if path is None else f"It is in {printable(str(path))}, which you alone can read"
    until = "never" if expires_at is None else f"at {time_text(expires_at)}"
    whose = "" if token.owner is None else f" for {printable(token.owner)}"
    click.echo(
        f"{kept}: it is not shown again. It may {', '.join(token.scopes)}{whose}, and expires {until}.", err=True
    )


@tokens.command()
@click.option("--all", "has_revoked", is_flag=True, help="Also those that were revoked.")
@as_json_option
def ls(has_revoked: bool, as_json: bool) -> None:
    """List tokens by name, without their texts."""
    with opened_backend() as backend:
        found = backend.call(operations.list_tokens, has_revoked=has_revoked)
    if as_json:
        print_json({"tokens": [_document(token) for token in found]})
    elif found:
        now = datetime.now(UTC)
        has_owners = any(token.owner is not None for token in found)
        rows = [
            [
                token.name,
                *([token.owner or ""] if has_owners else ()),
                " ".join(token.scopes),
                _expiry(token, now),
                "never" if token.last_used_at is None else ago(token.last_used_at, now),
                ago(token.created_at, now),
            ]
            for token in found
        ]
        head = ("NAME", *(("FOR",) if has_owners else ()), "SCOPES", "EXPIRES", "LAST USED", "CREATED")
        print_table(head, rows)
    else:
        click.echo("No tokens yet. `orchestra tokens create --name NAME --scope runs:read` makes one.")


@tokens.command()
@click.argument("name")
@as_json_option
def revoke(name: str, as_json: bool) -> None:
    """Have a token, by its name or id, open nothing from now on."""
    with opened_backend() as backend:
        token = backend.call(operations.revoke_token, name, actor=caller(), now=datetime.now(UTC))
    if as_json:
        print_json({"revoked": token.name, "token_id": token.token_id})
    else:
        click.echo(f"{printable(token.name)} opens nothing any more.")


@contextmanager
def _private_file(path: Path | None) -> Iterator[IO[str] | None]:
    """Make a file for this user alone, and take it away again where what it is for does not come about.

    Raises
    ------
    InvalidInput
        It is there already, or cannot be made.
    """
    if path is None:
        yield None
        return
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except FileExistsError:
        raise InvalidInput(f"{path} is there already. Name another file, or delete it first.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _expiry(token: ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is None:
        return "never"
    return f"{here(token.expires_at):%Y-%m-%d}" if now < token.expires_at else "expired"


def _document(token: ApiToken) -> dict[str, object]:
    fields = msgspec.to_builtins(token)
    assert isinstance(fields, dict)
    return fields
