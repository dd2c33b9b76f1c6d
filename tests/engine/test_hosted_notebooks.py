"""A notebook's runner on a worker of a cluster, as its driver speaks with it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import Client

from orchestra_nb.engine.notebook_cluster import NotebookCluster
from orchestra_nb.engine.notebook_host import RunnerEnded
from orchestra_nb.engine.remote_notebook_host import RemoteNotebookHost
from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.runner_messages import Began, Begin, Finished, KernelGone, RunnerSpec, runner_socket
from tests.foreign_cluster import ForeignCluster, foreign_cluster
from tests.patience import PATIENCE_SECONDS, eventually


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignCluster]:
    with foreign_cluster(tmp_path_factory.mktemp("foreign"), 1) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(foreign: ForeignCluster) -> Iterator[NotebookCluster]:
    with contextlib.closing(NotebookCluster(foreign.address)) as found:
        yield found


def spec_of(run_id: str, cwd: Path, output_path: Path, source: str) -> RunnerSpec:
    cell = {
        "cell_type": "code",
        "id": "only",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return RunnerSpec(
        run_id=run_id,
        run_name="calm-fox",
        flow_name="report",
        kernel_name="python3",
        cwd=str(cwd),
        environ={"ORCHESTRA_RUN_ID": run_id},
        notebook_json=json.dumps(notebook),
        parameters_json="{}",
        input_path=str(cwd / "report.ipynb"),
        output_path=str(output_path),
        socket_path="/nowhere/run.sock",
    )


def messages_of(host: RemoteNotebookHost) -> list[object]:
    """Return all that a host says to its end."""
    messages: list[object] = []
    while not messages or not isinstance(messages[-1], RunnerEnded):
        messages.append(host.inbox.get(timeout=PATIENCE_SECONDS))
    return messages


def run(cluster: NotebookCluster, spec: RunnerSpec, *, is_folder_chosen: bool = False) -> list[object]:
    """Run a notebook to its end and return what its host said."""
    host = cluster.host(spec.run_id, 1, "report", is_folder_chosen=is_folder_chosen)
    host.prepare(spec)
    host.send(Begin())
    try:
        return messages_of(host)
    finally:
        host.close()


def printed(path: Path) -> str:
    text: str = "".join(json.loads(path.read_text())["cells"][0]["outputs"][0]["text"])
    return text.strip()


def finished(messages: list[object]) -> Finished:
    (found,) = [message for message in messages if isinstance(message, Finished)]
    return found


def test_a_notebook_whose_folder_the_worker_has_not_gets_one_of_its_own(
    cluster: NotebookCluster, foreign: ForeignCluster, tmp_path: Path
) -> None:
    spec = spec_of(uuid.uuid4().hex, tmp_path / "not here", tmp_path / "out.ipynb", "import os; print(os.getcwd())")

    messages = run(cluster, spec)

    assert finished(messages).state is State.COMPLETED
    folder = Path(printed(tmp_path / "out.ipynb"))
    assert folder.is_relative_to(foreign.folder) or "dask" in str(folder)
    assert not folder.exists()  # deleted with the run
    metadata = json.loads((tmp_path / "out.ipynb").read_text())["metadata"]
    assert metadata["papermill"]["output_path"] == str(tmp_path / "out.ipynb")


def test_a_notebook_works_in_its_folder_where_the_worker_has_it(cluster: NotebookCluster, tmp_path: Path) -> None:
    spec = spec_of(uuid.uuid4().hex, tmp_path, tmp_path / "out.ipynb", "import os; print(os.getcwd())")

    messages = run(cluster, spec, is_folder_chosen=True)

    assert finished(messages).state is State.COMPLETED
    assert printed(tmp_path / "out.ipynb") == os.path.realpath(tmp_path)


def test_a_chosen_folder_that_the_worker_has_not_is_named(cluster: NotebookCluster, tmp_path: Path) -> None:
    spec = spec_of(uuid.uuid4().hex, tmp_path / "not here", tmp_path / "out.ipynb", "print(1)")

    messages = run(cluster, spec, is_folder_chosen=True)

    end = finished(messages)
    assert end.state is State.CRASHED
    assert end.message.startswith(f"The working folder {tmp_path / 'not here'} does not exist on the machine of worker")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_run_begins_once_in_its_epoch_whoever_starts_it(
    cluster: NotebookCluster, foreign: ForeignCluster, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    spec = spec_of(uuid.uuid4().hex, tmp_path, tmp_path / "out.ipynb", f"print('x', file=open({str(count)!r}, 'a'))")
    first = run(cluster, spec)

    with contextlib.closing(NotebookCluster(foreign.address)) as other:
        second = run(other, spec)

    assert [type(message) for message in first if not isinstance(message, KernelGone)][-2:] == [Finished, RunnerEnded]
    assert [type(message) for message in second] == [RunnerEnded]
    assert count.read_text() == "x\n"


def test_a_notebook_that_is_closed_before_it_begins_is_gone(cluster: NotebookCluster, tmp_path: Path) -> None:
    spec = spec_of(uuid.uuid4().hex, tmp_path, tmp_path / "out.ipynb", "print(1)")
    host = cluster.host(spec.run_id, 1, "report", is_folder_chosen=False)

    host.prepare(spec)
    host.close()

    messages = messages_of(host)
    assert not any(isinstance(message, Began | Finished) for message in messages[:-1])


def test_a_run_whose_notebook_cannot_be_kept_here_ends_with_the_cause(cluster: NotebookCluster, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spec = spec_of(uuid.uuid4().hex, tmp_path, tmp_path / "file" / "out.ipynb", "while True: pass")

    messages = run(cluster, spec)

    end = messages[-1]
    assert isinstance(end, RunnerEnded)
    assert "what came from its worker could not be kept here" in end.reason
    assert str(tmp_path / "file") in end.reason


def test_a_cluster_keeps_little_of_what_it_passed_on(cluster: NotebookCluster, foreign: ForeignCluster) -> None:
    def kept_by_worker(dask_worker: Any) -> set[int]:
        return {dask_worker.batched_stream.recent_message_log.maxlen}

    def kept_by_scheduler(dask_scheduler: Any) -> set[int]:
        connections = [*dask_scheduler.client_comms.values(), *dask_scheduler.stream_comms.values()]
        return {connection.recent_message_log.maxlen for connection in connections}

    cluster.slots()
    make_client: Any = Client
    with make_client(foreign.address, set_as_default=False) as client:
        kept = [*client.run(kept_by_worker).values(), client.run_on_scheduler(kept_by_scheduler)]

    assert kept == [{10}, {10}]


def test_a_runner_that_is_killed_leaves_no_socket_where_it_ran(cluster: NotebookCluster, tmp_path: Path) -> None:
    spec = spec_of(uuid.uuid4().hex, tmp_path, tmp_path / "out.ipynb", "open('begun', 'w').close()\nwhile True: pass")
    host = cluster.host(spec.run_id, 1, "report", is_folder_chosen=False)
    host.prepare(spec)
    host.send(Begin())
    eventually(lambda: True if (tmp_path / "begun").exists() else None)
    path = runner_socket(spec.run_id)
    (runner,) = {one.pid for one in psutil.net_connections("unix") if one.laddr == str(path) and one.pid}

    psutil.Process(runner).kill()

    end = messages_of(host)[-1]
    host.close()
    assert isinstance(end, RunnerEnded)
    assert end.reason == "killed by SIGKILL"
    assert not path.exists()


def test_a_notebook_that_cannot_be_started_is_closed_all_the_same(foreign: ForeignCluster, tmp_path: Path) -> None:
    cluster = NotebookCluster(foreign.address)
    cluster.close()
    spec = spec_of(uuid.uuid4().hex, tmp_path, tmp_path / "out.ipynb", "print(1)")
    host = cluster.host(spec.run_id, 1, "report", is_folder_chosen=False)

    with pytest.raises(ClusterUnavailable):
        host.prepare(spec)
    closing = threading.Thread(target=host.close, daemon=True)
    closing.start()
    closing.join(PATIENCE_SECONDS)

    assert not closing.is_alive()


def test_a_cluster_that_is_not_there_says_so() -> None:
    quickly = dask.config.set({"distributed.comm.timeouts.connect": "500ms"})
    with quickly, contextlib.closing(NotebookCluster("tcp://127.0.0.1:1")) as nowhere:
        with pytest.raises(ClusterUnavailable, match="No Dask scheduler answered at tcp://127.0.0.1:1"):
            nowhere.slots()
