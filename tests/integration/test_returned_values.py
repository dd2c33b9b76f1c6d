"""Values that a notebook returns: from a real kernel and a task cell's worker, to the shell, the store and Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts
from notebook_files import write_notebook

from orchestra_nb.model.recorded_values import VALUE_MIME
from orchestra_nb.model.runs import Run

CELLS = (
    """
    import dataclasses
    import pandas as pd
    from orchestra_nb import record

    @dataclasses.dataclass
    class Model:
        weights: list
        name: str
    """,
    """
    record(auc=region_share / 2, table=pd.DataFrame({"region": ["EU", "US"], "sales": [1, 2]}), word="two words")
    record(big=list(range(50_000)), model=Model([1.5], "linear"))
    record(auc=region_share)
    """,
    """
    %load_ext orchestra_nb
    best = {"depth": 3}
    %flow return best, deepest=best["depth"] + 1
    """,
    """
    %%task
    record(from_worker=region_share * 10)
    made = 5
    """,
    """
    %flow return made
    """,
    """
    import threading
    record(lock=threading.Lock())
    """,
    """
    for line in ("return", "return 1 + 1", "return **best", "return (", "returns"):
        try:
            get_ipython().run_line_magic("flow", line)
        except Exception as error:
            print(type(error).__name__, error)
    """,
)


@dataclass(frozen=True)
class Returned:
    scripts: FlowScripts
    run: Run
    output: Path

    def results(self, *words: str) -> str:
        done = self.scripts.orchestra("runs", "results", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def returned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Returned]:
    folder = tmp_path_factory.mktemp("returned")
    source = write_notebook(
        folder / "report.ipynb", *CELLS, parameters="region_share = 0.5", tags={6: "raises-exception"}
    )
    with flow_scripts(folder) as scripts:
        done = scripts.orchestra("run", str(source), "out.ipynb", "-p", "region_share", "0.75")
        assert done.returncode == 0, done.stderr
        (run,) = scripts.store.list_runs()
        yield Returned(scripts, run, folder / "out.ipynb")


def test_all_values_are_listed_with_their_types_and_the_last_of_a_name(returned: Returned) -> None:
    document = json.loads(returned.results(returned.run.name, "--json"))

    assert document["values"] == {
        "table": [{"region": "EU", "sales": 1}, {"region": "US", "sales": 2}],
        "word": "two words",
        "big": "list, 50,000 items",
        "model": {"weights": [1.5], "name": "linear"},
        "auc": 0.75,
        "best": {"depth": 3},
        "deepest": 4,
        "from_worker": 7.5,
        "made": 5,
    }
    assert {one["name"]: one["type"] for one in document["recorded"]}["model"] == "Model"
    assert "list, 50,000 items" in returned.results(returned.run.name)


def test_one_value_is_printed_whole(returned: Returned) -> None:
    assert returned.results(returned.run.name, "model") == "Model(weights=[1.5], name='linear')\n"
    assert "EU      1" in returned.results(returned.run.name, "table")


def test_the_executed_notebook_tells_the_same_without_the_store(returned: Returned) -> None:
    from_run = json.loads(returned.results(returned.run.name, "--json"))["values"]
    from_file = json.loads(returned.results(str(returned.output), "--json"))["values"]

    assert from_file == from_run
    assert json.loads(returned.results(str(returned.output), "big", "--json"))["value"] == list(range(50_000))


def test_a_recorded_value_is_readable_where_nobody_knows_our_mime_type(returned: Returned) -> None:
    cells = json.loads(returned.output.read_text())["cells"]
    bundles = [output["data"] for output in cells[3]["outputs"]]

    assert all({VALUE_MIME, "text/html", "text/plain"} == set(bundle) for bundle in bundles)
    assert "".join(bundles[0]["text/plain"]) == "auc = 0.375"
    assert "<table" in "".join(bundles[1]["text/html"])


def test_a_value_that_cannot_be_kept_says_so_in_its_cell(returned: Returned) -> None:
    error = json.loads(returned.output.read_text())["cells"][7]["outputs"][0]

    assert error["ename"] == "ValueNotPortable"
    assert "record(lock=…): a value of type lock cannot be kept" in error["evalue"]
    assert "Record the values that it guards" in error["evalue"]


def test_a_magic_that_returns_nothing_says_how_to_write_it(returned: Returned) -> None:
    cell = json.loads(returned.output.read_text())["cells"][8]

    usage = "Write %flow return NAME, or %flow return NAME=EXPRESSION; several with commas."
    assert "".join(cell["outputs"][0]["text"]).splitlines()[:6] == [
        f"UsageError {usage}",
        f"UsageError %flow return: '1 + 1' has no name. {usage}",
        f"UsageError {usage}",
        f"UsageError %flow return (: '(' was never closed. {usage}",
        "UsageError %flow knows no 'returns'. It takes:",
        "%flow                       show the graph of this notebook's tasks, live",
    ]


def test_a_run_and_its_page_tell_what_it_returned(returned: Returned) -> None:
    shown = returned.scripts.orchestra("runs", "show", returned.run.name, "--json")

    assert json.loads(shown.stdout)["values"]["auc"] == 0.75


def test_a_name_that_was_not_returned_is_refused_with_the_nearest(returned: Returned) -> None:
    done = returned.scripts.orchestra("runs", "results", returned.run.name, "acu")

    assert done.returncode == 3
    assert "Did you mean 'auc'?" in done.stderr


def test_python_reads_the_values_of_a_run(returned: Returned) -> None:
    done = returned.scripts.run(
        """
        from orchestra_nb.operations.run_notebook import run_notebook
        result = run_notebook("report.ipynb", parameters={"region_share": 1.0})
        print(result.run.state, result.values.auc, result.values["model"].name, len(result.values["big"]))
        """
    )

    assert done.stdout == "COMPLETED 1.0 linear 50000\n", done.stderr
