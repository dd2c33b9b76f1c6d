"""``orchestra run`` as people and scripts use it: a process with arguments, two streams, signals and an exit code."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from command_here import run_here
from patience import PATIENCE_SECONDS

from orchestra_nb.model.runs import Driver, Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_request import NotebookRequest, prepare
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.operations.run_notebook import new_run_id
from orchestra_nb.operations.runs import cancel_run
from orchestra_nb.settings import load_settings
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.run_store import RunStore

T = TypeVar("T")

#: Prints, so that it can be waited for, then goes on for longer than any test.
ENDLESS = "import os, time\nprint('pid', os.getpid(), flush=True)\nwhile True:\n    time.sleep(0.05)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of its own, in which commands run."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ORCHESTRA_HEARTBEAT_SECONDS", "0.5")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[RunStore]:
    opened = open_store(load_settings())
    yield opened
    close_store(opened)


def write_notebook(path: Path, *sources: str, parameters: str | None = None, kernel: str = "python3") -> Path:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for n, source in enumerate(([] if parameters is None else [parameters]) + list(sources))
    ]
    if parameters is not None:
        cells[0]["metadata"] = {"tags": ["parameters"]}
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def orchestra(folder: Path, *words: str, command: str = "run") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "orchestra_nb", command, *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts the command without waiting for it; what runs after the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start_command(*words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-m", "orchestra_nb", "run", *words]
        running = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(running)
        return running

    yield start_command

    for running in started:
        running.kill()
        running.communicate()


def wait_for(store: RunStore, condition: Callable[[], T | None]) -> T:
    """Return what the condition gives, once it gives something; asked again after each change of the store."""
    watcher = ChangeWatcher(store.database)
    try:
        while (found := condition()) is None:
            assert watcher.wait(PATIENCE_SECONDS), "nothing happens"
    finally:
        watcher.close()
    return found


def kernel_of(store: RunStore) -> tuple[Run, int]:
    """Wait until the endless cell of the newest run has said its process id."""

    def look() -> tuple[Run, int] | None:
        for run in store.list_runs(limit=1):
            for _, line in store.log_lines(run.run_id):
                if line.message.startswith("pid "):
                    return run, int(line.message.split()[1])
        return None

    return wait_for(store, look)


def ended(store: RunStore, run_id: str) -> Run:
    """Wait until a run has ended."""

    def look() -> Run | None:
        run = store.get_run(run_id)
        return run if run.state.is_terminal else None

    return wait_for(store, look)


def wait_for_watcher(store: RunStore, run: Run) -> None:
    """Wait until the process beside the run's driver sends heartbeats."""
    leases = Leases(store.database)
    driver_id = str(run.driver_id)
    first = leases.find_driver(driver_id)
    assert first is not None

    def look() -> Driver | None:
        newest = leases.find_driver(driver_id)
        return newest if newest is not None and newest.heartbeat_at > first.heartbeat_at else None

    wait_for(store, look)


def statuses(path: Path) -> list[str]:
    return [cell["metadata"]["papermill"]["status"] for cell in json.loads(path.read_text())["cells"]]


def test_a_completed_run_prints_one_object_and_leaves_the_source_as_it_was(folder: Path, store: RunStore) -> None:
    source = write_notebook(folder / "report.ipynb", "print(region, n)", parameters="region = 'US'\nn = 1")
    before = source.read_bytes()

    done = orchestra(folder, "report.ipynb", "out.ipynb", "-p", "region", "EU", "-p", "n", "3", "--json")

    document = json.loads(done.stdout)
    run = store.get_run(document["run_id"])
    assert done.returncode == 0
    assert list(document) == ["run_id", "state", "message", "output", "parameters", "values", "cells", "tasks"]
    assert (document["state"], document["message"]) == ("COMPLETED", "")
    assert (document["output"], document["parameters"]) == (str(folder / "out.ipynb"), {"region": "EU", "n": 3})
    assert [(cell["index"], cell["number"], cell["id"], cell["state"]) for cell in document["cells"]][::2] == [
        (0, 1, "c0", "COMPLETED"),
        (2, 2, "c1", "COMPLETED"),
    ]
    assert list(document["cells"][0]) == [
        "index",
        "number",
        "id",
        "state",
        "is_cached",
        "attempts",
        "message",
        "started_at",
        "ended_at",
        "error",
    ]
    assert document["cells"][0]["started_at"].endswith("Z")
    assert document["tasks"] == []
    assert json.loads((folder / "out.ipynb").read_text())["cells"][2]["outputs"][0]["text"] == ["EU 3\n"]
    attempt = folder / "data" / "orchestra" / "outputs" / f"{run.run_id}.1.ipynb"
    assert attempt.read_bytes() == (folder / "out.ipynb").read_bytes()  # each attempt has a file of its own
    assert source.read_bytes() == before
    assert (run.state, run.output_path, run.parameters) == (State.COMPLETED, document["output"], document["parameters"])
    assert [cell.state for cell in store.cell_runs(run.run_id)] == [State.COMPLETED] * 3
    assert "COMPLETED in" in done.stderr


