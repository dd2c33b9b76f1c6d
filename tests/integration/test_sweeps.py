"""Sweeps from the shell: a notebook with many combinations of parameters, as one run with child runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts
from notebook_files import write_notebook
from patience import PATIENCE_SECONDS, eventually

from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

pytestmark = pytest.mark.usefixtures("warm_service")

#: Fails for a large alpha until somebody mends it.
TRAIN = """
    from pathlib import Path
    from orchestra_nb import record

    if alpha > 1 and not Path("mended").exists():
        raise ValueError("alpha is too large")
    record(score=alpha * beta, twice=2 * alpha * beta)
    """
ENDLESS = """
    import time
    if fails:
        raise RuntimeError("asked to fail")
    print("begun", flush=True)
    while seconds > 0:
        time.sleep(0.05)
    """


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    write_notebook(tmp_path / "train.ipynb", TRAIN, parameters="alpha = 0.5\nbeta: int = 1")
    write_notebook(tmp_path / "endless.ipynb", ENDLESS, parameters="seconds = 1\nfails = False")
    with flow_scripts(tmp_path) as found:
        yield found


def the_sweep(scripts: FlowScripts) -> Run:
    (sweep,) = scripts.store.list_runs(kind=RunKind.SWEEP)
    return sweep


def children_in(scripts: FlowScripts, state: State, count: int) -> Run:
    """Wait until at least so many child runs are in this state; return the sweep."""

    def find() -> Run | None:
        for run in scripts.store.list_runs(kind=RunKind.SWEEP):
            if sum(child.state is state for child in scripts.store.children(run.run_id)) >= count:
                return run
        return None

    return scripts.wait_for(find, f"{count} child runs that are {state}")


def test_a_sweep_runs_each_combination_tells_all_in_one_table_and_retries_what_failed(scripts: FlowScripts) -> None:
    done = scripts.orchestra(
        *("run", "train.ipynb", "--sweep", "alpha=0.5,2", "--sweep", "beta=1:2:1", "--json", "--limit", "2")
    )

    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["state"] == "FAILED"
    assert "ValueError: alpha is too large (cell 2, line 5)" in document["message"]
    assert [(row["parameters"], row["state"], row["values"]) for row in document["runs"]] == [
        ({"alpha": 0.5, "beta": 1}, "COMPLETED", {"score": 0.5, "twice": 1.0}),
        ({"alpha": 0.5, "beta": 2}, "COMPLETED", {"score": 1.0, "twice": 2.0}),
        ({"alpha": 2, "beta": 1}, "FAILED", {}),
        ({"alpha": 2, "beta": 2}, "FAILED", {}),
    ]
    sweep = the_sweep(scripts)
    folder = scripts.folder / f"train.{sweep.name}"
    assert document["output"] == sweep.output_path == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "1_alpha=0.5_beta=1.ipynb",
        "2_alpha=0.5_beta=2.ipynb",
        "3_alpha=2_beta=1.ipynb",
        "4_alpha=2_beta=2.ipynb",
    ]
    children = scripts.store.children(sweep.run_id)
    assert {child.driver_id for child in children} == {sweep.driver_id}  # one process wrote them all

    shown = scripts.orchestra("runs", "show", sweep.name).stdout
    assert "alpha=[0.5, 2.0], beta=[1, 2]" in shown
    assert "ValueError: alpha is too large" in shown
    listed = scripts.orchestra("runs", "results", sweep.name).stdout.splitlines()
    assert listed[0].split() == ["RUN", "alpha", "beta", "STATE", "TOOK", "score", "twice", "MESSAGE"]
    assert len(listed) == 5
    (line,) = scripts.orchestra("runs", "ls", "--flow", "train").stdout.splitlines()[1:]
    assert sweep.name in line
    assert "4/4" in line

    (scripts.folder / "mended").touch()
    retried = scripts.orchestra("runs", "retry", sweep.name, "--json")

    again = json.loads(retried.stdout)
    assert retried.returncode == 0, retried.stderr
    assert (again["run_id"], again["state"], again["epoch"]) == (sweep.run_id, "COMPLETED", 2)
    assert [row["values"]["score"] for row in again["runs"]] == [0.5, 1.0, 2, 4]
    assert [row["run_id"] for row in again["runs"][:2]] == [row["run_id"] for row in document["runs"][:2]]
    assert len(scripts.store.children(sweep.run_id)) == 6
    refused = scripts.orchestra("runs", "retry", sweep.name)
    assert refused.returncode != 0
    assert "there is nothing to retry" in refused.stderr


def test_a_sweep_says_what_else_is_in_its_folder(scripts: FlowScripts) -> None:
    words = ("run", "train.ipynb", "out", "--sweep", "beta=1,2")

    first = scripts.orchestra(*words, "--sweep", "alpha=0.5")
    same = scripts.orchestra(*words, "--sweep", "alpha=0.5")
    other = scripts.orchestra(*words, "--sweep", "alpha=0.25")

    assert "not of this sweep" not in first.stderr + same.stderr
    assert "out holds 2 notebooks that are not of this sweep" in other.stderr


@pytest.mark.parametrize(
    ("words", "exit_code", "text"),
    [
        (["--sweep", "alpha=1,x", "--sweep", "beta=1,no"], 2, "Combination 2 of 4 (alpha=1, beta=no)"),
        (["--sweep", "gamma=1,2"], 2, "no parameter 'gamma'"),
        (["--sweep", "beta=1:3"], 2, "beta=START:STOP:STEP, such as beta=1:3:1"),
        (["--sweep", "alpha=1,x"], 2, "'alpha' is read as float, the type of its default 0.5"),
        (["--sweep", "alpha=1", "-p", "alpha", "2"], 2, "'alpha' is swept and has one value"),
        (["--sweep-file", "missing.yaml"], 2, "There is no sweep file"),
        (["--sweep", "alpha=1,2", "--no-wait"], 2, "leave out --no-wait"),
        (["--limit", "2"], 2, "--limit is for sweeps"),
        (["-", "--sweep", "alpha=1,2"], 2, "Name it as OUTPUT"),
        (["--sweep", "alpha=1,2", "--log-output"], 2, "--log-output is for one run"),
        (["--sweep", "alpha=1,2", "--cwd", "nowhere"], 2, "nowhere does not exist"),
        (["--sweep", "alpha=1,2", "--cache", "-k", "bash"], 2, "--cache needs a Python kernel"),
        (["--sweep", "alpha=1,2", "--parallel"], 2, "--parallel is for one run"),
        (["nowhere/out", "--sweep", "alpha=1,2"], 2, "nowhere does not exist"),
    ],
    ids="value name no-step inferred twice file no-wait limit stdout one-run cwd cache parallel folder".split(),
)
def test_a_sweep_that_cannot_run_is_refused_before_anything_starts(
    scripts: FlowScripts, words: list[str], exit_code: int, text: str
) -> None:
    done = scripts.refused("run", "train.ipynb", *words)

    assert done.returncode == exit_code
    assert text.lower() in done.stderr.lower()
    assert scripts.store.list_runs() == []
    assert sorted(path.name for path in scripts.folder.glob("*.ipynb")) == ["endless.ipynb", "train.ipynb"]


def test_with_cache_the_runs_of_a_sweep_share_the_cells_that_no_parameter_touches(scripts: FlowScripts) -> None:
    write_notebook(
        scripts.folder / "shared.ipynb",
        "values = [number * number for number in range(1000)]",
        "from orchestra_nb import record\nscore = alpha * sum(values)\nrecord(score=score)",
        parameters="alpha = 1",
    )
    scores = [alpha * 332833500 for alpha in (1, 2, 3, 4)]

    def swept(values: str) -> tuple[list[object], dict[str, list[bool]]]:
        """Run a sweep; return the scores, and for the last two cells whether each run replayed it."""
        done = scripts.orchestra(
            "run", "shared.ipynb", "--sweep", f"alpha={values}", "--cache", "--limit", "2", "--json"
        )
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["runs"]
        cells = [scripts.store.cell_runs(row["run_id"])[-2:] for row in rows]
        replayed = {"values": [one.is_cached for one, _ in cells], "score": [two.is_cached for _, two in cells]}
        return [row["values"]["score"] for row in rows], replayed

    first, replayed = swept("1:3:1")
    assert first == scores[:3]
    assert sum(replayed["values"]) >= 1  # two began at once, and the third found what they had kept
    assert replayed["score"] == [False] * 3

    second, replayed = swept("1:4:1")
    assert second == scores
    assert replayed == {"values": [True] * 4, "score": [True, True, True, False]}


def test_a_run_of_a_sweep_may_sweep_itself(scripts: FlowScripts) -> None:
    write_notebook(
        scripts.folder / "outer.ipynb",
        "from orchestra_nb import notebook_flow, record",
        "record(scores=[found.score for found in notebook_flow('train.ipynb').map(alpha=[0.5, 1], beta=[beta, beta])"
        ".values])",
        parameters="beta = 1",
    )

    done = scripts.orchestra("run", "outer.ipynb", "--sweep", "beta=2")

    assert done.returncode == 0, done.stderr
    assert "beta=2" in done.stderr
    assert "alpha=" not in done.stderr  # the inner one is none of the rows
    assert "[1.0, 2]" in done.stdout


def test_a_sweep_that_is_cancelled_stops_all_its_runs_and_starts_no_more(scripts: FlowScripts) -> None:
    with scripts.orchestra_started("run", "endless.ipynb", "--sweep", "seconds=1,2,3", "--limit", "2") as command:
        sweep = children_in(scripts, State.RUNNING, 2)
        assert scripts.orchestra("runs", "cancel", sweep.name).returncode == 0
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)

    assert command.returncode == 1
    assert "Not started" in output
    assert the_sweep(scripts).state is State.CANCELLED
    states = [child.state for child in scripts.store.children(sweep.run_id)]
    assert states == [State.CANCELLED, State.CANCELLED]


def test_ctrl_c_stops_a_sweep(scripts: FlowScripts) -> None:
    with scripts.orchestra_started("run", "endless.ipynb", "--sweep", "seconds=1,2") as command:
        children_in(scripts, State.RUNNING, 1)
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=PATIENCE_SECONDS)

    assert command.returncode == 130
    assert the_sweep(scripts).state is State.CANCELLED


def test_a_sweep_whose_command_is_killed_is_crashed_with_all_its_runs(scripts: FlowScripts) -> None:
    with scripts.orchestra_started("run", "endless.ipynb", "--sweep", "seconds=1,0", "--limit", "1") as command:
        sweep = children_in(scripts, State.RUNNING, 1)
        command.kill()
        command.communicate(timeout=PATIENCE_SECONDS)

    def is_crashed() -> bool:
        # every process that opens the store ends what dead drivers left, once no runner of theirs writes any more
        scripts.orchestra("runs", "ls")
        return the_sweep(scripts).state is State.CRASHED

    eventually(is_crashed)
    assert [child.state for child in scripts.store.children(sweep.run_id)] == [State.CRASHED]
    assert "killed by SIGKILL" in the_sweep(scripts).message or "died" in the_sweep(scripts).message


def test_with_stop_on_failure_one_failed_run_ends_the_others(scripts: FlowScripts) -> None:
    (scripts.folder / "list.yaml").write_text("- {seconds: 1}\n- {fails: true}\n- {seconds: 2}\n")

    done = scripts.orchestra(
        *("run", "endless.ipynb", "--sweep-file", "list.yaml", "--limit", "2", "--on-failure", "stop", "--json")
    )

    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert [row["state"] for row in document["runs"]] == ["CANCELLED", "FAILED", None]
    assert "RuntimeError: asked to fail" in document["message"]
