"""Flows of no deployment that are run anew with the code and the parameters of an earlier run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts

from orchestra_nb.model.states import State

SALES = """
    from pathlib import Path
    from orchestra_nb import flow

    @flow
    def sales(regions, year: int = 2026):
        if Path("broken").exists():
            raise ValueError("no prices")
        with open("out", "a") as out:
            out.write(f"{regions!r} {year}\\n")

    if __name__ == "__main__":
        sales(("EU", "US"), year=2025)
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    with flow_scripts(tmp_path) as found:
        yield found


def test_a_script_that_completed_is_run_anew_with_its_parameters(scripts: FlowScripts) -> None:
    scripts.run(SALES)
    (first,) = scripts.store.list_runs()

    again = scripts.orchestra("runs", "again", first.name, "--json")
    (scripts.folder / "broken").touch()
    failed = scripts.orchestra("runs", "again", first.run_id)

    assert again.returncode == 0, again.stderr
    assert (failed.returncode, "ValueError: no prices" in failed.stderr) == (1, True)
    assert (scripts.folder / "out").read_text() == "('EU', 'US') 2025\n" * 2
    newest, second, oldest = scripts.store.list_runs()
    assert [(run.state, run.epoch) for run in (oldest, second, newest)] == [
        *[(State.COMPLETED, 1)] * 2,
        (State.FAILED, 1),
    ]
    assert oldest.run_id == first.run_id
    assert json.loads(again.stdout) == {"run_id": second.run_id, "name": second.name, "state": "COMPLETED"}


def test_a_flow_of_many_flows_is_run_anew_as_one(scripts: FlowScripts) -> None:
    scripts.run(
        """
        from orchestra_nb import flow

        @flow
        def region(number):
            return number

        @flow
        def regions():
            return sum(region(number) for number in range(60))

        if __name__ == "__main__":
            regions()
        """
    )
    first = scripts.store.list_runs(flow_name="regions")[0]

    again = scripts.orchestra("runs", "again", first.name, "--json")

    assert again.returncode == 0, again.stderr
    newest = scripts.store.list_runs(flow_name="regions")[0]
    assert newest.run_id != first.run_id
    assert json.loads(again.stdout) == {"run_id": newest.run_id, "name": newest.name, "state": "COMPLETED"}


def test_what_cannot_be_run_anew_is_refused_with_what_can(scripts: FlowScripts) -> None:
    scripts.run("from orchestra_nb import task\n\n@task\ndef load():\n    return 1\n\nload()\n")
    (of_task,) = scripts.store.list_runs()

    none = scripts.refused("runs", "again", "no-run")
    task = scripts.refused("runs", "again", of_task.name)

    assert (none.returncode, "no-run" in none.stderr) == (3, True)
    assert (task.returncode, "is no run of a flow in Python" in task.stderr) == (1, True)
    assert "Call what it ran again where it was called." in task.stderr
    assert len(scripts.store.list_runs()) == 1
