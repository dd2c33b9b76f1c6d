"""The page of the manual on parameters: its notebook and its commands do what the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.notebook_command import code_cell, notebook_of
from tests.patience import PATIENCE_SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    text = PAGE.read_text()
    above, defaults, use = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[:3]
    cells = [code_cell(above), code_cell(defaults, "parameters"), code_cell(use)]
    (tmp_path / "report.ipynb").write_text(json.dumps(notebook_of(*cells)))
    codes: dict[str, set[int]] = {}

    for heading, section in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.MULTILINE):
        for command, shown in re.findall(r"^\$ orchestra (.*)\n((?:(?!```|\$).*\n)*)", section, re.MULTILINE):
            words = [sys.executable, "-m", "orchestra_nb", *shlex.split(command)]
            done = subprocess.run(
                words, cwd=tmp_path, input="S3cr3t", capture_output=True, text=True, timeout=PATIENCE_SECONDS
            )
            codes.setdefault(heading, set()).add(done.returncode)
            for line in shown.splitlines():
                # columns are as wide as the page's widest, and what follows an ellipsis is left out
                wanted = " ".join(line.partition("…")[0].split())
                assert wanted in " ".join((done.stdout + done.stderr).split()), command

    assert codes == {"What a notebook takes": {0}, "Giving values": {0}, "What is refused": {2}, "Secrets": {0}}
