"""``orchestra run`` on notebooks that this project did not write, and on task cells on a real cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_here import run_here
from notebook_kernel import RUN_MIME
from patience import PATIENCE_SECONDS
from warm_service import ORCHESTRA, environment_with

pytestmark = pytest.mark.usefixtures("warm_service")

FOREIGN = Path(__file__).parent / "foreign_notebooks"


@dataclass(frozen=True)
class Ran:
    """What one command left: its exit code, the object that it printed, the executed notebook, and its source."""

    exit_code: int
    document: dict[str, Any]
    stderr: str
    notebook: dict[str, Any]

    @property
    def states(self) -> list[str]:
        return [cell["state"] for cell in self.document["cells"]]

    @property
    def code_cells(self) -> list[dict[str, Any]]:
        return [cell for cell in self.notebook["cells"] if cell["cell_type"] == "code"]

    def mime_types(self, number: int) -> list[str]:
        """The richest MIME type of each display of a code cell."""
        outputs = self.code_cells[number]["outputs"]
        return [sorted(output["data"])[0] for output in outputs if "data" in output]


def run(folder: Path, source: Path, *words: str) -> Ran:
    """Run a notebook and check what must hold for every one of them."""
    before = source.read_bytes()
    command = [*ORCHESTRA, "run", str(source), "out.ipynb", "--json", *words]
    environ = environment_with(folder)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environ, timeout=PATIENCE_SECONDS)
    assert done.returncode in (0, 1), done.stderr
    ran = Ran(done.returncode, json.loads(done.stdout), done.stderr, json.loads((folder / "out.ipynb").read_text()))
    assert source.read_bytes() == before
    assert ran.notebook["metadata"]["orchestra"]["state"] == ran.document["state"]
    assert len(ran.code_cells) == len(ran.document["cells"])
    assert (ran.exit_code == 0) == (ran.document["state"] == "COMPLETED")
    return ran


def foreign(folder: Path, name: str, *words: str) -> Ran:
    return run(folder, FOREIGN / name, "--cwd", str(folder), *words)


@pytest.mark.parametrize("name", ["seaborn_aesthetics.ipynb", "seaborn_error_bars.ipynb"])
def test_a_notebook_with_figures_completes_and_keeps_them(tmp_path: Path, name: str) -> None:
    pytest.importorskip("seaborn")

    ran = foreign(tmp_path, name, "-k", "python3")

    figures = sum("image/png" in ran.mime_types(number) for number in range(len(ran.code_cells)))
    assert ran.document["state"] == "COMPLETED", ran.document["message"]
    assert set(ran.states) == {"COMPLETED"}
    assert figures >= 5


def test_a_notebook_with_pandas_takes_its_parameter(tmp_path: Path) -> None:
    ran = foreign(tmp_path, "jupytext_parameter.ipynb", "-p", "param", "7")

    tables = [output for cell in ran.code_cells for output in cell["outputs"] if "text/html" in output.get("data", {})]
    assert (ran.document["state"], ran.document["parameters"]) == ("COMPLETED", {"param": 7})
    assert "10" in "".join(tables[0]["data"]["text/html"])  # 3 + param
    assert [cell["metadata"].get("tags") for cell in ran.code_cells][:2] == [["parameters"], ["injected-parameters"]]


def test_a_notebook_that_fails_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    ran = foreign(tmp_path, "nbconvert_with_errors.ipynb")

    assert (ran.exit_code, ran.document["state"]) == (1, "FAILED")
    assert ran.states == ["COMPLETED", "FAILED", "PENDING"]
    assert ran.document["message"] == "RuntimeError: This is a deliberate exception (cell 2, line 2)"
    assert [output["output_type"] for output in ran.code_cells[1]["outputs"]] == ["stream", "error"]


def test_cells_are_numbered_as_in_the_user_s_own_file_which_has_none_for_the_parameters(tmp_path: Path) -> None:
    ran = foreign(tmp_path, "nbconvert_with_errors.ipynb", "-p", "x", "1", "--no-strict")

    assert ran.document["message"] == "RuntimeError: This is a deliberate exception (cell 2, line 2)"
    assert [cell["number"] for cell in ran.document["cells"]] == [0, 1, 2, 3]
    assert ran.document["cells"][2]["error"]["cell"] == "cell 2"
    show = ("runs", "show", ran.document["run_id"], "--json")
    shown = json.loads(run_here(*show, folder=tmp_path, environ=environment_with(tmp_path)).stdout)
    found = [(cell["number"], cell["state"]) for cell in shown["cells"]]
    assert found == [(0, "COMPLETED"), (1, "COMPLETED"), (2, "FAILED"), (3, "NOT_RUN")]


def test_a_notebook_that_fails_at_its_end_has_all_its_kinds_of_output(tmp_path: Path) -> None:
    ran = foreign(tmp_path, "jupytext_all_outputs.ipynb")

    kinds = {output["output_type"] for cell in ran.code_cells for output in cell["outputs"]}
    assert ran.states == ["COMPLETED"] * 6 + ["FAILED"]
    assert ran.document["cells"][6]["error"]["type"] == "NameError"
    assert kinds == {"stream", "display_data", "execute_result", "error"}


def test_a_notebook_in_bash_completes(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "A first commit"], cwd=tmp_path, check=True)

    ran = foreign(tmp_path, "jupytext_bash.ipynb")

    assert ran.document["state"] == "COMPLETED", ran.document["message"]
    assert "A first commit" in json.dumps(ran.notebook)


def test_a_notebook_of_200_cells_completes(tmp_path: Path) -> None:
    ran = foreign(tmp_path, "standard_library_examples.ipynb")

    assert ran.document["state"] == "COMPLETED", ran.document["message"]
    assert ran.states == ["COMPLETED"] * 200


@pytest.mark.parametrize("name", ["nbclient_clear_output.ipynb", "nbclient_update_display_id.ipynb"])
def test_displays_are_cleared_and_updated_as_their_authors_stored_them(tmp_path: Path, name: str) -> None:
    stored = [cell for cell in json.loads((FOREIGN / name).read_text())["cells"] if cell["cell_type"] == "code"]

    ran = foreign(tmp_path, name)

    assert ran.document["state"] == "COMPLETED", ran.document["message"]
    assert [_shown(cell) for cell in ran.code_cells] == [_shown(cell) for cell in stored]


def _shown(cell: dict[str, Any]) -> list[object]:
    """What a cell shows, but for where its objects are in memory."""
    return [output.get("text") or output.get("data", {}).get("text/plain") for output in cell["outputs"]]


# -- task cells


def write_notebook(path: Path, *sources: str) -> Path:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for n, source in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def tasks(ran: Ran) -> dict[str, str]:
    return {task["name"]: task["state"] for task in ran.document["tasks"]}


def test_task_cells_are_child_tasks_and_the_run_ends_when_the_last_one_has(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb",
        "%load_ext orchestra_nb",
        "%%task load\nx = [1, 2, 3]",
        "%%task total\ny = sum(x)",
        "print('total', y)",
        "%%task last\nimport time\ntime.sleep(1)\nprint('late')",
    )

    ran = run(tmp_path, source)

    assert ran.document["state"] == "COMPLETED", ran.document["message"]
    assert tasks(ran) == {"load": "COMPLETED", "total": "COMPLETED", "last": "COMPLETED"}
    assert ran.code_cells[3]["outputs"][0]["text"] == ["total 6\n"]
    assert "late" in json.dumps(ran.code_cells[4]["outputs"])


def test_the_executed_notebook_and_the_log_have_the_last_word_of_each_task(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb",
        "%load_ext orchestra_nb",
        "%%task quiet\nx = 1",
        "%%task load\nprint('one')\nprint('two')\n[x]",
        "%%task broken\nraise ValueError('no rows')",
    )

    ran = run(tmp_path, source, "--log-output")

    shown = [cell["outputs"] for cell in ran.code_cells]
    assert all(output.get("data") != {} for outputs in shown for output in outputs)
    lines = [outputs[0]["data"] for outputs in shown[1:]]
    assert all(line.keys() == {RUN_MIME, "text/html", "text/plain"} for line in lines)
    assert [line[RUN_MIME]["task"]["state"] for line in lines] == ["COMPLETED", "COMPLETED", "FAILED"]
    assert [line[RUN_MIME]["task"]["cell_id"] for line in lines] == ["c1", "c2", "c3"]
    assert ["".join(line["text/plain"]).split("  ")[:2] for line in lines] == [
        ["✓ quiet", "Completed"],
        ["✓ load", "Completed"],
        ["✕ broken", "Failed"],
    ]
    assert "ValueError: no rows" in "".join(lines[2]["text/html"])
    assert [len(outputs) for outputs in shown] == [0, 1, 2, 1]
    assert "".join(shown[2][1]["data"]["text/plain"]) == "one\ntwo\n[1]"
    told = ran.stderr.splitlines()
    assert [text for text in told if text.startswith("load: ")] == ["load: one", "load: two", "load: [1]"]
    for name, word in (("✓ quiet", "Completed"), ("✓ load", "Completed"), ("✕ broken", "Failed")):
        assert len([text for text in told if text.startswith(f"{name}  {word}")]) == 1, told
    assert "Pending" not in ran.stderr


def test_who_reads_the_name_of_a_failed_task_is_told_what_to_do_about_the_run(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb", "%load_ext orchestra_nb", "%%task load\nrows = 1 / 0", "print(rows)"
    )

    ran = run(tmp_path, source)

    error = ran.document["cells"][2]["error"]["message"]
    assert error.startswith("`rows` has no value: task 'load' failed: ZeroDivisionError: division by zero")
    name = ran.notebook["metadata"]["orchestra"]["run_name"]
    assert error.endswith(f"Mend the notebook and run it anew. To run it again as it was: orchestra runs retry {name}")
    assert "its cell" not in error
    cause = "Task load failed: ZeroDivisionError: division by zero"
    assert ran.document["message"] == f"{cause} (1 failed): cell 3 needs what it gives"
    assert [line for line in ran.stderr.splitlines() if line.startswith("  ✕ ")][-2:] == [
        "  ✕ task load, line 2   ZeroDivisionError: division by zero",
        "  ✕ cell 3, line 1   TaskFailed: `rows` has no value",
    ]


def test_the_error_of_a_task_names_its_cell_as_the_run_counts_them(tmp_path: Path) -> None:
    write_notebook(tmp_path / "report.ipynb", "%load_ext orchestra_nb", "", "%%task bad\nx = 1\nraise ValueError(x)")

    ran = run(tmp_path, tmp_path / "report.ipynb")

    (bad,) = ran.document["tasks"]
    assert (bad["error"]["cell"], bad["error"]["line"]) == ("cell 3", 3)
    assert "cell 3, line 3" in json.dumps(ran.code_cells[2]["outputs"])


_ANNOUNCE_SLOWLY = """%load_ext orchestra_nb
import time
from orchestra_nb.engine.event_relay import SocketSink

