"""Find, start and stop the local cluster: a detached Dask cluster, one for each user and Python environment.

Its host process (:mod:`orchestra_nb.engine.cluster_host`) belongs to no kernel. It holds a lock on a file for its
whole life, so two starters get one cluster; the record beside it (for this user's eyes only) says where the
cluster is, with the certificate and key that admit to it. This module is light: it imports no Dask.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.runtime_folder import runtime_folder
from orchestra_nb.settings import load_settings
from orchestra_nb.version import __version__

#: How the names of the temporary folders of local clusters begin.
FOLDER_PREFIX = "orchestra-nb-workers-"

_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.02
#: What belongs to one kernel, run or process of Dask. With the last one Dask gives processes titles of its own, and the
#: host is known by its command line.
_FOREIGN_VARIABLES = ("ORCHESTRA_STORE_URL", "ORCHESTRA_RUN_", "ORCHESTRA_SENTINEL_FD", "JPY_", "__DASK_PARENT_PID")


class LocalWorker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process of the local cluster; ``pid`` is 0 until it has started."""

    name: str
    pid: int


class LocalCluster(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a running local cluster.

    Parameters
    ----------
    pid, process_started_at
        The host process, named for ever by both.
    certificate, key
        PEM text of the identity that admits to the cluster.
    folder
        Temporary folder of its workers.
    memory_limit_bytes
        What each worker may use.
    """

    address: str
    pid: int
    process_started_at: float
    certificate: str
    key: str
    folder: str
    log_path: str
    idle_seconds: float
    python: str
    version: str
    workers: tuple[LocalWorker, ...]
    memory_limit_bytes: int = 0


class ClusterPaths:
    """Where the files of this environment's local cluster stand."""

    def __init__(self, folder: Path | None = None) -> None:
        stem = (folder or runtime_folder()).absolute() / f"cluster-{_environment_digest()}"
        self.record = stem.with_suffix(".json")
        self.lock = stem.with_suffix(".lock")
        self.log = stem.with_suffix(".log")


def local_cluster_status() -> LocalCluster | None:
    """Return the record of the running local cluster, None if there is none."""
    return _read_record(ClusterPaths())


def ensure_local_cluster(workers: int = 0, idle_seconds: float = 600.0) -> LocalCluster:
    """Return the local cluster, started if there was none. Waits for about 2 s then; safe from any process at any time.

    Parameters
    ----------
    workers
        Number of workers of a cluster that this call starts; 0 means one for each core.

    Raises
    ------
    ClusterUnavailable
        It did not come up; the message holds the end of its log.
    """
    if sys.platform == "win32":
        raise ClusterUnavailable("The local cluster needs Linux or macOS. Set ORCHESTRA_CLUSTER to a Dask address.")
    paths = ClusterPaths()
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if record := _read_record(paths):
            return record
        lock = _try_lock(paths.lock)
        if lock is None:
            time.sleep(_POLL_SECONDS)  # somebody else is starting it, or it is ending
            continue
        try:
            if record := _read_record(paths):
                return record
            _clear_away(paths)
            return _start(paths, lock, workers or os.cpu_count() or 1, idle_seconds)
        finally:
            os.close(lock)
    raise ClusterUnavailable(
        f"The local cluster did not come up in {_START_TIMEOUT_SECONDS:g} s. Its log is {paths.log}. "
        "Run `orchestra cluster stop`, then try again."
    )


def stop_local_cluster() -> bool:
    """End the local cluster and all that runs on it; return whether there was one."""
    paths = ClusterPaths()
    record = _read_record(paths)
    if record is None:
        return False
    _signal(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while _is_alive(record):
        if time.monotonic() > deadline:
            _signal(record.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    lock = _try_lock(paths.lock)
    if lock is not None:  # else the next one is starting already
        try:
            _clear_away(paths)
            paths.lock.unlink(missing_ok=True)
        finally:
            os.close(lock)
    return True


def process_started_at(pid: int) -> float | None:
    """Return when a process started, in seconds since the epoch, None if there is no such process."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def write_record(path: Path, record: LocalCluster) -> None:
    """Replace the record in one step; nobody but this user can read it at any moment."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(record))
    os.replace(temporary, path)


def _environment_digest() -> str:
    """Return a name for this Python environment: another one must not get this one's workers."""
    versions = [importlib.metadata.version(name) for name in ("dask", "distributed", "cloudpickle", "msgspec")]
    facts = [sys.prefix, sys.version, os.path.dirname(__file__), __version__, *versions]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _read_record(paths: ClusterPaths) -> LocalCluster | None:
    try:
        record = msgspec.json.decode(paths.record.read_bytes(), type=LocalCluster)
    except (OSError, msgspec.DecodeError):
        return None
    return record if _is_alive(record) else None


def _is_alive(record: LocalCluster) -> bool:
    started_at = process_started_at(record.pid)
    return started_at is not None and abs(started_at - record.process_started_at) < 2.0


def _try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock, None while somebody else does."""
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        os.close(descriptor)  # the last host took the file away when it ended: take a new one


def _clear_away(paths: ClusterPaths) -> None:
    """Remove what a killed host left; called with the lock held."""
    import shutil

    try:
        record = msgspec.json.decode(paths.record.read_bytes(), type=LocalCluster)
        if Path(record.folder).name.startswith(FOLDER_PREFIX):
            shutil.rmtree(record.folder, ignore_errors=True)
    except (OSError, msgspec.DecodeError):
        pass
    for path in (paths.record, paths.record.with_suffix(".new"), paths.log, paths.log.with_suffix(".log.1")):
        path.unlink(missing_ok=True)


def _start(paths: ClusterPaths, lock: int, workers: int, idle_seconds: float) -> LocalCluster:
    """Start the host, which inherits the lock, and wait until it says that it is ready."""
    ready, ready_write = os.pipe()
    command = [
        *(sys.executable, "-P", "-m", "orchestra_nb.engine.cluster_host"),
        *("--record", str(paths.record), "--log", str(paths.log), "--lock-file", str(paths.lock)),
        *("--workers", str(workers), "--idle-seconds", str(idle_seconds)),
        *("--lock", str(lock), "--ready", str(ready_write)),
        *(["--fork"] if sys.platform == "linux" and load_settings().cluster_fork else []),
    ]
    with open(paths.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
        launcher = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=paths.record.parent,
            env=_host_environment(),
            pass_fds=(lock, ready_write),
            start_new_session=True,
        )
    os.close(ready_write)
    launcher.wait()  # the host itself is its child, so that it is nobody's to wait for
    with os.fdopen(ready, "rb", buffering=0) as answers:
        select.select([answers], [], [], _START_TIMEOUT_SECONDS)
        pid = answers.read(16)
        select.select([answers], [], [], _START_TIMEOUT_SECONDS)
        is_ready = bool(answers.read(16))
    record = _read_record(paths) if is_ready else None
    if record is None:
        if pid.strip().isdigit():
            _signal(int(pid), signal.SIGKILL)
        raise ClusterUnavailable(
            f"The local cluster did not start. The end of its log ({paths.log}):\n{_tail(paths.log)}"
        )
    return record


def _host_environment() -> dict[str, str]:
    """Return this environment without what belongs to one kernel or run, able to import this package."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_VARIABLES)}
    package_parent = Path(__file__).resolve().parents[2]
    paths: Sequence[str] = [os.path.abspath(path) for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if package_parent.name not in ("site-packages", "dist-packages"):
        paths = [*paths, str(package_parent)]
    if paths:
        environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return environ


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[-2000:].strip() or "(empty)"
    except OSError:
        return "(no log)"
