"""What a terminal IPython shows of tasks and flows: text, each once, since it cannot change what it has printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

SETUP = """
import time
from orchestra_nb import flow, task

@task
def wait(x):
    time.sleep(1.5)
    if x == "bad":
        raise ValueError("no such region")
    return x

@flow
def report(values):
    return wait.map(values).result()

@flow
def quick():
    return 7

shell = get_ipython()
"""


def terminal(folder: Path, code: str) -> list[str]:
    """Return the lines that a terminal IPython prints while it runs this code."""
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", f"{SETUP}\n{code}"]
    environ = os.environ | {"IPYTHONDIR": str(folder)}
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("is_loaded", [True, False], ids=["with the extension", "without it"])
def test_a_called_flow_is_a_few_lines_when_it_has_ended(tmp_path: Path, is_loaded: bool) -> None:
    load = "shell.run_line_magic('load_ext', 'orchestra_nb')\n" if is_loaded else ""

    lines = terminal(tmp_path, f"{load}assert report(['a', 'b']) == ['a', 'b']\nquick()\nprint('done')")

    assert lines[-1] == "done"
    if not is_loaded:
        assert len(lines) == 1  # the log says it on standard error, as in a script
        return
    head, group, _ = lines
    assert head.startswith("✓ Completed  report · run ")
    assert head.endswith("2 of 2 tasks")
    assert group.strip() == "✓ wait ×2  2 completed"


def test_a_failed_flow_names_its_failure(tmp_path: Path) -> None:
    code = """shell.run_line_magic('load_ext', 'orchestra_nb')
try:
    report(['a', 'bad'])
except ValueError as error:
    print('raised', error)
"""

    head, failure, group, raised = terminal(tmp_path, code)

    assert head.startswith("✕ Failed  report · run ")
    assert failure.strip().startswith("✕ wait-1  Failed  ValueError: no such region")
    assert group.strip() == "✕ wait ×2  1 failed, 1 completed"
    assert raised == "raised no such region"


def test_a_task_is_printed_when_it_begins_and_when_it_has_ended_and_a_graph_once(tmp_path: Path) -> None:
    code = """shell.run_line_magic('load_ext', 'orchestra_nb')
shell.run_cell_magic('task', 'nap', 'import time\\nprint(1)\\ntime.sleep(0.5)\\nprint(2)\\nx = 5')
shell.run_cell('print(x)')
shell.run_line_magic('flow', '')
shell.run_cell_magic('task', 'more --wait', 'y = x')
"""

    lines = [line.strip() for line in terminal(tmp_path, code)]

    assert lines[0].startswith(("○ nap  Pending", "▶ nap  Running"))  # as it stands when the cell returns
    assert lines[1:3] == ["nap: 1", "nap: 2"]
    assert lines[3].startswith("✓ nap  Completed")
    assert lines[4] == "5"  # what a cell prints that waited comes after what it waited for
    assert sum(line.startswith("✓ nap  Completed") for line in lines) == 2  # its line, and that of the graph
    assert sum("notebook · run" in line for line in lines) == 1
    assert sum(line.startswith("✓ more  Completed") for line in lines) == 1


def test_a_task_cell_is_typed_line_by_line_as_any_other_cell(tmp_path: Path) -> None:
    lines = terminal(
        tmp_path,
        "shell.run_line_magic('load_ext', 'orchestra_nb')\n"
        "for typed in ('%%time', '%%task load', '%%task load\\nx = 1', '%%task load\\nx = 1\\n\\n'):\n"
        "    print(shell.check_complete(typed)[0])\n"
        "shell.run_cell('%%task load')",
    )

    assert lines[:4] == ["incomplete", "incomplete", "incomplete", "complete"]
    assert "%%task: the cell is empty. Write the code of the task below the line." in lines[-1]
