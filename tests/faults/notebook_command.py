"""``orchestra run`` as a process, and notebooks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.command_here import run_here
from tests.patience import PATIENCE_SECONDS


def code_cell(source: str, tag: str | None = None) -> dict[str, Any]:
    """Return a code cell without an id."""
    metadata = {} if tag is None else {"tags": [tag]}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def notebook_of(*cells: dict[str, Any], kernel: str = "python3", **changes: Any) -> dict[str, Any]:
    """Return a notebook as JSON has it."""
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5, **changes}


def orchestra_run(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, the printed object and what was said beside it."""
    command = [sys.executable, "-m", "orchestra_nb", "run", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    return done.returncode, json.loads(done.stdout), done.stderr


def refused_run(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Return the same of a run that is refused before anything starts, without a process of its own."""
    done = run_here("run", *words, "--json", folder=folder, environ=os.environ)
    return done.returncode, json.loads(done.stdout), done.stderr


def printed(path: Path) -> str:
    """Return what all cells of an executed notebook printed."""
    cells = json.loads(path.read_text())["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return "".join("".join(output.get("text", ())) for output in outputs)
