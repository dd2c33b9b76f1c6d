"""A process that drives flows: the product's own driver on a store of its own, with tasks in threads or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import orchestra_nb.flows  # noqa: F401  says what drives flows
from orchestra_nb.engine.drivers import set_driver
from orchestra_nb.engine.life_lines import ENGINE
from orchestra_nb.model.runs import LogLine, Run, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.script_driver import ScriptDriver
from orchestra_nb.store.run_store import RunStore
from tests.faults.invariants import assert_invariants
from tests.patience import PATIENCE_SECONDS


@dataclass
class FlowWorld:
    """The driver of this process, and its store."""

    driver: ScriptDriver
    #: of the tasks that run
    infrastructure_budget: int = 1

    @property
    def store(self) -> RunStore:
        assert self.driver.sink.flush(PATIENCE_SECONDS)
        store = self.driver._store
        assert store is not None
        return store

    def run(self, flow_name: str) -> Run:
        """Return the newest run of a flow; it has ended, and the invariants hold for it."""
        store = self.store
        run = next(run for run in store.list_runs(limit=100) if run.flow_name == flow_name)
        assert_invariants(store, run.run_id, self.infrastructure_budget)
        return run

    def tasks(self, flow_name: str) -> list[TaskRun]:
        """Return the task runs of the newest run of a flow."""
        return self.store.task_runs(self.run(flow_name).run_id)

    def ends(self, flow_name: str) -> list[tuple[str, State]]:
        """Return the names and the last states of the task runs of the newest run of a flow."""
        return [(task.name, task.state) for task in self.tasks(flow_name)]

    def lines(self, flow_name: str) -> list[str]:
        """Return what code of the newest run of a flow logged."""
        return [line.message for line in self._log(flow_name) if line.logger != ENGINE]

    def life_lines(self, flow_name: str) -> list[tuple[int, str]]:
        """Return (level, text) of what the engine says in the log of the newest run of a flow."""
        return [(line.level, line.message) for line in self._log(flow_name) if line.logger == ENGINE]

    def _log(self, flow_name: str) -> list[LogLine]:
        return [line for _, line in self.store.log_lines(self.run(flow_name).run_id)]


def open_world(folder: Path, task_runner: str, patch: pytest.MonkeyPatch) -> Iterator[FlowWorld]:
    """Make a driver with this task runner, and let go of it at the end."""
    patch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{folder / 'runs.db'}")
    patch.setenv("ORCHESTRA_TASK_RUNNER", task_runner)
    driver = ScriptDriver()
    set_driver(driver)
    yield FlowWorld(driver)
    set_driver(None)
    driver.close()
    if driver._store is not None:
        driver._store.database.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowWorld]:
    """Flows whose tasks run in threads."""
    with pytest.MonkeyPatch.context() as patch:
        yield from open_world(tmp_path_factory.mktemp("flows"), "threads", patch)


@pytest.fixture(scope="module")
def cluster_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowWorld]:
    """Flows whose tasks run on the local cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRA_CLUSTER_IDLE_SECONDS", "30")
        yield from open_world(tmp_path_factory.mktemp("flows"), "dask", patch)
