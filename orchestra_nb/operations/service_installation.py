"""Has the system keep a service running: writes a systemd user unit, or a launchd property list on macOS."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from orchestra_nb.errors import Conflict, InvalidInput, NotFound
from orchestra_nb.model.service_units import MARK, ServiceUnit, launchd_list, systemd_unit
from orchestra_nb.model.setting_texts import holds_secret
from orchestra_nb.settings import Settings, known_profiles, load_settings, profile_in_use

#: What keeps services running on a system.
Keeper = Literal["systemd", "launchd"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: Variables that decide what a service is and finds, beside Orchestra's own.
_CARRIED: Final = (
    *("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "LANG", "LC_ALL", "TZ"),
    *("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR", "JUPYTER_PATH", "JUPYTER_RUNTIME_DIR"),
    *("IPYTHONDIR", "ORCHESTRA_RUNTIME_DIR"),
)
_COMMAND_SECONDS: Final = 60.0


class PlannedService(msgspec.Struct, frozen=True, kw_only=True):
    """What would be written, and where.

    Parameters
    ----------
    left_out
        Variables of the environment that hold secrets, and so are not written.
    """

    unit: ServiceUnit
    keeper: Keeper
    path: str
    text: str
    left_out: tuple[str, ...] = ()


class InstalledService(msgspec.Struct, frozen=True, kw_only=True):
    """How a service stands with the system.

    Parameters
    ----------
    is_active
        Whether it runs; None where the system cannot be asked.
    start_commands, stop_commands
        What to type for that.
    """

    name: str
    keeper: Keeper
    path: str
    is_installed: bool
    is_active: bool | None
    start_commands: tuple[str, ...]
    stop_commands: tuple[str, ...]


def plan_service(
    *,
    name: str | None = None,
    profile: str | None = None,
    folder: str | None = None,
    options: Sequence[str] = (),
    keeper: Keeper | None = None,
) -> PlannedService:
    """Return what would be written for a service of this Python environment.

    Parameters
    ----------
    name
        Tells several services of one user apart; None for the one without a name.
    profile
        None for the profile in use.
    folder
        Where it runs; None for here.
    options
        Of ``orchestra serve``.
    keeper
        None for the one of this system.

    Raises
    ------
    InvalidInput
        The name, the profile or the folder is none.
    Conflict
        This system has no keeper that we know.
    """
    keeper = keeper or _keeper_here()
    where = Path(folder or os.getcwd()).expanduser().absolute()
    if not where.is_dir():
        raise InvalidInput(f"{where} is no folder.")
    if profile is not None and profile not in known_profiles():
        raise InvalidInput(f"No profile {profile!r}. `orchestra profile ls` lists them.")
    load_settings()  # what a service would stumble over is said here
    environment, left_out = _carried(os.environ)
    if wanted := profile or profile_in_use()[0]:
        environment["ORCHESTRA_PROFILE"] = wanted
    unit = ServiceUnit(
        name=_unit_name(name, keeper),
        command=(sys.executable, "-m", "orchestra_nb", "serve", *options),
        folder=str(where),
        environment=environment,
    )
    path = _path_of(unit.name, keeper)
    text = systemd_unit(unit) if keeper == "systemd" else launchd_list(unit, str(_log_path(unit.name)))
    return PlannedService(unit=unit, keeper=keeper, path=str(path), text=text, left_out=left_out)


def install_service(planned: PlannedService, *, is_started: bool = False) -> InstalledService:
    """Write a service down, in place of what was written before, and start it where that is wanted.

    Raises
    ------
    Conflict
        There is one of this name that somebody else has written; or it cannot be started here.
    InvalidInput
        It cannot be written.
    """
    path = Path(planned.path)
    try:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise Conflict(f"{path} was written by somebody else. Move it away, or choose another --name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(planned.text, encoding="utf-8")
        temporary.chmod(0o600)
        os.replace(temporary, path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from None
    if is_started:
        _call_all(_start_commands(planned.unit.name, planned.keeper), "The service is installed, and was not started")
    return _installed(planned.unit.name, planned.keeper)


def uninstall_service(name: str | None = None) -> InstalledService:
    """Stop a service, and delete what was written of it.

    Raises
    ------
    NotFound
        There is none of this name that we have written.
    Conflict
        This system has no keeper that we know.
    """
    keeper = _keeper_here()
    unit_name = _unit_name(name, keeper)
    path = _path_of(unit_name, keeper)
    if not path.is_file() or MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise NotFound(f"No service was installed at {path}.")
    if _may_call(keeper):
        for command in _stop_commands(unit_name, keeper)[:1]:
            _call(command)  # one that does not run cannot be stopped
    path.unlink()
    if keeper == "systemd" and _may_call(keeper):
        _call(["systemctl", "--user", "daemon-reload"])
    return _installed(unit_name, keeper)


def service_status(name: str | None = None) -> InstalledService:
    """Return how a service stands with the system.

    Raises
    ------
    Conflict
        This system has no keeper that we know.
    """
    keeper = _keeper_here()
    return _installed(_unit_name(name, keeper), keeper)


def _installed(unit_name: str, keeper: Keeper) -> InstalledService:
    path = _path_of(unit_name, keeper)
    is_active = None
    if _may_call(keeper):
        ask = (
            ["systemctl", "--user", "is-active", "--quiet", f"{unit_name}.service"]
            if keeper == "systemd"
            else ["launchctl", "print", f"{_domain()}/{unit_name}"]
        )
        is_active = _call(ask) == ""
    return InstalledService(
        name=unit_name,
        keeper=keeper,
        path=str(path),
        is_installed=path.is_file(),
        is_active=is_active,
        start_commands=tuple(shlex.join(command) for command in _start_commands(unit_name, keeper)),
        stop_commands=tuple(shlex.join(command) for command in _stop_commands(unit_name, keeper)),
    )


def _keeper_here() -> Keeper:
    if sys.platform == "darwin":
        return "launchd"
    if sys.platform == "linux" and shutil.which("systemctl"):
        return "systemd"
    raise Conflict(
        "Services are installed where systemd or launchd keeps them running, which is not here. Have what this system "
        f"has for that run `{shlex.join([sys.executable, '-m', 'orchestra_nb', 'serve'])}`."
    )


def _unit_name(name: str | None, keeper: Keeper) -> str:
    if name is not None and not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a service: letters, digits, '-', '_' and '.', 64 at most.")
    own = "orchestra-nb" if keeper == "systemd" else "org.orchestra-nb.serve"
    return own if name is None else f"{own}-{name}"


def _path_of(unit_name: str, keeper: Keeper) -> Path:
    if keeper == "launchd":
        return Path.home() / "Library" / "LaunchAgents" / f"{unit_name}.plist"
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "systemd" / "user" / f"{unit_name}.service"


def _log_path(unit_name: str) -> Path:
    return Path.home() / "Library" / "Logs" / f"{unit_name}.log"


def _carried(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables that a service gets, and the names of those that are too secret for that."""
    carried = {name: environ[name] for name in _CARRIED if environ.get(name)}
    left_out = []
    for setting in Settings.__struct_fields__:
        variable = f"ORCHESTRA_{setting.upper()}"
        if variable in environ:
            if holds_secret(setting, environ[variable]):
                left_out.append(variable)
            else:
                carried[variable] = environ[variable]
    return carried, tuple(left_out)


