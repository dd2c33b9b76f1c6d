"""Notebooks and scripts that tests deploy, and the command that deploys them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from orchestra_nb.cli.main import main

PIPELINE = """
from orchestra_nb import flow

print("modules print, too")

@flow(name="etl")
def load(region: str, days: int = 1, options: dict | None = None):
    return region, days

if __name__ == "__main__":
    load("EU")
"""


def write_notebook(path: Path, *sources: str, parameters: str | None = None, outputs: bool = False) -> Path:
    """Write a notebook of code cells, the first one of which declares its parameters."""
    shown = [{"output_type": "stream", "name": "stdout", "text": "shown"}] if outputs else []
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": ["parameters"]} if number == 0 and parameters is not None else {},
            "source": source,
            "outputs": shown,
            "execution_count": 7 if outputs else None,
        }
        for number, source in enumerate(([] if parameters is None else [parameters]) + list(sources))
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def orchestra(*words: str, stdin: str | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, words, input=stdin)


def printed(*words: str) -> str:
    """Return what a command prints on stdout."""
    result = orchestra(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def document(*words: str) -> dict[str, Any]:
    """Return what a command prints with ``--json``."""
    found: dict[str, Any] = json.loads(printed(*words, "--json"))
    return found


def refusal(*words: str) -> tuple[int, str, str]:
    """Return the exit code of a command, the code of its error and its message."""
    result = orchestra(*words, "--json")
    error = json.loads(result.stdout)["error"]
    return result.exit_code, error["code"], error["message"]


def process(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "orchestra_nb", *words]
    return subprocess.run(command, cwd=folder, env=os.environ, input=stdin, capture_output=True, text=True)