def send(self, line, send=SocketSink._send, time=time):
    time.sleep(0.3)
    send(self, line)

SocketSink._send = send"""


def test_a_task_of_the_last_cell_is_awaited_however_late_it_is_announced(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "report.ipynb", _ANNOUNCE_SLOWLY, "%%task bad\nx = 1 / 0")

    ran = run(tmp_path, source)

    assert [(task["name"], task["state"]) for task in ran.document["tasks"]] == [("bad", "FAILED")]
    assert (ran.exit_code, ran.document["state"]) == (1, "FAILED")


def test_flows_and_tasks_of_functions_belong_to_the_run_without_the_extension_being_loaded(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb",
        "from orchestra_nb import flow, task\n\n@task\ndef price(n):\n    return 2 * n\n\n"
        "@flow\ndef totals():\n    return price.submit(4).result()",
        "price.map(range(3)).result()",
        "totals()",
    )

    ran = run(tmp_path, source)

    assert ran.document["state"] == "COMPLETED", ran.document["message"]
    assert [task["name"] for task in ran.document["tasks"]] == ["price-0", "price-1", "price-2"]
    shown = run_here("runs", "ls", "--json", folder=tmp_path, environ=environment_with(tmp_path))
    runs = {found["flow_name"]: found for found in json.loads(shown.stdout)["runs"]}
    assert (runs.keys(), runs["totals"]["state"]) == ({"report", "totals"}, "COMPLETED")
    assert runs["totals"]["parent_run_id"] == runs["report"]["run_id"]


def test_a_task_that_exits_its_process_fails_the_run_and_the_body_ran_once(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb",
        "%load_ext orchestra_nb",
        "open('body.txt', 'a').write('once ')",
        "%%task bad\nimport os\nos._exit(3)",
        "%%task good\na = 1",
    )

    ran = run(tmp_path, source)

    (bad,) = [task for task in ran.document["tasks"] if task["name"] == "bad"]
    assert (ran.exit_code, ran.document["state"]) == (1, "FAILED")
    assert tasks(ran) == {"bad": "CRASHED", "good": "COMPLETED"}
    assert "exited with 3" in ran.document["message"]
    assert bad["attempts"] == 1
    assert (tmp_path / "body.txt").read_text() == "once "


#: Ends the kernel once its driver has heard of both tasks, and that the first one runs.
_DIE_WHEN_TOLD = """import os, time
from orchestra_nb.operations.opening import open_store

