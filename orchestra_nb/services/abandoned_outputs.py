"""Executed notebooks that a killed command has left as links into the store's folder: each becomes a file of its own.

The runner of a notebook, which outlives its command for a moment, does that itself. This is for when it was killed,
too, or the machine went down.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.output_notebook import close_abandoned
from orchestra_nb.notebooks.run_output import RunOutput
from orchestra_nb.notebooks.runner_messages import runner_socket

_PAUSE_SECONDS = 0.2


def settle_outputs(runs: Iterable[Run], message: str, now: datetime, wait_seconds: float = 0.0) -> None:
    """Make the outputs of these runs files that say how the runs ended; what cannot be written stays as it is.

    Parameters
    ----------
    runs
        Their driver is dead.
    wait_seconds
        How long to wait for runners that still live; with 0 these are left to do it.
    """
    deadline = time.monotonic() + wait_seconds
    for run in runs:
        attempt = _attempt_of(run)
        if run.output_path is None or attempt is None:
            continue
        while is_alive := _has_runner(run):
            if time.monotonic() >= deadline:
                break
            time.sleep(_PAUSE_SECONDS)
        if not is_alive and _attempt_of(run) == attempt:
            with contextlib.suppress(OSError):
                close_abandoned(attempt, now, State.CRASHED, message, _source_of(run, attempt), may_have_ended=True)
                RunOutput(attempt, Path(run.output_path)).keep_if_linked()


def has_runners(runs: Iterable[Run]) -> bool:
    """Tell whether the runner of one of these runs lives, on this machine."""
    return any(map(_has_runner, runs))


def _attempt_of(run: Run) -> Path | None:
    """Return the file of the attempt that a run's output is, or is a link to; None where it is none."""
    output = Path(run.output_path or "")
    try:
        target = Path(os.readlink(output))
    except OSError:
        target = output  # of a run without a copy, as a remote worker sends it
    return target if target.name == f"{run.run_id}.{run.epoch}.ipynb" else None


def _source_of(run: Run, attempt: Path) -> dict[str, object] | None:
    """Return the notebook as it was when the run began; None where that was not kept."""
    try:
        return read_notebook(attempt.with_name(f"{run.run_id}.source.ipynb"))
    except OrchestraError:
        return None


def _has_runner(run: Run) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PAUSE_SECONDS)
        try:
            probe.connect(str(runner_socket(run.run_id)))
        except OSError:
            return False
    return True
