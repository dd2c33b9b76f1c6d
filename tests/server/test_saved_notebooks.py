"""Notebooks that a front end saves through a real server: the empty places under task cells stay out of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat

from orchestra_nb.run_display import RUN_MIME

PLACE: dict[str, Any] = {"output_type": "display_data", "data": {}, "metadata": {}}
LINE: dict[str, Any] = {
    "output_type": "display_data",
    "data": {RUN_MIME: {"view": "task", "live": False}, "text/plain": "✓ clean  Completed"},
    "metadata": {},
}
FIGURE: dict[str, Any] = {"output_type": "display_data", "data": {"text/plain": "<Figure>"}, "metadata": {}}


async def test_a_task_that_showed_nothing_leaves_its_line_only(jp_fetch, jp_root_dir: Path) -> None:
    shown = [[LINE, PLACE], [LINE, FIGURE], [PLACE]]
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": "", "execution_count": n, "outputs": outputs}
        for n, outputs in enumerate(shown)
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

    body = json.dumps({"type": "notebook", "format": "json", "content": content})
    await jp_fetch("api", "contents", "sales.ipynb", method="PUT", body=body)

    saved = nbformat.read(jp_root_dir / "sales.ipynb", as_version=4)
    # the last one is no task cell: what others leave there is theirs
    assert [cell["outputs"] for cell in saved.cells] == [[LINE], [LINE, FIGURE], [PLACE]]


async def test_other_files_are_saved_as_they_are(jp_fetch, jp_root_dir: Path) -> None:
    body = json.dumps({"type": "file", "format": "text", "content": "a,b\n"})

    await jp_fetch("api", "contents", "sales.csv", method="PUT", body=body)

    assert (jp_root_dir / "sales.csv").read_text(encoding="utf-8") == "a,b\n"
