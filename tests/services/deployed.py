"""Services as processes, and deployments for them, in a store of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.deployments import Deployment, DeploymentSpec, FlowTarget, NotebookTarget, deployed_run
from orchestra_nb.model.runs import Run
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.faults.notebook_command import code_cell, notebook_of
from tests.patience import PATIENCE_SECONDS

#: Timers of drivers that let a test see a death soon.
TIMERS = {
    "ORCHESTRA_HEARTBEAT_SECONDS": "1",
    "ORCHESTRA_LEASE_SECONDS": "3",
    "ORCHESTRA_SWEEP_SECONDS": "1",
}


def wait_until_ready(service: subprocess.Popen[str]) -> None:
    """Return when a service or worker says that it is ready; it may tell of what one before it has left."""
    assert service.stderr is not None
    said: list[str] = []
    while not said or "Ready" not in said[-1]:
        said.append(service.stderr.readline())
        assert said[-1], "".join(said)


@dataclass
class Deployed:
    """A folder with a store in which services are started; to be closed."""

    folder: Path
    store_url: str
    environ: dict[str, str] = field(init=False)
    store: RunStore = field(init=False)
    services: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = {"ORCHESTRA_STORE_URL": self.store_url, "JUPYTER_DATA_DIR": str(self.folder / "data")}
        self.environ = {**os.environ, **TIMERS, **data}
        self.store = RunStore(open_database(self.store_url))

    def serve(self, *words: str) -> subprocess.Popen[str]:
        """Return a service that is ready."""
        service = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "serve", "--no-server", "--no-commands", *words],
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until_ready(service)
        self.services.append(service)
        return service

    def orchestra(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of a command."""
        command = [sys.executable, "-m", "orchestra_nb", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        return done.returncode, done.stdout, done.stderr

    def deploy_notebook(self, name: str, *sources: str, parameters_cell: str = "", **fields: object) -> Deployment:
        """Deploy a notebook of these cells, behind one that declares its parameters."""
        declared = [code_cell(parameters_cell, "parameters")] if parameters_cell else []
        notebook = json.dumps(notebook_of(*declared, *(code_cell(source) for source in sources)))
        path = self.folder / f"{name}.ipynb"
        path.write_text(notebook)
        target = fields.pop("target", NotebookTarget(path=str(path)))
        spec = DeploymentSpec(name=name, flow_name=name, target=target, **fields)  # type: ignore[arg-type]
        return self._save(spec, notebook)

    def deploy_flow(self, name: str, source: str, **fields: object) -> Deployment:
        """Deploy the flow of this name in a script."""
        path = self.folder / f"{name}_script.py"
        path.write_text(source)
        target = FlowTarget(entrypoint=f"{path}:{name}", working_folder=str(self.folder))
        return self._save(DeploymentSpec(name=name, flow_name=name, target=target, **fields), None)  # type: ignore[arg-type]

    def _save(self, spec: DeploymentSpec, notebook: str | None) -> Deployment:
        store = DeploymentStore(self.store.database)
        return store.save(spec, notebook=notebook, actor="test", at=datetime.now(UTC))

    def ask(self, deployment: Deployment, **parameters: object) -> str:
        """Have a run of a deployment wait, due now, and return its id."""
        now = datetime.now(UTC)
        run = deployed_run(
            deployment.spec,
            deployment.version,
            run_id=fresh_id(now),
            now=now,
            due_at=now,
            cluster="local",
            parameters=parameters,
        )
        assert WorkQueue(self.store.database).add(
            run, deployment.spec.pool, deployment.spec.priority, deployment.spec.limits
        )
        return run.run_id

    def wait(self, run_id: str, until: Callable[[Run], bool] = lambda run: run.state.is_terminal) -> Run:
        """Return a run when something holds of it; when it has ended, if nothing else is said."""

        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until(run := self.store.get_run(run_id)):
            assert time.monotonic() < deadline, [(one.state, one.message) for one in self.store.list_runs(limit=20)]
            time.sleep(0.02)
        return run

    def end(self, service: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
        """End a service with a signal; return its exit code and what it said."""
        self.services.remove(service)
        service.send_signal(number)
        _, said = service.communicate(timeout=PATIENCE_SECONDS)
        return service.returncode, said

    def close(self) -> None:
        """End all services."""
        for service in list(self.services):
            service.send_signal(signal.SIGTERM)
            service.send_signal(signal.SIGTERM)
            self.end(service, signal.SIGCONT)
        self.store.database.close()