def test_without_an_output_path_the_executed_notebook_goes_beside_the_source(folder: Path) -> None:
    (folder / "deep").mkdir()
    write_notebook(folder / "deep" / "report.ipynb", "import os; print(os.getcwd())")

    done = orchestra(folder, "deep/report.ipynb")

    (output,) = (folder / "deep").glob("report.*.ipynb")
    name = output.name.split(".")[1]
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[0] == f"report · run {name}"
    assert done.stderr.splitlines()[-1].endswith(f"→  deep/report.{name}.ipynb   (orchestra runs show {name})")
    assert json.loads(output.read_text())["cells"][0]["outputs"][0]["text"] == [f"{folder / 'deep'}\n"]


def test_the_null_device_stands_for_no_copy(folder: Path) -> None:
    write_notebook(folder / "report.ipynb", "1")
    request = NotebookRequest(path=str(folder / "report.ipynb"), run_id=new_run_id(), output_path=os.devnull)

    prepared = prepare(request, load_settings(), datetime.now(UTC))

    assert str(prepared.copy_path) == prepared.spec.output_path == prepared.spec.copy_path


def test_a_failing_cell_is_shown_with_the_user_s_line(folder: Path) -> None:
    write_notebook(folder / "report.ipynb", "x = 'n/a'", "y = 1\nfloat(x)", "never")

    done = orchestra(folder, "report.ipynb", "out.ipynb", "--json")

    document = json.loads(done.stdout)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert (document["state"], [cell["state"] for cell in document["cells"]]) == (
        "FAILED",
        ["COMPLETED", "FAILED", "PENDING"],
    )
    assert document["cells"][1]["error"]["source_line"] == "float(x)"
    assert done.stderr.count("ValueError") == 1
    assert lines[-3:-1] == [
        "  ✕ cell 2, line 2   ValueError: could not convert string to float: 'n/a'",
        "      float(x)",
    ]
    assert lines[-1].startswith("  FAILED in ")
    assert statuses(folder / "out.ipynb") == ["completed", "failed", "pending"]
    logs = run_here("runs", "logs", document["run_id"], folder=folder, environ=os.environ).stdout
    assert "ERROR cell 2 failed:" in logs
    assert "----> 2 float(x)" in logs
    shown = run_here("runs", "show", document["run_id"], folder=folder, environ=os.environ)
    assert "· Not run" in shown.stdout


