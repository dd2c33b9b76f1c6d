"""``orchestra params``: what a notebook takes, for people and for scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CELL = """\
day: date = date(2026, 1, 1)  # the first\tday
limit: int  # rows
token: SecretStr = SecretStr("hunter2")
many = [
    1,
]
"""


def write_notebook(path: Path, *cells: tuple[str, str | None], language: str = "python") -> None:
    written = [
        {"cell_type": "code", "source": source, "metadata": {} if tag is None else {"tags": [tag]}}
        for source, tag in cells
    ]
    metadata = {"kernelspec": {"name": language, "language": language}}
    path.write_text(json.dumps({"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))


def orchestra_params(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestra_nb", "params", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_parameters_are_shown_as_a_table(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ("from datetime import date", None), (CELL, "parameters"))

    shown = orchestra_params(tmp_path, "n.ipynb")

    assert (shown.returncode, shown.stderr) == (0, "")
    rows = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert rows == [
        "NAME TYPE DEFAULT HELP",
        "day date date(2026, 1, 1) the first day",
        "limit int (needed) rows",
        "token SecretStr ••••",
        "many list[int] [ …",
    ]


def test_parameters_are_printed_as_json_with_a_schema(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", ("from datetime import date", None), (CELL, "parameters"))

    document: dict[str, Any] = json.loads(orchestra_params(tmp_path, "n.ipynb", "--json").stdout)

    assert list(document) == ["path", "language", "declared", "problem", "parameters", "schema"]
    assert document["path"] == str(tmp_path / "n.ipynb")
    assert document["parameters"][0] == {
        "name": "day",
        "type": "date",
        "annotated": True,
        "required": False,
        "secret": False,
        "default_source": "date(2026, 1, 1)",
        "default": "2026-01-01",
        "help": "the first\tday",
    }
    assert (document["schema"]["title"], document["schema"]["required"]) == ("n", ["limit"])
    assert document["schema"]["additionalProperties"] is False
    assert "hunter2" not in json.dumps(document)


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    write_notebook(tmp_path / "none.ipynb", ("x = 1", None))
    write_notebook(tmp_path / "empty.ipynb", ("", "parameters"))
    write_notebook(tmp_path / "broken.ipynb", ("x = (", "parameters"))
    write_notebook(tmp_path / "shell.ipynb", ("x=1", "parameters"), language="bash")

    said = {
        name: orchestra_params(tmp_path, f"{name}.ipynb") for name in ("none", "empty", "broken", "shell", "missing")
    }

    assert {name: (done.returncode, done.stdout) for name, done in said.items()} == {
        "none": (0, ""),
        "empty": (0, ""),
        "broken": (0, ""),
        "shell": (0, ""),
        "missing": (3, ""),
    }
    assert said["none"].stderr == "No code cell has the tag 'parameters'.\n"
    assert said["empty"].stderr == "The parameters cell declares none.\n"
    assert said["broken"].stderr == "The parameters cell is no Python that can be read: line 1: '(' was never closed.\n"
    assert "in bash declares cannot be told; any name may be given" in said["shell"].stderr
    assert "There is no notebook missing.ipynb" in said["missing"].stderr
