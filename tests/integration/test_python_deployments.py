"""Deployments that Python makes: a script's and a module's flow, a notebook, and the notebook that is open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from notebook_files import write_notebook
from notebook_kernel import NotebookKernel

import orchestra_nb
from orchestra_nb.errors import CodeNotFound, InvalidInput, InvalidParameters, InvalidSchedule, PoolNotFound
from orchestra_nb.model.deployments import FlowTarget, NotebookTarget
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.schedules import CronSchedule, IntervalSchedule, RecurrenceSchedule
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.schedules import Cron, Interval, RRule
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore

MODULE = """
from orchestra_nb import flow

@flow(description="Loads a region", tags=["etl"])
def load(region: str = "EU", days: int = 1):
    return region

@flow
def nested():
    return load()
"""
SCRIPT = """
from orchestra_nb import flow

@flow
def load(region: str = "EU"):
    return region

made = load.deploy(name="scripted", every="1h", timezone="UTC", parameters={"region": "US"})
print(made.outcome, made.version)
if __name__ == "__main__":
    print("ran as a script")
"""


@pytest.fixture
def deployments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeploymentStore]:
    url = f"sqlite:///{tmp_path / 'orchestra.db'}"
    monkeypatch.setenv("ORCHESTRA_STORE_URL", url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployed_pipeline.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_notebook(tmp_path / "train.ipynb", "alpha", parameters="alpha: float = 0.1\nday: str = ''")
    database = open_database(url)
    PoolStore(database).create(WorkPool(name="gpu"), datetime.now(UTC))
    yield DeploymentStore(database)
    database.close()
    sys.modules.pop("deployed_pipeline", None)


def test_a_flow_of_a_module_is_deployed_with_all_that_can_be_said(deployments: DeploymentStore, tmp_path: Path) -> None:
    from deployed_pipeline import load  # type: ignore[import-not-found]

    made = load.deploy(
        name="regions",
        schedules=[
            Cron("0 7 * * 1-5", "Europe/Berlin", parameters={"region": "EU"}),
            Interval(timedelta(minutes=15), jitter="30s", active=False),
            RRule("FREQ=DAILY", timezone="UTC", days_off=["2026-12-25"]),
            {"cron": "@daily", "timezone": "UTC", "catchup": "all"},
        ],
        parameters={"days": 2},
        concurrency_limit=1,
        on_conflict="skip",
        work_pool_name="gpu",
        retries=2,
        retry_delay_seconds=[1, 5],
        timeout_seconds=60,
        paused=True,
    )

    spec = deployments.get("regions").spec
    assert spec.target == FlowTarget(
        entrypoint="deployed_pipeline:load", working_folder=str(tmp_path), import_folder=str(tmp_path)
    )
    assert [type(one.schedule) for one in spec.schedules] == [
        CronSchedule,
        IntervalSchedule,
        RecurrenceSchedule,
        CronSchedule,
    ]
    assert [(one.parameters, one.is_active) for one in spec.schedules[:2]] == [({"region": "EU"}, True), ({}, False)]
    assert (spec.description, spec.tags, spec.parameters) == ("Loads a region", {"etl": ""}, {"days": 2})
    assert (spec.concurrency, spec.on_conflict, spec.pool, spec.timeout_seconds) == (1, "skip", "gpu", 60)
    assert spec.retry == RetryPolicy(retries=2, delays_seconds=(1.0, 5.0))
    assert (made.outcome, made.version, made.next_times(), deployments.get("regions").is_paused) == (
        "created",
        1,
        [],
        True,
    )


def test_a_run_of_it_waits_with_other_parameters(deployments: DeploymentStore) -> None:
    from deployed_pipeline import load

    made = load.deploy()
    run = made.run({"days": 3})

    assert (made.name, run.deployment, run.parameters, run.state) == ("load", "load", {"days": 3}, State.SCHEDULED)
    assert "not due by itself" in repr(made)
    with pytest.raises(InvalidParameters, match="no parameter 'dayz'"):
        made.run({"dayz": 3})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"crn": "@daily"}, InvalidInput, "no option 'crn'. Did you mean cron"),
        ({"cron": "0 77 * * *"}, InvalidSchedule, "hours are 0 to 23"),
        ({"cron": "@daily", "every": "1h"}, InvalidSchedule, "one of a cron expression"),
        ({"timezone": "UTC"}, InvalidInput, "timezone is about a schedule"),
        ({"every": timedelta(seconds=-1)}, InvalidSchedule, "is no duration"),
        ({"schedules": ["@daily"]}, InvalidInput, "is no schedule"),
        ({"parameters": {"region": Secret("x")}}, InvalidParameters, "takes no secret"),
        ({"parameters": {"region": object()}}, InvalidInput, "which is no JSON"),
        ({"pool": "nowhere"}, PoolNotFound, "There is no pool 'nowhere'"),
        ({"concurrency": 1, "concurrency_limit": 2}, InvalidInput, "are the same"),
        ({"retries": -1}, InvalidInput, "retries is -1"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    deployments: DeploymentStore, options: dict[str, object], error: type[Exception], message: str
) -> None:
    from deployed_pipeline import load

    with pytest.raises(error, match=message):
        load.deploy(name="x", **options)
    assert deployments.list_deployments() == []


def test_a_flow_that_no_other_process_finds_is_refused(deployments: DeploymentStore) -> None:
    @orchestra_nb.flow
    def inner() -> None:
        """Stand in a function."""

    with pytest.raises(CodeNotFound, match="cannot be imported by another process"):
        inner.deploy(name="x")


def test_a_script_deploys_its_own_flow_once(deployments: DeploymentStore, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)

    first, again = (
        subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True) for _ in range(2)
    )

    assert (first.stdout, first.stderr) == ("created 1\nran as a script\n", "")
    assert again.stdout == "unchanged 1\nran as a script\n"
    assert deployments.get("scripted").spec.target == FlowTarget(
        entrypoint=f"{tmp_path}/script.py:load", working_folder=str(tmp_path), import_folder=str(tmp_path)
    )


def test_a_notebook_flow_is_deployed_as_it_is_called(deployments: DeploymentStore, tmp_path: Path) -> None:
    train = orchestra_nb.notebook_flow("train.ipynb", name="fit", retries=1, tags=["ml"], timeout_seconds=9)

    made = train.deploy("nightly", cron="0 3 * * *", timezone="Europe/Berlin", parameters={"alpha": 0.5}, cache=True)

    spec = deployments.get("nightly").spec
    assert spec.target == NotebookTarget(path=str(tmp_path / "train.ipynb"), is_cached=True)
    assert (spec.flow_name, spec.tags, spec.retry.retries, spec.timeout_seconds) == ("fit", {"ml": ""}, 1, 9)
    assert (spec.parameters, len(made.next_times())) == ({"alpha": 0.5}, 3)
    assert repr(made).startswith("<deployment nightly, version 1, created: at 03:00, every day, Europe/Berlin; next ")
    with pytest.raises(InvalidParameters, match="'alpha'"):
        train.deploy("nightly", parameters={"alpha": "x"})


def test_the_open_notebook_is_deployed_as_it_is_saved(deployments: DeploymentStore, tmp_path: Path) -> None:
    line = "%flow deploy --name open --cron '0 7 * * *' --timezone Europe/Berlin -p alpha 0.7"
    with NotebookKernel(tmp_path, {"JPY_SESSION_NAME": str(tmp_path / "train.ipynb")}) as kernel:
        kernel.run("%load_ext orchestra_nb")
        made = kernel.run(line)
        wrong = kernel.run("%flow deploy --name open -p alhpa 1")
        usage = kernel.run("%flow deploy --nmae open")
        kernel.run("import os; del os.environ['JPY_SESSION_NAME']")
        nameless = kernel.run("%flow deploy --name open")
        named = kernel.run("%flow deploy train.ipynb --name other")

    assert made.output.startswith("Created the deployment open of train.\nAt 07:00, every day, Europe/Berlin.\n")
    assert "Deployed as it was saved at " in made.output
    assert "No service is up" in made.output
    assert "Did you mean 'alpha'?" in str(wrong.error)
    assert "No such option" in str(usage.error)
    assert "does not tell this notebook's path. Add it: %flow deploy NOTEBOOK.ipynb" in str(nameless.error)
    assert (named.error, [one.name for one in deployments.list_deployments()]) == (None, ["open", "other"])
    assert deployments.get("open").spec.parameters == {"alpha": 0.7}


def test_a_run_of_a_notebook_that_deploys_itself_deploys_nothing(deployments: DeploymentStore, tmp_path: Path) -> None:
    write_notebook(tmp_path / "self.ipynb", "%load_ext orchestra_nb", "%flow deploy self.ipynb --name self")

    command = [sys.executable, "-m", "orchestra_nb", "run", "self.ipynb", "out.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    assert "".join(cells[-1]["outputs"][0]["text"]) == "This is a run: nothing is deployed.\n"
    assert deployments.list_deployments() == []
