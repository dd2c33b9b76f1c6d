"""The services inside a Jupyter server: one process beside it, from when there is a store until the server ends."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.services.kept_process import KeptProcess
from orchestra_nb.settings import load_settings

#: How often a store that is not there yet is looked for.
_LOOK_SECONDS: Final = 1.0

KeeperState = Literal["off", "no store yet", "starting", "up", "given up"]


class ServiceKeeper:
    """Keeps a service process up. It ends with the server, also when that is killed.

    A store is never made for it: who has not used Orchestra pays for no process.

    Parameters
    ----------
    is_wanted
        None for yes where the store is a file: a database may be shared, and what others deploy is not to run here
        unasked.
    options
        Of the services, as ``orchestra serve`` takes them.
    """

    def __init__(
        self, is_wanted: bool | None, log: logging.Logger | logging.LoggerAdapter[Any], options: Sequence[str] = ()
    ) -> None:
        self._is_wanted = is_wanted
        self._options = tuple(options)
        self._log = log
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._kept: KeptProcess | None = None
        self._steps: dict[str, float | None] = {}

    @property
    def state(self) -> KeeperState:
        """How it stands."""
        if self._kept is not None:
            return "given up" if self._kept.is_given_up else "up" if self._kept.is_up else "starting"
        return "off" if self._thread is None else "no store yet"

    @property
    def last_steps(self) -> dict[str, float | None]:
        """Loop of the service to when its last step ended well, in seconds since 1970; empty while it is not up."""
        return self._steps if self.state == "up" else {}

    def start(self) -> None:
        """Begin, where it is wanted; returns at once."""
        if self._is_wanted is False or self._closing.is_set():
            return
        try:
            url = load_settings().resolved_store_url
        except InvalidSetting as error:
            self._log.warning("Services do not run: %s", error)
            return
        file = _file_of(url)
        if file is not None or (self._is_wanted and not url.startswith("sqlite")):
            self._thread = threading.Thread(target=self._keep, args=(file,), name="orchestra-services", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the process and wait for its end: ten seconds longer where runs go on. May be called twice."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        if self._kept is not None:
            self._kept.close()

    def hurry(self) -> None:
        """Leave no time to runs that go on, while :meth:`close` waits for them."""
        if self._kept is not None:
            self._kept.hurry()

    def _keep(self, file: Path | None) -> None:
        while file is not None and not file.exists():
            if self._closing.wait(_LOOK_SECONDS):
                return
        command = [sys.executable, "-m", "orchestra_nb", "serve", "--no-commands", "--with-keeper", *self._options]
        self._kept = KeptProcess("service for deployments", command, self._take_steps)

    def _take_steps(self, line: bytes) -> None:
        self._steps = json.loads(line)


def _file_of(url: str) -> Path | None:
    """Return the file of a SQLite store; None for a database, or one in memory, which no other process can see."""
    scheme, separator, rest = url.partition(":///")
    path = rest.partition("?")[0]
    is_file = scheme.partition("+")[0] == "sqlite" and separator and path and path != ":memory:"
    return Path(path) if is_file else None
