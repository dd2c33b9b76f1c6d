"""Has a Jupyter server with the extension say so in its file in Jupyter's runtime folder, and of which store it is.

By that file commands tell where messages of webhooks can be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from logging import Logger, LoggerAdapter
from pathlib import Path
from typing import Any, Final

from jupyter_core.paths import secure_write

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.operations.running_servers import EXTENSION_INFO_KEY, SERVER_INFO_KEY, STORE_INFO_KEY
from orchestra_nb.settings import Settings, load_settings
from orchestra_nb.version import __version__

_SQLITE: Final = "sqlite:///"


class PresenceNote:
    """What the file of one server says of the extension. Its methods may be called in any thread.

    Parameters
    ----------
    info_file
        The file that Jupyter writes for the server, and deletes when that ends. It has the server's token, so it is
        for its user alone.
    """

    def __init__(self, info_file: str, log: Logger | LoggerAdapter[Any]) -> None:
        self._path = Path(info_file)
        self._log = log
        self._lock = threading.Lock()
        self._is_put = False
        self._is_over = False

    async def put(self) -> None:
        """Put it into the file; one of ``orchestra serve`` says it already."""
        try:
            await asyncio.to_thread(self._put)
        except (OSError, ValueError, InvalidSetting) as error:
            self._log.debug("Commands do not learn that %s is of a server with Orchestra: %s", self._path, error)

    async def take_away(self) -> None:
        """See that no file stays of a server that ends: Jupyter may have deleted it while it was being changed."""
        await asyncio.to_thread(self._take_away)

    def _put(self) -> None:
        with self._lock:
            if self._is_over:
                return
            info = json.loads(self._path.read_text(encoding="utf-8"))
            if SERVER_INFO_KEY in info:
                return
            told = {**info, EXTENSION_INFO_KEY: __version__, STORE_INFO_KEY: _store_location(load_settings())}
            beside = self._path.with_suffix(".new")  # whoever reads it meanwhile finds all of it
            try:
                with secure_write(str(beside)) as file:
                    json.dump(told, file, indent=2, sort_keys=True)
                if self._path.exists():  # else the server has ended
                    self._is_put = True
                    beside.replace(self._path)
            finally:
                beside.unlink(missing_ok=True)

    def _take_away(self) -> None:
        with self._lock:
            self._is_over = True
            if self._is_put:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)


def _store_location(settings: Settings) -> str:
    """Return where the store is, as it says itself, without opening it."""
    url = settings.resolved_store_url
    if url.startswith(_SQLITE):  # for which the server need not import SQLAlchemy
        return os.path.abspath(url.removeprefix(_SQLITE).partition("?")[0])
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
