"""A real Jupyter server with the extension, its store in a folder of its own, and another process that writes to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from example_runs import run_of, task_of
from patience import PATIENCE_SECONDS
from pytest_jupyter.jupyter_server import *  # noqa: F403  its fixtures and hooks, for this folder only
from traitlets.config import Config

from orchestra_nb.model.events import Event, RunCreated, TaskRunCreated
from orchestra_nb.model.runs import Run
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

_WRITER = """
import sys
import msgspec
from orchestra_nb.model.events import Event
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

store = RunStore(open_database(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    print(store.apply(msgspec.json.decode(line, type=list[Event])), flush=True)
"""


@pytest.fixture
def jp_server_config(store_url: str) -> Config:
    return Config(
        {
            "ServerApp": {
                "jpserver_extensions": {"orchestra_nb": True, "jupyter_server_terminals": False},
                "allow_unauthenticated_access": False,
            },
            "OrchestraExtension": {"store_url": store_url, "has_services": False},
        }
    )


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store' / 'orchestra.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[RunStore]:
    """The store by connections of its own, as another program would have it."""
    database = open_database(store_url)
    yield RunStore(database)
    database.close()


class Writer:
    """Another process that writes events to the store, on command."""

    def __init__(self, store_url: str) -> None:
        command = [sys.executable, "-c", _WRITER, store_url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._answer() == "ready"

    def write(self, *events: Event) -> None:
        """Return when the other process has committed these events."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(events) + b"\n")
        self._process.stdin.flush()
        assert "True" in self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._process.stdout.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()


@pytest.fixture
def writer(store_url: str) -> Iterator[Writer]:
    writer = Writer(store_url)
    yield writer
    writer.close()


@pytest.fixture
def calm_fox(store: RunStore) -> Run:
    """A run in the store, with two tasks."""
    run = run_of(1, name="calm-fox", parameters={"region": "EU", "limit": float("inf")})
    events = [RunCreated(run=run), *(TaskRunCreated(task_run=task_of(run, name)) for name in ("load", "plot"))]
    assert store.apply(events) == [True, True, True]
    return run
