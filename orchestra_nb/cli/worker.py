"""``orchestra worker``: start the runs of work pools, on any machine that reaches the store, or a server before it."""

from __future__ import annotations

import os
import shlex
import socket
import threading
from pathlib import Path

import click

from orchestra_nb.cli.server_choice import TOKEN_VARIABLE, token_of_file
from orchestra_nb.cli.stop_signals import stopped_by_signals
from orchestra_nb.errors import InvalidSetting, ScopeMissing, TokenRefused
from orchestra_nb.model.api_tokens import PREFIX, Scope
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import check_name
from orchestra_nb.services.service_log import show_service_log
from orchestra_nb.settings import Settings, load_settings


@click.command()
@click.option("--pool", "pools", multiple=True, required=True, help="A pool to serve; may be given several times.")
@click.option("--runs", type=click.IntRange(min=1), help="How many runs go on here at a time.")
@click.option(
    "--server",
    envvar="ORCHESTRA_API_URL",
    metavar="URL",
    help="The base URL of a Jupyter server with the extension: runs come from there, and no access to the store is "
    "needed. As ORCHESTRA_API_URL.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A file with the token for the server, made by `orchestra tokens create`; else it is in {TOKEN_VARIABLE}.",
)
@click.option("--name", help="What people call this worker; the machine's name without it.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where runs of a server go on whose own folders this machine does not have; the current one without it.",
)
def worker(
    pools: tuple[str, ...],
    runs: int | None,
    server: str | None,
    token_file: Path | None,
    name: str | None,
    folder: Path | None,
) -> None:
    """Start the runs of work pools when they are due, until Ctrl-C or SIGTERM.

    It does that part of `orchestra serve` alone: no schedules, no automations, no notifications. Somewhere a service
    does these. Any number of workers may serve a pool.

    With --server it reaches the store over HTTP alone: it needs outgoing calls, and no more.
    """
    given = {"--token-file": token_file, "--folder": folder}
    if server is None and (alone := [option for option, value in given.items() if value is not None]):
        raise click.UsageError(f"{alone[0]} goes with --server.")
    settings = load_settings({} if runs is None else {"service_runs": runs})
    show_service_log()
    if server is None:
        _serve_store(settings, pools, name)
    else:
        token = _token(token_file)
        try:
            _serve_server(settings, pools, server, token, name, folder or Path.cwd())
        except (TokenRefused, ScopeMissing) as error:
            source = f"in {TOKEN_VARIABLE}" if token_file is None else f"of {token_file}"
            raise type(error)(_refusal(str(error), token, source, pools)) from None


def _refusal(message: str, token: Secret, source: str, pools: tuple[str, ...]) -> str:
    """Return what a server said of a token, with which one it was sent and how another one is made."""
    kind = "" if token.get().startswith(PREFIX) else f", which is none of ours: those begin with {PREFIX}"
    scopes = " ".join(shlex.join(["--scope", f"{Scope.WORKER}:{pool}"]) for pool in pools)
    return (
        f"{message} Sent was the token {source}{kind}. Where the server's store is, `orchestra tokens create "
        f"--name NAME {scopes}` makes one for this worker."
    )


def _serve_store(settings: Settings, pools: tuple[str, ...], name: str | None) -> None:
    from orchestra_nb.operations.opening import open_store
    from orchestra_nb.operations.service_process import room_of
    from orchestra_nb.operations.worker_process import serve_pools

    def ready() -> None:
        location = open_store(settings).database.location
        click.echo(
            f"Ready: runs of pool {', '.join(pools)} of {location} start when they are due. Ctrl-C ends this.", err=True
        )

    stop, hurry = threading.Event(), threading.Event()
    with stopped_by_signals(stop, hurry):
        serve_pools(
            settings,
            pools=pools,
            name=check_name(name or socket.gethostname(), "worker"),
            room=room_of(settings),
            stop=stop,
            hurry=hurry,
            on_ready=ready,
        )


def _serve_server(
    settings: Settings, pools: tuple[str, ...], url: str, token: Secret, name: str | None, folder: Path
) -> None:
    from orchestra_nb.operations.remote_worker_process import serve_remote_pools
    from orchestra_nb.operations.service_process import room_of
    from orchestra_nb.services.worker_api import WorkerApi

    api = WorkerApi(url, token)

    def ready(own_name: str) -> None:
        click.echo(
            f"Ready: worker {own_name} starts runs of pool {', '.join(pools)} of {api.location} when they are due. "
            "Ctrl-C ends this.",
            err=True,
        )

    stop, hurry = threading.Event(), threading.Event()
    with stopped_by_signals(stop, hurry):
        serve_remote_pools(
            settings,
            api,
            pools=tuple(dict.fromkeys(pools)),
            room=room_of(settings),
            name=name,
            folder=folder.resolve(),
            stop=stop,
            hurry=hurry,
            on_ready=ready,
        )


def _token(file: Path | None) -> Secret:
    """Return the token, and have no process that is started from here inherit it.

    Raises
    ------
    InvalidSetting
        There is none.
    """
    of_environment = os.environ.pop(TOKEN_VARIABLE, "")
    if file is None:
        text = of_environment
    else:
        text = token_of_file(file).get()
    if not (text := text.strip()).isascii() or not text:
        raise InvalidSetting(
            f"A token for the server is needed: `orchestra tokens create --name NAME --scope worker` makes one there. "
            f"Give it by --token-file or {TOKEN_VARIABLE}."
        )
    return Secret(text)
