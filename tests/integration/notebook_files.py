"""Writes notebooks for tests."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any


def write_notebook(
    path: Path, *sources: str, parameters: str | None = None, tags: dict[int, str] | None = None
) -> Path:
    """Write a notebook of code cells; ``tags`` gives the cell of an index, the parameters cell counted, a tag."""
    all_sources = ([] if parameters is None else [parameters]) + list(sources)
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "source": textwrap.dedent(source).strip(),
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(all_sources)
    ]
    first = {} if parameters is None else {0: "parameters"}
    for number, tag in (first | (tags or {})).items():
        cells[number]["metadata"] = {"tags": [tag]}
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path
