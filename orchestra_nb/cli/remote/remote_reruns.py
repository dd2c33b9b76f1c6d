"""Runs that are run again, as the commands see them over a server: in the pool of their deployment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from orchestra_nb.cli.remote.remote_runs import run_asked
from orchestra_nb.errors import InvalidInput, OrchestraError, StoreUnavailable
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.rerun_forecast import NOTHING_TO_TELL, RerunForecast
from orchestra_nb.operations.run_again import UNWATCHED, Watcher
from orchestra_nb.operations.shell_reruns import Rerun

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.rest.run_endpoints import RunAgain


def retry_from_shell(
    client: Client,
    id_or_name: str,
    *,
    is_here: bool,
    actor: str,
    now: datetime,
    note: str = "",
    from_step: str | None = None,
    watcher: Watcher = UNWATCHED,
) -> Rerun:
    """Have a run wait in its pool again."""
    _check_place(is_here)
    step = {} if from_step is None else {f"from_{_kind_of_step(client, id_or_name)}": from_step}
    return Rerun(_waiting(client, client.retry_run(id_or_name, note=note, **step)), "pool")


def foresee_rerun(client: Client, id_or_name: str, from_step: str | None = None) -> RerunForecast:
    """Return what is to be known before a run is run again; nothing where it cannot be, as the retry says.

    It is advice, and stops nobody: not who may retry and not look, nor who asks a server that tells it in other words
    or not at all.

    Raises
    ------
    StoreUnavailable
        The server cannot be reached: the retry would only find that out once more.
    """
    try:
        step = {} if from_step is None else {_kind_of_step(client, id_or_name): from_step}
        outlook = client.read_resumption(id_or_name, **step)
    except StoreUnavailable:
        raise
    except OrchestraError:  # what concerns the retry, too, that says
        return NOTHING_TO_TELL
    # where there is a problem, it is told of what a command does in place of this server, or from another cell
    return NOTHING_TO_TELL if outlook.problem else outlook.forecast


def retry_letter_from_shell(
    client: Client,
    id_: str,
    *,
    is_here: bool,
    actor: str,
    now: datetime,
    note: str = "",
    watcher: Watcher = UNWATCHED,
) -> Rerun:
    """Have the run that a dead letter tells of wait in its pool again."""
    _check_place(is_here)
    return Rerun(_waiting(client, client.retry_dead_letter(id_, note=note)), "pool")


def resume_from_shell(
    client: Client,
    id_or_name: str,
    value: object = None,
    *,
    is_here: bool,
    actor: str,
    now: datetime,
    key: str | None = None,
) -> Rerun:
    """Let a paused run go on."""
    _check_place(is_here)
    resumed = client.resume_run(id_or_name, input=value, key=key)
    # one that was suspended waits for a service; one that had not left its process is paused there until that goes on
    place: Literal["pool", "its process"] = "pool" if resumed.state is State.SCHEDULED else "its process"
    return Rerun(_waiting(client, resumed), place)


def wait_of(client: Client, run: Run, now: datetime) -> str:
    """Return what a run waits for in its pool, of one that functions of this module returned."""
    return run.message


def _waiting(client: Client, again: RunAgain) -> Run:
    """Return a run that waits again; its message is what it waits for alone."""
    known = {"name": again.name, "state": again.state, "epoch": again.epoch, "pool": again.pool}
    run = run_asked(client, again.run_id, **known, deployment="its deployment", message=again.message)
    return msgspec.structs.replace(run, message=again.message) if isinstance(run, Run) else run


def _kind_of_step(client: Client, id_or_name: str) -> Literal["cell", "task"]:
    """Return what a run is resumed from."""
    return "task" if run_asked(client, id_or_name, kind=RunKind.NOTEBOOK).kind is RunKind.FLOW else "cell"


def _check_place(is_here: bool) -> None:
    if is_here:
        raise InvalidInput("--here runs it where its code is, and that is not known here. Leave it out, or --server.")