def test_a_dead_kernel_is_a_crash_that_names_its_end(folder: Path) -> None:
    write_notebook(folder / "report.ipynb", "import os; os._exit(3)", "never")

    done = orchestra(folder, "report.ipynb", "out.ipynb", "--json")

    document = json.loads(done.stdout)
    assert (done.returncode, document["state"]) == (1, "CRASHED")
    assert document["message"].startswith("The kernel exited with 3 in cell 1 of report.")
    assert statuses(folder / "out.ipynb") == ["failed", "pending"]


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        pytest.param(["missing.ipynb"], "notebook_not_found", 3, id="no-notebook"),
        pytest.param(["broken.ipynb"], "invalid_notebook", 2, id="no-json"),
        pytest.param(["report.ipynb", "-k", "fortran"], "invalid_notebook", 2, id="no-kernel"),
        pytest.param(["report.ipynb", "-p", "regoin", "EU"], "invalid_parameters", 2, id="unknown-parameter"),
        pytest.param(["report.ipynb", "-y", "{"], "invalid_parameters", 2, id="bad-yaml"),
        pytest.param(["report.ipynb", "--cwd", "missing"], "invalid_input", 2, id="no-folder"),
        pytest.param(["report.ipynb", "missing/out.ipynb"], "invalid_input", 2, id="no-output-folder"),
        pytest.param(["report.ipynb", "report.ipynb"], "invalid_input", 2, id="over-the-source"),
        pytest.param(["report.ipynb", "pipe"], "invalid_input", 2, id="over-a-pipe"),
        pytest.param(["report.ipynb", "/dev/onb-test"], "invalid_input", 2, id="among-devices"),
        pytest.param(["report.ipynb", "--cluster", "ftp://x"], "invalid_setting", 2, id="no-cluster"),
        pytest.param(["report.ipynb", "--frobnicate"], "usage", 2, id="unknown-flag"),
        pytest.param(["report.ipynb", "-p", "regoin", "EU", "--no-wait"], "invalid_parameters", 2, id="left-alone"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(
    folder: Path, words: list[str], code: str, exit_code: int
) -> None:
    write_notebook(folder / "report.ipynb", "open('ran', 'w')", parameters="region = 'US'")
    (folder / "broken.ipynb").write_text('{"cells": [')
    os.mkfifo(folder / "pipe")

    done = run_here("run", *words, "--json", folder=folder, environ=os.environ)

    assert done.returncode == exit_code
    assert json.loads(done.stdout)["error"]["code"] == code
    assert sorted(path.name for path in folder.glob("*")) in (
        ["broken.ipynb", "pipe", "report.ipynb"],
        ["broken.ipynb", "data", "pipe", "report.ipynb"],
    )
    assert not list(folder.glob("data/orchestra/outputs/*"))


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        pytest.param(["-", "-p", "regoin", "EU"], 2, id="refused by its notebook"),
        pytest.param(["-", "--limit", "2"], 2, id="refused by an option"),
        pytest.param(["-", "out.ipynb", "--sweep", "regoin=1,2"], 2, id="refused as a sweep"),
        pytest.param(["-", "out.ipynb", "--secret", "region", "nope"], 3, id="no such secret"),
        pytest.param(["-", "--prepare-only"], 0, id="prepared and printed"),
        pytest.param(["report.ipynb", "-", "--prepare-only"], 0, id="prepared from a file"),
    ],
)
def test_a_notebook_of_stdin_that_does_not_run_leaves_no_file(folder: Path, words: list[str], exit_code: int) -> None:
    source = write_notebook(folder / "report.ipynb", "1", parameters="region: str = 'US'").read_text()

    done = run_here("run", *words, folder=folder, environ=os.environ, stdin=source)

    assert done.returncode == exit_code, done.stderr
    assert bool(done.stdout) is (exit_code == 0)
    assert not list(folder.glob("data/orchestra/outputs/*"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{", "stdin, line 1, column 2: not JSON, so it is no notebook: "),
        ("", "stdin is empty. "),
        ("[]", "stdin, line 1: JSON, but no notebook: it has no cells."),
    ],
    ids=["no JSON", "empty", "no notebook"],
)
def test_what_is_wrong_with_a_notebook_of_stdin_is_said_of_stdin(folder: Path, source: str, message: str) -> None:
    done = run_here("run", "-", "out.ipynb", folder=folder, environ=os.environ, stdin=source)

    assert done.returncode == 2
    assert done.stderr.startswith(message)


def test_a_broken_cell_of_a_notebook_of_stdin_is_said_of_stdin(folder: Path) -> None:
    source = write_notebook(folder / "report.ipynb", "1 +").read_text()
    command = [sys.executable, "-m", "orchestra_nb", "run", "-", "out.ipynb"]

    done = subprocess.run(
        command, cwd=folder, input=source, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("stdin: ")


def test_an_unknown_kernel_is_answered_with_those_that_are_installed(folder: Path) -> None:
    write_notebook(folder / "report.ipynb", "1", kernel="py310")

    refused = run_here("run", "report.ipynb", folder=folder, environ=os.environ)

    assert refused.returncode == 2
    assert "There is no kernel 'py310' here. Installed kernels: " in refused.stderr
    assert "python3" in refused.stderr


def test_parameters_come_from_all_of_papermill_s_flags_and_the_stronger_wins(folder: Path) -> None:
    write_notebook(
        folder / "report.ipynb", "print([a, b, c, d])", parameters="a = b = c = d = 0\na = 0\nb = 0\nc = 0\nd = 0"
    )
    (folder / "values.yaml").write_text("a: file\nb: file\nc: file\nd: file\n")
    words = ["-f", "values.yaml", "-y", "{b: yaml, c: yaml, d: yaml}", "-p", "c", "1.5", "-p", "d", "2", "-r", "d", "2"]

    done = orchestra(folder, "report.ipynb", "out.ipynb", *words, "--json", "--no-strict")

    assert json.loads(done.stdout)["parameters"] == {"a": "file", "b": "yaml", "c": 1.5, "d": "2"}
    printed = json.loads((folder / "out.ipynb").read_text())["cells"][2]["outputs"][0]["text"]
    assert printed == ["['file', 'yaml', 1.5, '2']\n"]


def test_values_that_look_like_code_arrive_as_that_text_and_numbers_as_they_are(folder: Path) -> None:
    awkward = '\');import os;os._exit(9)#\n"""\\ {x} $y é😀'
    write_notebook(
        folder / "report.ipynb",
        "import math\nprint(ascii(a), math.isnan(b), c, d)",
        parameters="a = ''\nb = 0.0\nc = 0.0\nd = 0",
    )
    values = ["-r", "a", awkward, "-p", "b", "nan", "-p", "c", "-inf", "-p", "d", str(10**30)]

    done = orchestra(folder, "report.ipynb", "out.ipynb", *values, "--json")

    document = json.loads(done.stdout)
    printed = json.loads((folder / "out.ipynb").read_text())["cells"][2]["outputs"][0]["text"]
    assert document["parameters"] == {"a": awkward, "b": "NaN", "c": "-Infinity", "d": 10**30}
    assert printed == [f"{awkward!a} True -inf {10**30}\n"]


def test_ctrl_c_interrupts_the_cell_and_exits_with_130(folder: Path, store: RunStore, start: Start) -> None:
    write_notebook(folder / "report.ipynb", ENDLESS, "never")
    running = start("report.ipynb", "out.ipynb", "--json")
    run, pid = kernel_of(store)

    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=PATIENCE_SECONDS)

    assert running.returncode == 130
    assert json.loads(stdout)["state"] == "CANCELLED"
    assert store.get_run(run.run_id).message == "Interrupted in cell 1"
    assert [change.to_state for change in store.state_changes(run.run_id)] == [
        State.PENDING,
        State.RUNNING,
        State.CANCELLING,
        State.CANCELLED,
    ]
    assert statuses(folder / "out.ipynb") == ["failed", "pending"]
    assert "Press Ctrl-C again" in stderr
    assert not psutil.pid_exists(pid)


def test_a_second_ctrl_c_ends_a_kernel_that_ignores_the_first(folder: Path, store: RunStore, start: Start) -> None:
    stubborn = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{ENDLESS}"
    write_notebook(folder / "report.ipynb", stubborn)
    running = start("report.ipynb", "out.ipynb", "--json")
    _, pid = kernel_of(store)
    assert running.stderr is not None

    running.send_signal(signal.SIGINT)
    while "Press Ctrl-C again" not in running.stderr.readline():
        pass
    running.send_signal(signal.SIGINT)
    stdout, _ = running.communicate(timeout=PATIENCE_SECONDS)

    assert (running.returncode, json.loads(stdout)["state"]) == (130, "CANCELLED")
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        pytest.param(lambda running, store, run: running.terminate(), "Stopped by SIGTERM in cell 1", id="SIGTERM"),
        pytest.param(
            lambda running, store, run: cancel_run(store, run.run_id, actor="ada", now=datetime.now(UTC)),
            "Cancelled by ada in cell 1",
            id="request",
        ),
    ],
)
def test_a_run_that_others_stop_is_cancelled_and_exits_with_1(
    folder: Path, store: RunStore, start: Start, stop: Callable[[Any, RunStore, Run], object], message: str
) -> None:
    write_notebook(folder / "report.ipynb", ENDLESS)
    running = start("report.ipynb", "--json")
    run, _ = kernel_of(store)

    stop(running, store, run)
    stdout, _ = running.communicate(timeout=PATIENCE_SECONDS)

    document = json.loads(stdout)
    assert (running.returncode, document["state"], document["message"]) == (1, "CANCELLED", message)


