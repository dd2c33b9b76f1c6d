"""Whole notebooks in their runner's process, at real kernels: which cells run, how it ends, what the file says."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.engine.event_relay import SocketSink
from orchestra_nb.engine.notebook_host import NotebookHost, RunnerEnded
from orchestra_nb.model.events import CellRunChanged, Event, LogsWritten, TaskRunCreated, TaskRunStateChanged
from orchestra_nb.model.runs import CellRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.runner_messages import (
    Began,
    Begin,
    CancelTask,
    Finished,
    Flushed,
    FlushWanted,
    Reported,
    RunnerSpec,
    Stop,
)

RUN_ID = "0123456789abcdef" * 2
NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@dataclass
class Attempt:
    """One attempt in a runner of its own; ``follow`` reads what it says."""

    host: NotebookHost
    spec: RunnerSpec
    events: list[Event] = field(default_factory=list)
    finished: Finished | None = None
    ended: RunnerEnded | None = None

    def follow(self, until: Callable[[Attempt, object], bool] = lambda attempt, message: False) -> Attempt:
        """Take messages until the runner has ended, or this holds."""
        while self.ended is None:
            message = self.host.inbox.get(timeout=PATIENCE_SECONDS)
            match message:
                case Reported(event):
                    self.events.append(event)
                case Finished():
                    self.finished = message
                case FlushWanted(token, _):
                    self.host.send(Flushed(token, True))
                case RunnerEnded():
                    self.ended = message
            if until(self, message):
                break
        return self

    @property
    def end(self) -> Finished:
        assert self.finished is not None, self.ended
        return self.finished

    @property
    def cells(self) -> list[CellRun]:
        """The newest record of each cell."""
        newest = {event.cell.index: event.cell for event in self.events if isinstance(event, CellRunChanged)}
        return [newest[index] for index in sorted(newest)]

    @property
    def notebook(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(Path(self.spec.output_path).read_bytes())
        return document

    @property
    def statuses(self) -> list[str]:
        return [cell["metadata"]["papermill"]["status"] for cell in self.notebook["cells"]]

    def text(self, number: int) -> str:
        """What a cell printed."""
        outputs = self.notebook["cells"][number]["outputs"]
        return "".join("".join(output.get("text", [])) for output in outputs)


Start = Callable[..., Attempt]


def code(source: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"cell-{abs(hash(source))}",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    hosts: list[NotebookHost] = []

    def start_attempt(*cells: str | dict[str, Any], kernel_name: str = "python3", **more: Any) -> Attempt:
        host = NotebookHost()
        hosts.append(host)
        document = {
            "cells": [code(cell) if isinstance(cell, str) else cell for cell in cells],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        spec = RunnerSpec(
            run_id=RUN_ID,
            run_name="calm-fox",
            flow_name="report",
            kernel_name=kernel_name,
            cwd=str(tmp_path),
            environ={"PYDEVD_DISABLE_FILE_VALIDATION": "1", **more.pop("environ", {})},
            notebook_json=json.dumps(document),
            parameters_json="{}",
            input_path="report.ipynb",
            output_path=str(tmp_path / "out.ipynb"),
            socket_path=os.path.join(os.environ["ORCHESTRA_RUNTIME_DIR"], "run.sock"),
            **more,
        )
        host.prepare(spec)
        host.send(Begin())
        return Attempt(host, spec)

    yield start_attempt

    for host in hosts:
        host.close()


def states(attempt: Attempt) -> list[str]:
    return [cell.state.value for cell in attempt.cells]


def cell_runs(index: int) -> Callable[[Attempt, object], bool]:
    """Whether the cell with this index has printed its first line."""

    def holds(attempt: Attempt, message: object) -> bool:
        return any(
            line.logger == f"cell {index + 1}"
            for event in attempt.events
            if isinstance(event, LogsWritten)
            for line in event.lines
        )

    return holds


def test_a_notebook_that_has_never_heard_of_us_runs_from_top_to_bottom(start: Start, tmp_path: Path) -> None:
    markdown = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Report"}

    attempt = start(markdown, "import os\nx = os.getcwd()", "%time print(x)\n!echo shell", "", "x = 1; x").follow()

    assert attempt.end.state is State.COMPLETED
    assert states(attempt) == ["COMPLETED"] * 4
    assert attempt.statuses == ["completed"] * 5
    assert attempt.text(2).startswith(f"{tmp_path}\n")
    assert "shell\n" in attempt.text(2)
    assert attempt.notebook["cells"][4]["outputs"][0]["data"] == {"text/plain": ["1"]}
    assert attempt.notebook["cells"][4]["execution_count"] == 3
    assert attempt.notebook["metadata"]["language_info"]["name"] == "python"
    assert attempt.ended == RunnerEnded("process exited with 0")


def test_a_failing_cell_ends_the_run_and_points_at_the_user_s_line(start: Start) -> None:
    attempt = start("print('first')", "def f():\n    raise ValueError('no')\n\nf()", "never").follow()

    error = attempt.end.error
    assert error is not None
    assert (attempt.end.state, attempt.end.message) == (State.FAILED, "ValueError: no (cell 2, line 2)")
    assert (error.type, error.cell, error.line) == ("ValueError", "cell 2", 2)
    assert error.source_line == "raise ValueError('no')"
    assert states(attempt) == ["COMPLETED", "FAILED", "PENDING"]
    assert attempt.statuses == ["completed", "failed", "pending"]
    assert attempt.notebook["cells"][1]["outputs"][-1]["ename"] == "ValueError"
    assert attempt.notebook["metadata"]["orchestra"]["state"] == "FAILED"


@pytest.mark.parametrize(
    ("cells", "state", "cell_states"),
    [
        pytest.param([code("1/0", "raises-exception"), "1"], "COMPLETED", "COMPLETED COMPLETED", id="may-fail"),
        pytest.param([code("1/0", "skip-execution"), "1"], "COMPLETED", "SKIPPED COMPLETED", id="left-out"),
        pytest.param(["import sys; sys.exit(0)", "1/0"], "COMPLETED", "COMPLETED SKIPPED", id="exit-0"),
        pytest.param(["import sys; sys.exit(3)", "1"], "FAILED", "FAILED PENDING", id="exit-3"),
        pytest.param(["quit()", "1/0"], "COMPLETED", "COMPLETED SKIPPED", id="ipython-quit"),
        pytest.param(["x = = 1", "1"], "FAILED", "FAILED PENDING", id="syntax-error"),
        pytest.param(["input()", "1"], "FAILED", "FAILED PENDING", id="asks-for-input"),
        pytest.param([], "COMPLETED", "", id="no-cells"),
    ],
)
def test_which_cells_run_and_how_it_ends(start: Start, cells: list[Any], state: str, cell_states: str) -> None:
    attempt = start(*cells).follow()

    assert attempt.end.state.value == state
    assert states(attempt) == cell_states.split()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        pytest.param("os._exit(3)", "The kernel exited with 3 in cell 2 of report.", id="os._exit"),
        pytest.param("os.kill(os.getpid(), 9)", "The kernel died (SIGKILL) in cell 2 of report.", id="SIGKILL"),
    ],
)
def test_a_dead_kernel_is_a_crash_that_names_cell_and_cause_and_keeps_the_outputs(
    start: Start, cell: str, message: str
) -> None:
    attempt = start("import os, time\nprint('kept')", f"display('also')\ntime.sleep(1)\n{cell}", "never").follow()

    assert attempt.end.state is State.CRASHED
    assert attempt.end.message.startswith(message)
    assert states(attempt) == ["COMPLETED", "CRASHED", "PENDING"]
    assert attempt.statuses == ["completed", "failed", "pending"]
    assert attempt.text(0) == "kept\n"
    assert attempt.notebook["cells"][1]["outputs"][0]["data"] == {"text/plain": ["'also'"]}


def test_a_kernel_that_dies_between_two_cells_is_a_crash(start: Start) -> None:
    dying = "import os, threading\nthreading.Timer(0.2, os._exit, [5]).start()"

    attempt = start(dying, "import time\ntime.sleep(600)").follow()

    assert attempt.end.state is State.CRASHED
    assert "exited with 5" in attempt.end.message


def test_a_kernel_that_cannot_start_is_a_crash_that_says_why(start: Start, tmp_path: Path) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit('no way to start')")

    attempt = start("1", environ={"PYTHONPATH": str(tmp_path)}).follow()

    assert attempt.end.state is State.CRASHED
    assert attempt.end.message == "The kernel python3 exited with 1 when it was started: no way to start"
    assert attempt.statuses == ["pending"]


def test_a_kernel_that_finds_its_port_taken_is_started_once_more(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = tmp_path / "launch.py"
    launcher.write_text(
        "import os, sys\n"
        "if not os.path.exists('tried'):\n"
        "    open('tried', 'w').close()\n"
        "    sys.exit('Address already in use')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'ipykernel_launcher', '-f', sys.argv[1]])\n"
    )
    folder = tmp_path / "kernels" / "unlucky"
    folder.mkdir(parents=True)
    argv = ["python", str(launcher), "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Unlucky", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    attempt = start("print(1)", kernel_name="unlucky").follow()

    assert attempt.end.state is State.COMPLETED, attempt.end.message
    assert attempt.text(0) == "1\n"


def test_a_kernel_that_never_answers_is_a_crash(start: Start, tmp_path: Path) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text("import time\ntime.sleep(600)")

    attempt = start("1", environ={"PYTHONPATH": str(tmp_path)}, start_timeout_seconds=0.5).follow()

    assert attempt.end.state is State.CRASHED
    assert attempt.end.message == "The kernel python3 did not answer within 0.5 s"


def test_a_bash_notebook_runs_and_fails_with_its_exit_code(start: Start) -> None:
    attempt = start("echo one", "exit_with() { return $1; }\nexit_with 4", kernel_name="bash").follow()

    assert (attempt.end.state, attempt.end.message) == (State.FAILED, "Error: exited with 4 (cell 2)")
    assert attempt.text(0) == "one\n"


def test_a_display_is_updated_in_the_cell_where_it_stands(start: Start) -> None:
    attempt = start("handle = display('before', display_id=True)", "handle.update('after')").follow()

    first, second = attempt.notebook["cells"]
    assert first["outputs"][0]["data"] == {"text/plain": ["'after'"]}
    assert second["outputs"] == []


def test_what_cells_print_is_logged_line_by_line(start: Start) -> None:
    attempt = start("print('a\\nb')", "import sys\nprint('c', file=sys.stderr)\nprint('d', end='')").follow()

    lines = [line for event in attempt.events if isinstance(event, LogsWritten) for line in event.lines]
    assert sorted((line.logger, line.level, line.message) for line in lines) == [
        ("cell 1", 20, "a"),
        ("cell 1", 20, "b"),
        ("cell 2", 20, "d"),
        ("cell 2", 30, "c"),
    ]


def test_endless_lines_are_in_the_notebook_and_bounded_in_the_log(start: Start) -> None:
    attempt = start("for n in range(100_000): print(n)").follow()

    lines = [line for event in attempt.events if isinstance(event, LogsWritten) for line in event.lines]
    assert len(lines) == 2_000
    assert lines[-1].message == "cell 1 prints more than this: see the notebook"
    assert attempt.text(0).endswith("\n99999\n")


def test_a_stop_interrupts_the_cell_and_ends_the_run_as_cancelled(start: Start) -> None:
    attempt = start("print('on', flush=True)\nimport time; time.sleep(600)", "never").follow(cell_runs(0))

    attempt.host.send(Stop("Interrupted", 30.0))
    attempt.follow()

    assert (attempt.end.state, attempt.end.message) == (State.CANCELLED, "Interrupted in cell 1")
    assert states(attempt) == ["CANCELLED", "PENDING"]
    assert attempt.statuses == ["failed", "pending"]


def test_a_kernel_that_ignores_interrupts_is_killed_after_the_grace(start: Start) -> None:
    stubborn = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(600)"
    )
    attempt = start(stubborn, "never").follow(cell_runs(0))

    attempt.host.send(Stop("Interrupted", 0.2))
    attempt.follow()

    assert attempt.end.state is State.CANCELLED
    assert states(attempt) == ["CANCELLED", "PENDING"]


def test_a_stop_before_the_first_cell_runs_nothing(start: Start, tmp_path: Path) -> None:
    attempt = start("open('ran', 'w')")

    attempt.host.send(Stop("Interrupted", 5.0))
    attempt.follow()

    assert attempt.end.state is State.CANCELLED
    assert not (tmp_path / "ran").exists()


def test_when_the_host_dies_the_file_says_so_and_nothing_is_left(start: Start) -> None:
    escaping = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(os.getpid(), child.pid, flush=True)\ntime.sleep(600)"
    )
    attempt = start(escaping).follow(cell_runs(0))
    line = next(event.lines[0] for event in attempt.events if isinstance(event, LogsWritten))
    pids = [int(word) for word in line.message.split()]

    attempt.host.close()

    assert attempt.statuses == ["failed"]
    assert attempt.notebook["metadata"]["orchestra"]["state"] == "CRASHED"
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_the_kernel_s_death_by_hand_is_seen_while_a_cell_holds_the_gil(start: Start, tmp_path: Path) -> None:
    # a pipe tells, because what the cell prints may never leave it: a kernel's flush does not wait for the sending
    os.mkfifo(tmp_path / "holding")
    attempt = start(
        "import os, pathlib, re\n"
        "pathlib.Path('holding').write_text(str(os.getpid()))\n"
        "re.match('(a+)+$', 'a' * 60 + 'b')"
    )
    pid = int((tmp_path / "holding").read_text())

    os.kill(pid, signal.SIGKILL)
    attempt.follow()

    assert attempt.end.state is State.CRASHED
    assert "SIGKILL" in attempt.end.message


def test_an_output_file_that_cannot_be_written_is_no_success(start: Start, tmp_path: Path) -> None:
    attempt = start("import os\nos.mkdir('out.ipynb') if not os.path.exists('out.ipynb') else None\nprint(1)")
    (tmp_path / "out.ipynb").mkdir()

    attempt.follow()

    assert attempt.end.state is State.CRASHED
    assert attempt.end.message.startswith("The output notebook could not be written: ")


# -- task cells: their kernel only sends events, here by hand

RELAY = """
import os
from datetime import datetime, UTC
from orchestra_nb.engine.event_relay import SocketSink
from orchestra_nb.model.events import *
from orchestra_nb.model.runs import *
from orchestra_nb.model.states import State
run_id, now = os.environ["ORCHESTRA_RUN_ID"], datetime.now(UTC)
cancelled = []
sink = SocketSink(os.environ["ORCHESTRA_RUN_SOCKET"], lambda task, actor: cancelled.append((task, actor)))
def create(name):
    task = TaskRun(task_run_id=name, run_id=run_id, name=name, state=State.PENDING, created_at=now)
    sink.emit(TaskRunCreated(task_run=task))
