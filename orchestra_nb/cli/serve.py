"""``orchestra serve``: run deployments, and keep ready what commands need."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

import click

from orchestra_nb.errors import StoreReadOnly, StoreTooNew
from orchestra_nb.settings import Settings, load_settings

_READY_SECONDS = 30.0


@click.command()
@click.option("--pool", "pools", multiple=True, help="A pool whose runs are started here; may be given several times.")
@click.option("--runs", type=click.IntRange(min=1), help="How many runs go on here at a time.")
@click.option(
    "--commands/--no-commands", "has_commands", default=True, help="Whether `orchestra run` is kept warm (on Linux)."
)
@click.option("--with-keeper", "is_kept", is_flag=True, hidden=True)
@click.option("--only-commands", "is_for_commands", is_flag=True, hidden=True)
def serve(pools: tuple[str, ...], runs: int | None, has_commands: bool, is_kept: bool, is_for_commands: bool) -> None:
    """Run deployments when they are due, until Ctrl-C or SIGTERM.

    It starts the runs of schedules and those that wait, retries what failed as its deployment says, and finds what
    died. Any number of services may share a store.

    While it runs on Linux, `orchestra run` in the same Python environment starts in a tenth of the time, too.
    """
    if is_for_commands:  # the process that it keeps beside it
        from orchestra_nb.cli.command_service import serve_commands

        sys.exit(serve_commands())
    overrides: dict[str, object] = {}
    if pools:
        overrides["service_pools"] = ",".join(pools)
    if runs is not None:
        overrides["service_runs"] = runs
    settings = load_settings(overrides)
    _show_warnings()
    with contextlib.ExitStack() as stack:
        stop, hurry = threading.Event(), threading.Event()
        stack.enter_context(_stopped_by_signals(stop, hurry))
        if is_kept:
            _serve_keeper(settings, stop, hurry)
            return
        is_quick = has_commands and sys.platform == "linux" and _keep_commands_ready(stack)
        _serve(settings, stop, hurry, is_quick)


def _serve_keeper(settings: Settings, stop: threading.Event, hurry: threading.Event) -> None:
    """Serve for whoever started this process, and no longer than that lives: its end of stdin is the lifeline."""
    from orchestra_nb.operations.service_process import serve_deployments
    from orchestra_nb.services.kept_process import USELESS_EXIT_CODE

    # taken from their places, so that nothing that is started here reads the one or fills the other
    lifeline, keeper = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)

    def watch() -> None:
        while os.read(lifeline, 1024):
            pass
        stop.set()

    def ready() -> None:
        with contextlib.suppress(OSError):  # it has died
            os.write(keeper, b"ready\n")
        os.close(keeper)

    threading.Thread(target=watch, name="orchestra-lifeline", daemon=True).start()
    try:
        serve_deployments(settings, stop, hurry, ready)
    except (StoreReadOnly, StoreTooNew) as error:
        click.echo(f"Services do not run: {error}", err=True)
        sys.exit(USELESS_EXIT_CODE)


def _serve(settings: Settings, stop: threading.Event, hurry: threading.Event, is_quick: bool) -> None:
    from orchestra_nb.operations.opening import open_store
    from orchestra_nb.operations.service_process import pools_of, serve_deployments

    def ready() -> None:
        location = open_store(settings).database.location
        what = f"deployments in pool {', '.join(pools_of(settings))} of {location} run when they are due"
        more = ", and `orchestra run` starts at once" if is_quick else ""
        click.echo(f"Ready: {what}{more}. Ctrl-C ends this.", err=True)

    serve_deployments(settings, stop, hurry, ready)


def _keep_commands_ready(stack: contextlib.ExitStack) -> bool:
    """Keep the process beside this one that commands find; False where there is one already."""
    from orchestra_nb.services.command_socket import is_served
    from orchestra_nb.services.kept_process import KeptProcess

    if is_served():
        return False
    # started as this one was, so that it is what callers of this form look for
    own_words = len(sys.argv) - 1
    command = [*sys.orig_argv[: len(sys.orig_argv) - own_words], "serve", "--only-commands"]
    kept = KeptProcess("service for commands", command)
    stack.callback(kept.close)
    return kept.wait_until_ready(_READY_SECONDS)


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event, hurry: threading.Event) -> Iterator[None]:
    def take(number: int, frame: object) -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    before = {number: signal.signal(number, take) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_warnings() -> None:
    """Show what services say, with the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("orchestra_nb")
    logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
