"""Has a Jupyter server with the extension say so in its file in Jupyter's runtime folder, and of which store it is.

By that file commands tell where messages of webhooks can be sent.
"""

from __future__ import annotations

import asyncio
import json
import os
from logging import Logger, LoggerAdapter
from pathlib import Path
from typing import Any, Final

from jupyter_core.paths import secure_write

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.operations.running_servers import EXTENSION_INFO_KEY, SERVER_INFO_KEY, STORE_INFO_KEY
from orchestra_nb.settings import Settings, load_settings
from orchestra_nb.version import __version__

_SQLITE: Final = "sqlite:///"


async def tell_of_extension(info_file: str, log: Logger | LoggerAdapter[Any]) -> None:
    """Put it into the file that Jupyter has written for the server; one of ``orchestra serve`` says it already."""
    try:
        await asyncio.to_thread(_tell, Path(info_file))
    except (OSError, ValueError, InvalidSetting) as error:
        log.debug("Commands do not learn that %s is of a server with Orchestra: %s", info_file, error)


def _tell(path: Path) -> None:
    info = json.loads(path.read_text(encoding="utf-8"))
    if SERVER_INFO_KEY in info:
        return
    told = {**info, EXTENSION_INFO_KEY: __version__, STORE_INFO_KEY: _store_location(load_settings())}
    beside = path.with_suffix(".new")  # whoever reads it meanwhile finds all of it
    with secure_write(str(beside)) as file:
        json.dump(told, file, indent=2, sort_keys=True)
    if path.exists():
        beside.replace(path)
    else:  # the server has ended
        beside.unlink()


def _store_location(settings: Settings) -> str:
    """Return where the store is, as it says itself, without opening it."""
    url = settings.resolved_store_url
    if url.startswith(_SQLITE):  # for which the server need not import SQLAlchemy
        return os.path.abspath(url.removeprefix(_SQLITE).partition("?")[0])
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