store = open_store()
while [task.state for task in store.task_runs(os.environ["ORCHESTRA_RUN_ID"])] != ["RUNNING", "PENDING"]:
    time.sleep(0.05)
os._exit(4)"""


def test_a_kernel_that_dies_leaves_no_task_open(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb",
        "%load_ext orchestra_nb",
        "%%task endless\nimport time\nwhile True:\n    time.sleep(0.05)",
        "%%task later --after endless\nb = 2",
        _DIE_WHEN_TOLD,
    )

    ran = run(tmp_path, source)

    assert ran.document["state"] == "CRASHED"
    assert tasks(ran) == {"endless": "CRASHED", "later": "CANCELLED"}


def test_a_failing_cell_outweighs_its_tasks_which_are_waited_for(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "report.ipynb", "%load_ext orchestra_nb", "%%task slow\nimport time\ntime.sleep(1)\na = 1", "1/0"
    )

    ran = run(tmp_path, source)

    assert (ran.document["state"], ran.document["message"]) == (
        "FAILED",
        "ZeroDivisionError: division by zero (cell 3, line 1)",
    )
    assert tasks(ran) == {"slow": "COMPLETED"}


_ENDLESS_TASK = "%%task endless\nimport pathlib, time\npathlib.Path('began').touch()\nwhile True:\n    time.sleep(0.05)"
_STOPPED_WHEN = {
    "in a cell": "import time\nopen('last', 'w').close()\ntime.sleep(600)",
    "in a cell that catches it": (
        "import time\ntry:\n    open('last', 'w').close()\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass"
    ),
    "as the last cell ends": "open('last', 'w').close()",
}


@pytest.mark.parametrize("last", list(_STOPPED_WHEN.values()), ids=list(_STOPPED_WHEN))
def test_a_cancelled_run_shows_its_tasks_as_cancelled(tmp_path: Path, last: str) -> None:
    source = write_notebook(tmp_path / "report.ipynb", "%load_ext orchestra_nb", _ENDLESS_TASK, last)
    command = [sys.executable, "-m", "orchestra_nb", "run", str(source), "out.ipynb", "--json"]
    environ = {**os.environ, "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    running = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    )
    try:
        _wait_until(lambda: (tmp_path / "began").exists() and (tmp_path / "last").exists())
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=PATIENCE_SECONDS)
    finally:
        running.kill()
        running.communicate()

    assert running.returncode == 130, stderr
    document = json.loads(stdout)
    assert document["state"] == "CANCELLED"
    line = _task_line(tmp_path / "out.ipynb")
    shown = line["application/vnd.orchestra.run.v1+json"]
    assert (shown["task"]["state"], shown["live"]) == ("CANCELLED", False)
    assert "Cancelled" in "".join(line["text/html"])
    assert "Cancelling" not in str(line)
    assert [task["state"] for task in document["tasks"]] == ["CANCELLED"]


def _task_line(path: Path) -> dict[str, Any]:
    """The first display under the second cell."""
    return dict(json.loads(path.read_text())["cells"][1]["outputs"][0]["data"])


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.05)
