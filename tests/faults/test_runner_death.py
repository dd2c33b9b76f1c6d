"""The runner of a notebook is killed while it tells its driver something: the run has an end all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faults.notebook_command import code_cell, notebook_of
from tests.patience import PATIENCE_SECONDS, eventually

#: Prints more than a socket takes when nobody reads, once it may.
_LOUD = """
import time
from pathlib import Path
print("begun", flush=True)
while not Path("go on").exists():
    time.sleep(0.02)
for number in range(4_000):
    print("x" * 500, number)
print("all is said")
while True:
    time.sleep(0.05)
"""


@contextmanager
def command_started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give the command that runs the notebook; it is killed at the end if it has not ended."""
    words = [sys.executable, "-m", "orchestra_nb", "run", "n.ipynb", "out.ipynb", "--json"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        try:
            yield command
        finally:
            command.kill()


def runner_of(command: subprocess.Popen[str]) -> psutil.Process:
    """Return the process that listens to the kernel of a command's notebook."""
    children = {child.pid for child in psutil.Process(command.pid).children(recursive=True)}
    sockets = psutil.net_connections("unix")
    (pid,) = {one.pid for one in sockets if str(one.laddr).endswith(".sock") and one.pid in children}
    return psutil.Process(pid)


def test_a_runner_that_is_killed_in_the_middle_of_a_message_crashes_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook_of(code_cell(_LOUD) | {"id": "loud"})))
    with command_started(tmp_path) as command:
        eventually(lambda: True if (tmp_path / "out.ipynb").is_symlink() else None)
        runner = runner_of(command)
        driver = psutil.Process(command.pid)
        driver.suspend()
        (tmp_path / "go on").touch()
        eventually(lambda: True if r"all is said\n" in (tmp_path / "out.ipynb").read_text() else None)

        runner.kill()
        driver.resume()
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)

    ended = json.loads(output)
    assert command.returncode != 0
    assert ended["state"] == "CRASHED"
    assert "The process that ran the notebook ended (killed by SIGKILL)" in ended["message"]
