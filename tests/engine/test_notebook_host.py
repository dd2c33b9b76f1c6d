"""A notebook's runner beside its driver, as the driver speaks with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestra_nb.engine.notebook_host import NotebookHost, RunnerEnded
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.runner_messages import Begin, CancelTask, Finished, RunnerSpec, runner_socket
from tests.patience import PATIENCE_SECONDS, eventually


def spec_of(folder: Path, source: str) -> RunnerSpec:
    run_id = uuid.uuid4().hex
    cell = {"cell_type": "code", "id": "only", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return RunnerSpec(
        run_id=run_id,
        run_name="calm-fox",
        flow_name="report",
        kernel_name="python3",
        cwd=str(folder),
        environ={"ORCHESTRA_RUN_ID": run_id},
        notebook_json=json.dumps(notebook),
        parameters_json="{}",
        input_path=str(folder / "report.ipynb"),
        output_path=str(folder / "out.ipynb"),
        socket_path=str(runner_socket(run_id)),
    )


@pytest.fixture
def host() -> Iterator[NotebookHost]:
    with contextlib.closing(NotebookHost()) as found:
        yield found


def runner_of(spec: RunnerSpec) -> psutil.Process:
    """Return the runner's process, once it listens to its kernel."""

    def find() -> int | None:
        sockets = psutil.net_connections("unix")
        return next((one.pid for one in sockets if one.laddr == spec.socket_path and one.pid), None)

    return psutil.Process(eventually(find))


def interrupt_soon() -> threading.Timer:
    """Have Ctrl-C come into this thread in a moment."""
    # to this thread: another one would not wake it up
    timer = threading.Timer(0.5, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
    timer.start()
    return timer


def end_of(host: NotebookHost) -> Finished | RunnerEnded:
    while True:
        message = host.inbox.get(timeout=PATIENCE_SECONDS)
        if isinstance(message, Finished | RunnerEnded):
            return message


def test_ctrl_c_cuts_no_message_off_that_the_runner_is_slow_to_read(host: NotebookHost, tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "print(1)")
    host.prepare(spec)
    runner = runner_of(spec)
    runner.suspend()
    with contextlib.suppress(KeyboardInterrupt):
        timer = interrupt_soon()
        host.send(CancelTask("x" * 10_000_000, "somebody"))
        timer.join(PATIENCE_SECONDS)
    runner.resume()

    host.send(Begin())

    end = end_of(host)
    assert isinstance(end, Finished)
    assert end.state is State.COMPLETED


@pytest.mark.parametrize("is_single", [True, False], ids=["started", "forked"])
def test_a_variable_that_is_no_text_reaches_the_kernel(tmp_path: Path, is_single: bool) -> None:
    spec = spec_of(tmp_path, "import os; open('found', 'wb').write(os.environb[b'ODD'])")
    environ = {**os.environ, "ODD": os.fsdecode(b"caf\xe9")}

    with contextlib.closing(NotebookHost(environ, is_single=is_single)) as host:
        host.prepare(spec)
        host.send(Begin())
        end = end_of(host)

    assert isinstance(end, Finished)
    assert (end.state, (tmp_path / "found").read_bytes()) == (State.COMPLETED, b"caf\xe9")
