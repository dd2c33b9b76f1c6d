"""The world that every test runs in: folders of its own, nothing of the user's, and no process left at the end.

All variables that Jupyter, IPython, Dask and Orchestra read point into one short temporary folder before anything is
imported, so neither the user's configuration nor a running local cluster is touched. Every process that a test starts
inherits a mark in its environment; at the end of the session no process with that mark may be alive.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings
from patience import PATIENCE_SECONDS

pytest_plugins = ("postgres", "new_stores", "warm_service")

_MARK = "ORCHESTRA_TEST_SESSION"
_FOREIGN = ("ORCHESTRA_", "JUPYTER", "JPY_", "IPYTHON", "DASK_", "XDG_", "MPL", "PYTHONDONTWRITEBYTECODE")

#: Helpers of the interpreter that runs the tests: they end with it.
_OWN_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def _isolate() -> Path:
    """Point every folder that the product uses into a new temporary one, with a path short enough for sockets."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    root = Path(tempfile.mkdtemp(prefix="onb-", dir="/tmp"))
    root.chmod(0o711)  # PostgreSQL runs as another user and must reach its folder below
    folders = {
        "HOME": "home",
        "JUPYTER_CONFIG_DIR": "home/config",
        "JUPYTER_DATA_DIR": "home/data",
        "JUPYTER_RUNTIME_DIR": "jrun",
        "JUPYTERLAB_SETTINGS_DIR": "home/lab/settings",
        "JUPYTERLAB_WORKSPACES_DIR": "home/lab/workspaces",
        "IPYTHONDIR": "home/ipython",
        "MPLCONFIGDIR": "home/matplotlib",
        "ORCHESTRA_RUNTIME_DIR": "run",
        "TMPDIR": "tmp",
    }
    for variable, folder in folders.items():
        path = root / folder
        path.mkdir(parents=True)
        path.chmod(0o711 if variable == "TMPDIR" else 0o700)
        os.environ[variable] = str(path)
    tempfile.tempdir = None  # read TMPDIR again
    os.environ[_MARK] = root.name
    os.environ["ORCHESTRA_CLUSTER_WORKERS"] = "2"
    return root


_ROOT = _isolate()

#: Properties are held to the same few examples each time; `make soak` holds them to many new ones.
_EXAMPLES = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("few", max_examples=40, derandomize=True, **_EXAMPLES)
settings.register_profile("many", max_examples=1_000, **_EXAMPLES)
settings.load_profile("few")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser's tests last: while Playwright is open, its event loop counts as running in the main thread."""
    items.sort(key=lambda item: "browser" in item.path.relative_to(Path(__file__).parent).parts)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail when a process that a test started is alive a minute after the last test."""
    yield

    _stop_local_clusters()
    _end_warm_processes()
    _, alive = psutil.wait_procs(_marked_processes(), timeout=PATIENCE_SECONDS)
    left = [_describe(process) for process in alive]
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=10)
    os.chdir("/")
    shutil.rmtree(_ROOT, ignore_errors=True)
    assert left == []


def _stop_local_clusters() -> None:
    try:
        from orchestra_nb.engine.local_cluster import stop_local_cluster
    except ImportError:
        return

    stop_local_cluster()


def _end_warm_processes() -> None:
    try:
        from orchestra_nb.engine.runner_process import end_warm_processes
    except ImportError:
        return

    end_warm_processes()


def _marked_processes() -> list[psutil.Process]:
    """Return the living processes whose first environment holds this session's mark."""
    mark = f"{_MARK}={_ROOT.name}".encode()
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            marked = mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            helper = any(name in " ".join(process.cmdline()) for name in _OWN_HELPERS)
        except (OSError, psutil.Error):
            continue  # it ended, or belongs to somebody else
        if marked and not helper and process.pid != os.getpid():
            found.append(process)
    return found


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid} (ended meanwhile)"
