"""Loading the extension: cheap, configured by traits or the environment, and gone without a trace when it stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from example_runs import run_of
from tornado.httpclient import HTTPClientError
from traitlets.config import Config

from orchestra_nb.acting_user import acting_as
from orchestra_nb.model.automations import Automation, Happens, RunMatch
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.states import State
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.deployment_store import DeploymentStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parent.parent.parent


def test_loading_the_extension_loads_nothing_that_the_server_has_not() -> None:
    heavy = [
        "sqlalchemy",
        "alembic",
        "distributed",
        "dask",
        "rich",
        "papermill",
        "psutil",
        "orchestra_nb.notebooks.dataflow",
    ]
    code = f"""
import sys, jupyter_server.serverapp
before = set(sys.modules)
from orchestra_nb import _jupyter_server_extension_points
points = _jupyter_server_extension_points()
print([name for name in {heavy!r} if name in set(sys.modules) - before], points[0]["app"].name)
"""

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed.strip() == "[] orchestra_nb"


def test_the_shipped_configuration_enables_the_extension() -> None:
    file = ROOT / "jupyter-config/jupyter_server_config.d/orchestra_nb.json"

    enabled = json.loads(file.read_text(encoding="utf-8"))

    assert enabled == {"ServerApp": {"jpserver_extensions": {"orchestra_nb": True}}}


async def test_the_store_is_not_opened_before_a_request_needs_it(jp_serverapp, jp_fetch, store_url) -> None:
    file = Path(store_url.removeprefix("sqlite:///"))
    before = file.exists()

    await jp_fetch("orchestra", "api", "v1", "runs")

    assert (before, file.exists()) == (False, True)


async def test_kernels_get_the_traits_of_the_server_and_they_go_with_it(jp_serverapp, store_url) -> None:
    during = os.environ.get("ORCHESTRA_STORE_URL")

    await jp_serverapp.extension_manager.extension_points["orchestra_nb"].app.stop_extension()

    assert (during, os.environ.get("ORCHESTRA_STORE_URL")) == (store_url, None)


class TestEnvironmentFirst:
    """The environment is stronger than a trait."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config, monkeypatch, tmp_path: Path) -> Config:
        monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path}/chosen.db")
        return jp_server_config

    async def test_the_environment_chooses_the_store(self, jp_fetch, tmp_path: Path) -> None:
        await jp_fetch("orchestra", "api", "v1", "runs")

        assert (tmp_path / "chosen.db").exists()


class TestUnusableStore:
    """A store that cannot be opened: the server works all the same and says what is wrong."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        (tmp_path / "broken.db").write_text("this is no database, and it is long enough to look like one" * 100)
        return f"sqlite:///{tmp_path / 'broken.db'}"

    async def test_requests_are_503_until_it_is_mended(self, jp_fetch, jp_serverapp, store_url: str) -> None:
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch("orchestra", "api", "v1", "runs")
        health = json.loads((await jp_fetch("orchestra", "api", "v1", "health")).body)
        Path(store_url.removeprefix("sqlite:///")).unlink()
        mended = json.loads((await jp_fetch("orchestra", "api", "v1", "runs")).body)

        problem = json.loads(refused.value.response.body)
        assert (refused.value.code, problem["code"]) == (503, "store_unavailable")
        assert (health["store"], health["message"]) == ("store_unavailable", problem["detail"])
        assert mended["runs"] == []


class TestReadOnlyStore:
    """A store that can only be read (F24); in PostgreSQL, since nothing is read-only for an account such as root."""

    @pytest.fixture
    def store_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config, store_url: str) -> Config:
        jp_server_config.OrchestraExtension.store_url = f"{store_url}?options=-cdefault_transaction_read_only%3Don"
        return jp_server_config

    async def test_lists_work_and_writes_are_503(self, store, jp_fetch) -> None:
        store.apply([RunCreated(run=run_of(1, driver_id="driver-1"))])

        listed = json.loads((await jp_fetch("orchestra", "api", "v1", "runs")).body)
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch("orchestra", "api", "v1", "runs", run_of(1).name, "cancel", method="POST", body=b"")

        assert [run["name"] for run in listed["runs"]] == [run_of(1).name]
        problem = json.loads(refused.value.response.body)
        assert (refused.value.code, problem["code"]) == (503, "store_read_only")
        assert "read-only" in problem["detail"]


class TestStoreSharedWithAServerThatTellsUsersApart:
    """What one server decided is not undone by another that does not say who sees what."""

    @pytest.fixture(params=[None, False], ids=["says nothing", "says that users see everything"])
    def says(self, request: pytest.FixtureRequest) -> bool | None:
        return request.param

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config, says: bool | None) -> Config:
        if says is not None:
            jp_server_config.OrchestraExtension.owners_only = says
        return jp_server_config

    async def test_a_trigger_of_a_command_hears_of_all_only_where_somebody_has_said_so(
        self, jp_fetch, store, says: bool | None
    ) -> None:
        target = FlowTarget(entrypoint="m:f", working_folder="/x")
        spec = DeploymentSpec(name="of-alice", flow_name="f", target=target)
        with acting_as("alice"):
            DeploymentStore(store.database).save(spec, notebook=None, actor="test", at=NOON)
        automations = AutomationStore(store.database)
        automations.decide_who_is_heard(lambda owner: False)  # as the other server does

        await jp_fetch("orchestra", "api", "v1", "runs")

        trigger = Happens(matches=(RunMatch(states=(State.COMPLETED,)),))
        one = Automation(name="new", trigger=trigger, actions=(), deployment="of-alice")
        automations.save(one, NOON, may_replace=False)
        assert automations.get("new").owner == (None if says is False else "alice")
