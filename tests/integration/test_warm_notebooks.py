"""Notebooks one after the other and side by side in one Python process: warm from the second, each in a fresh kernel."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from patience import eventually

from orchestra_nb.engine.runner_process import end_warm_processes
from orchestra_nb.model.events import CellRunChanged, Event, LogsWritten
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_notebook import NotebookDriver, RunResult, new_run_id, run_notebook
from tests.faults.invariants import is_running
from tests.processes import title_of


@pytest.fixture(scope="module", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder))
        yield
    end_warm_processes()


def write_notebook(path: Path, *sources: str) -> Path:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for n, source in enumerate(sources)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def printed(result: RunResult) -> Any:
    """Return what the last cell printed, through JSON."""
    notebook = json.loads(Path(str(result.run.output_path)).read_text())
    (output,) = notebook["cells"][-1]["outputs"]
    return json.loads("".join(output["text"]))


_LOOK = """
import json, os, random, sys
print(json.dumps({
    "pid": os.getpid(),
    "keeper": open(f"/proc/{os.getppid()}/cmdline").read().rstrip("\\0 "),
    "folder": os.getcwd(),
    "run": os.environ["ORCHESTRA_RUN_ID"],
    "variable": os.environ.get("A_VARIABLE"),
    "count": get_ipython().execution_count,
    "names": [name for name in ("left", "alpha") if name in globals()],
    "draw": random.random(),
    "argv": sys.argv[1:],
    "connection": os.path.exists(sys.argv[2]),
    "modules": [name for name in sys.modules if name.startswith("orchestra_nb")],
}))
"""


def test_each_run_has_a_fresh_kernel_in_its_own_folder_with_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setenv("A_VARIABLE", str(number))
        notebook = write_notebook(folder / "look.ipynb", "alpha = 0", "left = 1\ndel left", _LOOK)
        result = run_notebook(notebook, parameters={"alpha": number})
        assert result.run.state is State.COMPLETED, result.run.message
        seen.append({**printed(result), "expected_run": result.run.run_id})

    assert [look["folder"] for look in seen] == [str(tmp_path / str(number)) for number in range(4)]
    assert [look["variable"] for look in seen] == ["0", "1", "2", "3"]
    assert [look["run"] for look in seen] == [look["expected_run"] for look in seen]
    assert {look["count"] for look in seen} == {5}  # the injected cell among them
    assert all(look["keeper"].startswith("orchestra: keeps kernel") for look in seen)
    assert all(look["connection"] and look["names"] == ["alpha"] and look["modules"] == [] for look in seen)
    assert len({look["pid"] for look in seen}) == len({look["draw"] for look in seen}) == 4
    assert not any(is_running(look["pid"]) for look in seen)


def test_many_runs_at_once_keep_apart(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "look.ipynb", "alpha = 0", "print([alpha, __import__('os').getpid()])")

    def run(number: int) -> Any:
        output = tmp_path / f"{number}.ipynb"
        return printed(run_notebook(notebook, parameters={"alpha": number}, output_path=output))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, range(8)))

    assert [alpha for alpha, _ in results] == list(range(8))
    assert len({pid for _, pid in results}) == 8


_LEAVE = """
import os, subprocess
pids = [os.getpid(), subprocess.Popen(["sleep", "1000"], start_new_session=True, env={}).pid]
read, write = os.pipe()
if os.fork() == 0:
    if (grandchild := os.fork()) == 0:
        os.setsid()
        os.execve("/bin/sleep", ["sleep", "1000"], {})
    os.write(write, str(grandchild).encode())
    os._exit(0)
os.wait()
print(*pids, int(os.read(read, 20)), flush=True)
"""


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        ("1", State.COMPLETED),
        ("1/0", State.FAILED),
        ("os._exit(1)", State.CRASHED),
        ("import time; time.sleep(1000)", State.CANCELLED),
    ],
    ids=["success", "failure", "crash", "cancel"],
)
def test_no_process_outlives_its_run(tmp_path: Path, ending: str, state: State) -> None:
    notebook = write_notebook(tmp_path / "leave.ipynb", "", _LEAVE, ending)
    pids: list[int] = []

    def take(event: Event) -> None:
        if isinstance(event, LogsWritten):
            pids.extend(int(word) for line in event.lines if line.logger == "cell 2" for word in line.message.split())
        is_last = isinstance(event, CellRunChanged) and event.cell.index == 2 and event.cell.state is State.RUNNING
        if is_last and state is State.CANCELLED:
            driver.stop("Enough", "somebody")

    request = NotebookRequest(path=str(notebook), run_id=new_run_id())
    driver = NotebookDriver(request, on_event=take)
    result = driver.execute()

    assert result.run.state is state, result.run.message
    assert len(pids) == 3
    assert not any(is_running(pid) for pid in pids)


def test_a_runner_that_was_killed_takes_its_kernel_along_and_the_next_run_is_well(tmp_path: Path) -> None:
    notebook = write_notebook(
        tmp_path / "long.ipynb", "", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)"
    )
    pids: list[int] = []

    def take(event: Event) -> None:
        if isinstance(event, LogsWritten) and not pids:
            pids.append(int(event.lines[0].message))
            (runner,) = _runners()
            runner.kill()

    end_warm_processes()  # so that none waits
    crashed = run_notebook(notebook, on_event=take)
    after = run_notebook(write_notebook(tmp_path / "short.ipynb", "", "print(1)"))

    assert crashed.run.state is State.CRASHED
    assert "killed by SIGKILL" in crashed.run.message
    eventually(lambda: True if not psutil.pid_exists(pids[0]) else None)
    assert printed(after) == 1


def _runners() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [process for process in found if title_of(process) == "orchestra: a notebook's runner"]


def test_a_process_that_has_run_notebooks_ends_with_nothing_left(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "short.ipynb", "", "print(1)")
    script = (
        "import psutil, time\nfrom orchestra_nb.operations.run_notebook import run_notebook\n"
        f"for _ in range(3):\n    print(run_notebook({str(notebook)!r}).run.state.value)\n"
        "def kept():\n    return [child.pid for child in psutil.Process().children(recursive=True)]\n"
        "until = time.monotonic() + 60\n"  # the next runner is made beside, while the last one ends
        "while len(found := kept()) < 4 and time.monotonic() < until:\n    time.sleep(0.05)\n"
        "print(found)"
    )

    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)

    *states, pids = done.stdout.splitlines()
    assert states == ["COMPLETED"] * 3
    assert done.stderr == ""
    kept = json.loads(pids)
    assert len(kept) >= 4  # two zygotes, a runner that waits and its sentinel
    eventually(lambda: True if not any(psutil.pid_exists(pid) for pid in kept) else None)


def test_with_the_setting_off_every_kernel_is_a_plain_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_KERNEL_FORK", "false")
    end_warm_processes()
    notebook = write_notebook(
        tmp_path / "look.ipynb", "", "import json, os\nprint(json.dumps(open(f'/proc/{os.getppid()}/cmdline').read()))"
    )

    parent = printed(run_notebook(notebook))

    assert "orchestra_nb.notebooks.notebook_runner" in parent
