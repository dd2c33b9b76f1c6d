"""What tells a system to keep a service running: the text of a systemd user unit, and a launchd property list.

https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html, launchd.plist(5).
"""

from __future__ import annotations

import plistlib
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput

#: The first line of what we have written, by which it is known again.
MARK: Final = "Written by `orchestra service install`, which may write it again."
#: What a service gets to end in good order, its runs included.
_STOP_SECONDS: Final = 30
_RESTART_SECONDS: Final = 5


class ServiceUnit(msgspec.Struct, frozen=True, kw_only=True):
    """A service as the system is to run it.

    Parameters
    ----------
    name
        What the system calls it, without an ending.
    command
        The program with its arguments.
    folder
        Where it runs.
    environment
        The variables that it gets beside those of the system.
    """

    name: str
    command: tuple[str, ...]
    folder: str
    environment: dict[str, str] = {}

    def __post_init__(self) -> None:
        for text in (*self.command, self.folder, *self.environment.values()):
            if not text.isprintable():
                raise InvalidInput(f"{text!r} has control characters, which the file of a service cannot have.")


def systemd_unit(unit: ServiceUnit) -> str:
    """Return the text of a systemd user unit."""
    variables = "".join(
        f"Environment={_quoted(f'{name}={value}')}\n" for name, value in sorted(unit.environment.items())
    )
    # a dollar sign is for systemd in the arguments only
    command = " ".join(_quoted(word).replace("$", "$$") for word in unit.command)
    return f"""\
# {MARK}
[Unit]
Description=Orchestra NB: runs deployments when they are due ({_escaped(unit.name)})
StartLimitIntervalSec=0

[Service]
ExecStart={command}
WorkingDirectory={_escaped(unit.folder)}
{variables}Restart=always
RestartSec={_RESTART_SECONDS}
KillMode=mixed
TimeoutStopSec={_STOP_SECONDS}
UMask=0077

[Install]
WantedBy=default.target
"""


def launchd_list(unit: ServiceUnit, log_path: str) -> str:
    """Return the text of a launchd property list.

    Parameters
    ----------
    log_path
        Where what the service prints goes.
    """
    text = plistlib.dumps(
        {
            "Label": unit.name,
            "ProgramArguments": list(unit.command),
            "WorkingDirectory": unit.folder,
            "EnvironmentVariables": unit.environment,
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": _RESTART_SECONDS,
            "ExitTimeOut": _STOP_SECONDS,
            "ProcessType": "Background",
            "Umask": 0o077,
            "StandardOutPath": log_path,
            "StandardErrorPath": log_path,
        }
    ).decode()
    head, line, rest = text.partition("\n")
    return f"{head}{line}<!-- {MARK} -->\n{rest}"


def _quoted(word: str) -> str:
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
