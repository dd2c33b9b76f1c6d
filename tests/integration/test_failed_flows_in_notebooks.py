"""Flows that a cell calls in a whole notebook that runs: what fails in them is told by the cell's number in the file."""

from __future__ import annotations

from pathlib import Path

from flow_scripts import flow_scripts
from notebook_files import write_notebook

from orchestra_nb.model.runs import RunKind


def test_what_fails_in_a_flow_of_a_notebook_is_told_by_the_number_of_its_cell(tmp_path: Path) -> None:
    with flow_scripts(tmp_path) as scripts:
        write_notebook(
            scripts.folder / "report.ipynb",
            "region = 'EU'",
            "from orchestra_nb import flow, task\n\n@task\ndef load():\n    raise ValueError('no prices')",
            "@flow\ndef sales():\n    load()\n\nsales()",
            parameters="region = 'US'",
        )

        scripts.orchestra("run", "report.ipynb", "-p", "region", "DE")

        (run,) = scripts.store.list_runs(kind=RunKind.FLOW)
        (task,) = scripts.store.task_runs(run.run_id)
        shown = scripts.orchestra("runs", "show", run.name).stdout
    assert task.error is not None
    assert (task.error.cell, task.error.line) == ("cell 3", 5)
    assert "ValueError: no prices (cell 3, line 5)" in shown
    assert 'File "<cell 3>", line 5, in load' in shown
    assert "ipykernel" not in shown