def test_behind_nohup_a_run_outlives_its_terminal(folder: Path, store: RunStore, start: Start) -> None:
    write_notebook(folder / "report.ipynb", ENDLESS.replace("while True", "while not os.path.exists('go')"))
    running = start("report.ipynb", "--json", before=("nohup",))
    kernel_of(store)

    running.send_signal(signal.SIGHUP)
    (folder / "go").touch()
    stdout, _ = running.communicate(timeout=PATIENCE_SECONDS)

    assert (running.returncode, json.loads(stdout)["state"]) == (0, "COMPLETED")


def test_when_the_command_is_killed_its_run_is_a_crash_and_nothing_of_it_is_left(
    folder: Path, store: RunStore, start: Start
) -> None:
    write_notebook(folder / "report.ipynb", ENDLESS)
    running = start("report.ipynb", "out.ipynb")
    run, pid = kernel_of(store)
    wait_for_watcher(store, run)
    processes = psutil.Process(running.pid).children(recursive=True)

    running.kill()

    end = ended(store, run.run_id)
    assert pid in [process.pid for process in processes]
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert alive == []
    assert (end.state, "SIGKILL" in end.message or "died" in end.message) == (State.CRASHED, True)
    attempt = folder / "data" / "orchestra" / "outputs" / f"{run.run_id}.1.ipynb"
    assert statuses(attempt) == ["failed"]


