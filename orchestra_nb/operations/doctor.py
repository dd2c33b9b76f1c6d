"""Checks of an installation: each says what it found and, where that is not well, what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.counted import counted
from orchestra_nb.runtime_folder import runtime_folder
from orchestra_nb.settings import load_settings, load_settings_with_origins
from orchestra_nb.version import __version__

#: A requirement of our own distribution: a name, and perhaps a lower bound.
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^<>=!~;]*(?:[^;]*>=(?P<oldest>[\d.]+))?")

Status = Literal["ok", "warn", "fail"]

_DISTRIBUTION = "orchestra-nb"
_LABEXTENSION = "orchestra-nb"
_SERVER_EXTENSION = "orchestra_nb"
_OLDEST_PYTHON = (3, 11)

#: The limit of a Unix socket's path (``sun_path`` without its end), and the room that our longest file name needs.
_LONGEST_SOCKET_PATH = 107
_LONGEST_SOCKET_NAME = 48


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it (empty when nothing)."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def examine() -> Iterator[Check]:
    """Yield the results of all checks, one by one, from the ground up.

    A check that cannot be made is a failed one; nothing is raised. Opens, and so creates or upgrades, the store.
    """
    for name, check in _CHECKS.items():
        try:
            yield from check()
        except OrchestraError as error:
            yield Check(name, "fail", str(error))
        except Exception as error:
            yield Check(name, "fail", f"{type(error).__name__}: {error}", "Reinstall Orchestra and its dependencies.")


def _check_python() -> Iterator[Check]:
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Check("Python", "fail", found, f"Use Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer.")
    else:
        yield Check("Python", "ok", found)


def _check_packages() -> Iterator[Check]:
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or []
        installed = importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        yield Check("packages", "warn", f"orchestra-nb {__version__} is not installed", "pip install orchestra-nb")
        return
    if installed != __version__:
        detail = f"the code is {__version__}, but {installed} is installed"
        yield Check("packages", "fail", detail, "Install it again, and restart the kernels and the server.")
    wrong = list(_unmet(requirements))
    if wrong:
        yield Check("packages", "fail", "; ".join(wrong), f"pip install --upgrade {_DISTRIBUTION}")
    else:
        yield Check("packages", "ok", f"orchestra-nb {installed}, all its requirements are met")


def _unmet(requirements: list[str]) -> Iterator[str]:
    """Yield what is missing or older than is asked for; extras are not looked at."""
    for text in requirements:
        found = _REQUIREMENT.match(text)
        if found is None or "extra ==" in text:
            continue
        name, oldest = found["name"], found["oldest"]
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{name} is missing"
        else:
            if oldest and _release(version) < _release(oldest):
                yield f"{name} is {version}, at least {oldest} is needed"


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()


def _check_dask() -> Iterator[Check]:
    versions = {name: importlib.metadata.version(name) for name in ("dask", "distributed")}
    detail = ", ".join(f"{name} {version}" for name, version in versions.items())
    if len(set(versions.values())) > 1:
        yield Check("dask", "fail", detail, f"pip install dask=={versions['dask']} distributed=={versions['dask']}")
    else:
        yield Check("dask", "ok", detail)


def _check_settings() -> Iterator[Check]:
    _, origins = load_settings_with_origins()
    changed = [f"{name} from {origin}" for name, origin in origins.items() if origin != "default"]
    yield Check("settings", "ok", "; ".join(changed) or "all at their defaults")


def _check_store() -> Iterator[Check]:
    from orchestra_nb.operations.opening import close_store, open_store
    from orchestra_nb.store.schema_revision import SELECT_REVISION

    store = open_store(load_settings())
    database = store.database
    try:
        with database.connect() as connection:
            revision = connection.exec_driver_sql(SELECT_REVISION).scalar_one()
            check = "PRAGMA integrity_check" if database.is_sqlite else "SELECT 'ok'"
            finding = connection.exec_driver_sql(check).scalars().first()
        if finding != "ok":
            remedy = "Put back a copy of the file, or move it away to begin with an empty store."
            yield Check("store", "fail", f"{database.location} is damaged: {finding}", remedy)
            return
        with database.write():
            pass  # only asks for the right to write
        yield Check("store", "ok", f"{database.location}, revision {revision}, whole and writable")
    finally:
        close_store(store)


def _check_runtime_folder() -> Iterator[Check]:
    folder = runtime_folder()
    remedy = "Set ORCHESTRA_RUNTIME_DIR to a folder of your own with a short path."
    mode = stat.S_IMODE(folder.stat().st_mode)
    if sys.platform != "win32" and mode & 0o077:
        yield Check("runtime folder", "fail", f"others may enter {folder} (mode {mode:o})", remedy)
    elif len(bytes(folder)) + 1 + _LONGEST_SOCKET_NAME > _LONGEST_SOCKET_PATH:
        detail = f"{folder} is too long for sockets: they may have {_LONGEST_SOCKET_PATH} bytes"
        yield Check("runtime folder", "fail", detail, remedy)
    else:
        yield Check("runtime folder", "ok", f"{folder}, mode {mode:o}")


def _check_cluster() -> Iterator[Check]:
    from orchestra_nb.engine.local_cluster import ClusterPaths, local_cluster_status

    settings = load_settings()
    if settings.cluster != "local":
        is_address = re.fullmatch(r"[a-z]+://\S+", settings.cluster)  # a class may have secrets among its arguments
        yield Check("cluster", "ok", f"task cells go to {settings.cluster if is_address else 'a class of your own'}")
    cluster = local_cluster_status()
    if cluster is not None:
        running = f"the local cluster runs at {cluster.address} with {counted(len(cluster.workers), 'worker')}"
        if cluster.version != __version__:
            detail = f"{running}, but of version {cluster.version}"
            yield Check("local cluster", "warn", detail, "orchestra cluster stop; the next task starts a new one.")
        else:
            yield Check("local cluster", "ok", running)
    elif ClusterPaths().record.exists():
        detail = f"it ended without clearing up: {ClusterPaths().record} is stale"
        yield Check("local cluster", "warn", detail, "Nothing to do: the next task replaces the file.")
    else:
        yield Check("local cluster", "ok", "not running; the first task starts it")


def _check_server_extension() -> Iterator[Check]:
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
    extensions: dict[str, bool] = manager.get_jpserver_extensions()  # type: ignore[no-untyped-call]
    enabled = extensions.get(_SERVER_EXTENSION)
    if enabled:
        yield Check("server extension", "ok", "enabled")
    else:
        detail = "disabled" if enabled is False else "not enabled: JupyterLab shows no live runs"
        yield Check("server extension", "fail", detail, f"jupyter server extension enable {_SERVER_EXTENSION}")


def _check_servers() -> Iterator[Check]:
    from orchestra_nb.operations.running_servers import running_servers

    servers = running_servers()
    for server in servers:
        detail = f"{server.url} is up, process {server.pid}"
        if server.version != __version__:
            remedy = "Start it again: `orchestra service install --start`, or `orchestra serve` anew."
            yield Check("orchestra serve", "warn", f"{detail}, but with version {server.version}", remedy)
        else:
            yield Check("orchestra serve", "ok", detail)
    if not servers:
        yield Check("orchestra serve", "ok", "no server of it runs here")


def _check_labextension() -> Iterator[Check]:
    from jupyter_core.paths import jupyter_path

    files = [Path(folder) / _LABEXTENSION / "package.json" for folder in jupyter_path("labextensions")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        remedy = "Install Orchestra from its wheel, or build the extension (make build)."
        yield Check("JupyterLab extension", "fail", "not found in Jupyter's labextensions folders", remedy)
        return
    version = json.loads(file.read_text(encoding="utf-8")).get("version")
    if version != __version__:
        detail = f"{file.parent} has version {version}, the Python package {__version__}"
        yield Check("JupyterLab extension", "fail", detail, "Install Orchestra again and reload the page.")
    else:
        yield Check("JupyterLab extension", "ok", f"{version} in {file.parent}")


def _check_ipython_extension() -> Iterator[Check]:
    package = importlib.import_module("orchestra_nb")
    if callable(getattr(package, "load_ipython_extension", None)):
        yield Check("IPython extension", "ok", "%load_ext orchestra_nb works")
    else:
        detail = f"{package.__file__} has no load_ipython_extension"
        yield Check("IPython extension", "fail", detail, "Another package is imported as orchestra_nb: remove it.")


def _check_kernels() -> Iterator[Check]:
    from jupyter_client.kernelspec import KernelSpecManager

    found = KernelSpecManager().get_all_specs()
    missing = [name for name, entry in found.items() if not _program_exists(entry["spec"]["argv"])]
    if not found:
        yield Check("kernels", "fail", "no kernel is installed", "pip install ipykernel")
    elif missing:
        remedy = f"jupyter kernelspec remove {' '.join(missing)}"
        yield Check("kernels", "warn", f"the program of {', '.join(missing)} does not exist", remedy)
    else:
        yield Check("kernels", "ok", ", ".join(sorted(found)))


def _check_warm_kernels() -> Iterator[Check]:
    from orchestra_nb.notebooks.kernel_pool import CannotFork, KernelCommand, refuse_to_fork, shared_pool
    from orchestra_nb.notebooks.kernelspecs import FORKING_PROVISIONER, NATIVE_KERNEL, kernel_start

    try:
        shared_pool()
        refuse_to_fork(os.environ)
        KernelCommand.parse(kernel_start(NATIVE_KERNEL, os.environ)[0], os.environ)
    except (CannotFork, OrchestraError) as error:
        yield Check("warm kernels", "ok", f"not used, kernels are started plainly: {error}")
        return
    group = "jupyter_client.kernel_provisioners"
    if not importlib.metadata.entry_points(group=group, name=FORKING_PROVISIONER):
        detail = f"Jupyter does not know the kernel provisioner {FORKING_PROVISIONER}"
        yield Check("warm kernels", "warn", detail, f"pip install --force-reinstall --no-deps {_DISTRIBUTION}")
    else:
        yield Check("warm kernels", "ok", f"kernels of {NATIVE_KERNEL} are forked; {FORKING_PROVISIONER} is registered")


def _program_exists(command: list[str]) -> bool:
    return bool(command) and shutil.which(command[0]) is not None


_CHECKS: dict[str, Callable[[], Iterator[Check]]] = {
    "Python": _check_python,
    "packages": _check_packages,
    "dask": _check_dask,
    "settings": _check_settings,
    "store": _check_store,
    "runtime folder": _check_runtime_folder,
    "local cluster": _check_cluster,
    "server extension": _check_server_extension,
    "orchestra serve": _check_servers,
    "JupyterLab extension": _check_labextension,
    "IPython extension": _check_ipython_extension,
    "kernels": _check_kernels,
    "warm kernels": _check_warm_kernels,
}
