"""The page of the manual on parameters: its notebook and its commands do what the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from command_here import run_here
from warm_service import ORCHESTRA, environment_with

from tests.faults.notebook_command import code_cell, notebook_of
from tests.patience import PATIENCE_SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"


def orchestra(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Type a command, with a secret to read on stdin."""
    environ = environment_with(folder)
    if words[0] != "run":
        return run_here(*words, folder=folder, environ=environ, stdin="S3cr3t")
    return subprocess.run(
        [*ORCHESTRA, *words],
        cwd=folder,
        env=environ,
        input="S3cr3t",
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.usefixtures("warm_service")
def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    text = PAGE.read_text()
    above, defaults, use = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[:3]
    cells = [code_cell(above), code_cell(defaults, "parameters"), code_cell(use)]
    (tmp_path / "report.ipynb").write_text(json.dumps(notebook_of(*cells)))
    codes: dict[str, set[int]] = {}

    for heading, section in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.MULTILINE):
        for command, shown in re.findall(r"^\$ orchestra (.*)\n((?:(?!```|\$).*\n)*)", section, re.MULTILINE):
            done = orchestra(*shlex.split(command), folder=tmp_path)
            codes.setdefault(heading, set()).add(done.returncode)
            for line in shown.splitlines():
                # columns are as wide as the page's widest, and what follows an ellipsis is left out
                wanted = " ".join(line.partition("…")[0].split())
                assert wanted in " ".join((done.stdout + done.stderr).split()), command

    assert codes == {"What a notebook takes": {0}, "Giving values": {0}, "What is refused": {2}, "Secrets": {0}}