def change(name, state, message=""):
    sink.emit(TaskRunStateChanged(run_id=run_id, task_run_id=name, state=state, at=now, message=message))
"""
SOCKET = os.path.join(os.environ["ORCHESTRA_RUNTIME_DIR"], "run.sock")
INSIDE = {"ORCHESTRA_RUN_ID": RUN_ID, "ORCHESTRA_RUN_SOCKET": SOCKET}


def test_events_of_tasks_are_passed_on_and_a_failed_task_fails_the_run(start: Start) -> None:
    attempt = start(
        RELAY,
        "create('load')\nchange('load', State.RUNNING)\nchange('load', State.FAILED, 'no')\nprint(sink.flush(30))",
        environ=INSIDE,
    ).follow()

    kinds = [type(event) for event in attempt.events if isinstance(event, TaskRunCreated | TaskRunStateChanged)]
    assert kinds == [TaskRunCreated, TaskRunStateChanged, TaskRunStateChanged]
    assert attempt.text(1) == "True\n"
    assert (attempt.end.state, attempt.end.message) == (State.FAILED, "Task load failed: no (1 failed)")


def test_events_that_are_not_a_task_s_to_send_are_not_passed_on(start: Start) -> None:
    forged = (
        "from orchestra_nb.model.events import RunStateChanged\n"
        "sink.emit(RunStateChanged(run_id=run_id, state=State.COMPLETED, at=now))\n"
        "other = TaskRun(task_run_id='x', run_id='f' * 32, name='x', state=State.PENDING, created_at=now)\n"
        "sink.emit(TaskRunCreated(task_run=other))\nsink.flush(30)\n1/0"
    )

    attempt = start(RELAY, forged, environ=INSIDE).follow()

    assert attempt.end.state is State.FAILED
    assert {type(event) for event in attempt.events} <= {CellRunChanged, LogsWritten}


def test_a_request_to_cancel_a_task_reaches_its_kernel(start: Start) -> None:
    waiting = (
        "create('load')\nprint('on', flush=True)\nimport time\nwhile not cancelled: time.sleep(0.01)\nprint(cancelled)"
    )
    attempt = start(RELAY, waiting + "\nchange('load', State.CANCELLED, 'asked')", environ=INSIDE)
    attempt.follow(lambda attempt, message: any(isinstance(event, TaskRunCreated) for event in attempt.events))

    attempt.host.send(CancelTask("load", "ada"))
    attempt.follow()

    assert "[('load', 'ada')]" in attempt.text(1)
    assert attempt.end.state is State.CANCELLED


def test_a_sink_without_a_runner_refuses_to_open(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SocketSink(str(tmp_path / "nobody.sock"))


def test_the_run_says_when_it_began(start: Start) -> None:
    attempt = start("1")
    seen: list[Began] = []

    def note(attempt: Attempt, message: object) -> bool:
        if isinstance(message, Began):
            seen.append(message)
        return False

    attempt.follow(note)

    assert len(seen) == 1
    assert seen[0].at <= attempt.end.at