def _domain() -> str:
    return f"gui/{os.getuid()}" if sys.platform != "win32" else ""


def _start_commands(unit_name: str, keeper: Keeper) -> tuple[list[str], ...]:
    if keeper == "launchd":
        return (["launchctl", "bootstrap", _domain(), str(_path_of(unit_name, keeper))],)
    unit = f"{unit_name}.service"
    return (
        ["systemctl", "--user", "daemon-reload"],
        ["systemctl", "--user", "enable", unit],
        ["systemctl", "--user", "restart", unit],
    )


def _stop_commands(unit_name: str, keeper: Keeper) -> tuple[list[str], ...]:
    if keeper == "launchd":
        return (["launchctl", "bootout", f"{_domain()}/{unit_name}"],)
    return (["systemctl", "--user", "disable", "--now", f"{unit_name}.service"],)


def _may_call(keeper: Keeper) -> bool:
    """Tell whether the user's keeper can be talked to: it cannot in a container, or without a login."""
    if keeper == "launchd":
        return shutil.which("launchctl") is not None
    return _call(["systemctl", "--user", "show-environment"]) == ""


def _call_all(commands: Sequence[list[str]], problem: str) -> None:
    for command in commands:
        if refused := _call(command):
            raise Conflict(f"{problem}: {shlex.join(command)} said: {refused}")


def _call(command: list[str]) -> str:
    """Run a command; return what went wrong, empty for nothing."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
