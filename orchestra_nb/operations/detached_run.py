"""A notebook run whose driver is a process of its own: what ``orchestra run --no-wait`` leaves behind.

The driver is ``python -m orchestra_nb.operations.detached_run`` with the request on stdin, and in a second line how the
run is opened again where it is not a new one. It answers one line on stdout, the run once it is committed or the error
that refused it, and then lives on in a session of its own, with a log file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

import orchestra_nb.errors
from orchestra_nb.errors import InvalidInput, OrchestraError
from orchestra_nb.model.events import Event, RunCreated, RunReopened
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.runs import Run
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder, decode_request, encode_request
from orchestra_nb.operations.run_notebook import NotebookDriver


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a driver: the run as it was committed, or the class and the text of an error, and its places."""

    run: Run | None = None
    error_class: str = ""
    error: str = ""
    at: dict[str, str] = {}


class StartedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on by itself, and the file that its driver logs to."""

    run: Run
    log_path: str


def start_detached(request: NotebookRequest, reopened: RunReopened | None = None) -> StartedRun:
    """Start a driver for this request and return its run once it is committed.

    Parameters
    ----------
    reopened
        How the run is opened again that the request is of; None for a new one.

    Raises
    ------
    OrchestraError
        As :func:`orchestra_nb.operations.run_notebook.run_notebook`; nothing runs then.
    """
    log_path = _log_path(request)
    with log_path.open("ab") as log:
        driver = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestra_nb.operations.detached_run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert driver.stdin is not None
    assert driver.stdout is not None
    with driver.stdin, driver.stdout:
        driver.stdin.write(encode_request(request))  # one line
        if reopened is not None:
            driver.stdin.write(b"\n" + msgspec.json.encode(reopened))
        driver.stdin.close()
        answer = driver.stdout.readline()
    if not answer:
        driver.wait()
        text = log_path.read_text(encoding="utf-8", errors="replace").strip()
        raise OrchestraError(f"The run was not started: its driver ended at once. {text[-1_000:]}".rstrip())
    started = msgspec.json.decode(answer, type=Started)
    if started.run is None:
        driver.wait()
        error = getattr(orchestra_nb.errors, started.error_class)(started.error)
        if isinstance(error, InvalidInput):
            error.at = started.at
        raise error
    # it is not ours any more, but a process that lives as long as a server has to collect those that have ended
    threading.Thread(target=driver.wait, name=f"end of {started.run.name}", daemon=True).start()
    parameters = {name: from_stored(value) for name, value in started.run.parameters.items()}
    return StartedRun(run=msgspec.structs.replace(started.run, parameters=parameters), log_path=str(log_path))


def main() -> None:
    """Drive the run that stdin asks for."""
    asked = sys.stdin.buffer.read().splitlines()
    request = decode_request(asked[0])
    reopened = msgspec.json.decode(asked[1], type=RunReopened) if len(asked) > 1 else None

    def on_event(event: Event) -> None:
        if isinstance(event, RunCreated):
            parameters = {name: to_stored(value) for name, value in event.run.parameters.items()}
            _answer(Started(run=msgspec.structs.replace(event.run, parameters=parameters)))

    driver = NotebookDriver(request, kind="shell", on_event=on_event, reopened=reopened)
    signal.signal(signal.SIGTERM, lambda number, frame: driver.stop("Stopped by SIGTERM", "SIGTERM"))
    try:
        driver.execute()
    except OrchestraError as error:
        places = error.at if isinstance(error, InvalidInput) else {}
        _answer(Started(error_class=type(error).__name__, error=str(error), at=places))
    log_path = _log_path(request)
    if log_path.exists() and log_path.stat().st_size == 0:
        log_path.unlink()


def _log_path(request: NotebookRequest) -> Path:
    return attempts_folder() / f"{request.run_id}.log"


def _answer(answer: Started) -> None:
    """Write the one line that is waited for, then let go of the pipe."""
    if not sys.stdout.closed:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.close()
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)


if __name__ == "__main__":
    main()