def test_a_run_that_is_left_to_itself_is_recorded_before_its_id_is_printed(folder: Path, store: RunStore) -> None:
    write_notebook(folder / "report.ipynb", "print(region)", parameters="region = 'US'")

    left = orchestra(folder, "report.ipynb", "out.ipynb", "-p", "region", "EU", "--no-wait")
    run = store.get_run(left.stdout.strip())

    assert left.returncode == 0
    assert run.parameters == {"region": "EU"}
    assert f"orchestra runs show {run.name}" in left.stderr
    end = ended(store, run.run_id)
    assert (end.state, end.output_path) == (State.COMPLETED, str(folder / "out.ipynb"))


def test_a_run_that_is_left_to_itself_can_be_cancelled(folder: Path, store: RunStore) -> None:
    write_notebook(folder / "report.ipynb", ENDLESS)

    document = json.loads(orchestra(folder, "report.ipynb", "--no-wait", "--json").stdout)
    run, _ = kernel_of(store)
    cancel_run(store, run.run_id, actor="ada", now=datetime.now(UTC))

    assert (document["run_id"], document["state"]) == (run.run_id, "PENDING")
    end = ended(store, run.run_id)
    assert (end.state, end.message) == (State.CANCELLED, "Cancelled by ada in cell 1")


def test_a_terminal_shows_one_block_that_is_drawn_anew(folder: Path) -> None:
    write_notebook(folder / "report.ipynb", "# Load\nx = 1", "# Fit\nimport time\ntime.sleep(2)")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchestra_nb", "run", "report.ipynb", "out.ipynb"]
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}

    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, env=environ)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    stdout, _ = running.communicate(timeout=PATIENCE_SECONDS)

    text = shown.decode()
    assert (running.returncode, stdout) == (0, b"")
    assert "\x1b[2K" in text  # a line is cleared and drawn again
    assert "2 of 2 cells" in text
    assert "COMPLETED in" in text.splitlines()[-1]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux tells the end of a terminal so
        return b""


#: Prints what the command that runs it has started, by the names of processes.
_STARTED = """
import psutil

def words(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return ""

driver = next(one for one in psutil.Process().parents() if "orchestra_nb" in one.cmdline())
print("started", sorted(map(words, driver.children(recursive=True))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
@pytest.mark.parametrize("preload", ["", "fractions"])
def test_a_cold_run_starts_one_process_to_fork_its_kernel_from_and_no_other_kernel(
    folder: Path, preload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_KERNEL_PRELOAD", preload)
    write_notebook(folder / "report.ipynb", _STARTED)

    assert orchestra(folder, "report.ipynb", "out.ipynb").returncode == 0

    outputs = json.loads((folder / "out.ipynb").read_text())["cells"][0]["outputs"]
    started = "".join("".join(output.get("text", "")) for output in outputs)
    assert started.count("orchestra: starts kernels") == 1
    assert "a kernel that waits" not in started


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_what_cannot_be_printed_is_told_and_no_success(folder: Path) -> None:
    command = [sys.executable, "-m", "orchestra_nb", "params", "report.ipynb", "--json"]
    write_notebook(folder / "report.ipynb", "", parameters="x = 1")

    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True)
        unheard = subprocess.run(command, cwd=folder, stdout=full, stderr=full)

    assert (done.returncode, unheard.returncode) == (1, 1)
    assert "no room for what was to be written: [Errno 28] No space left on device. Make room" in done.stderr
    assert done.stderr.count("\n") == 1
