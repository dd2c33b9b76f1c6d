"""The servers with our pages that run here for this user, as Jupyter's runtime folder knows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import msgspec

#: By this key in its file, which Jupyter writes for each server, one of ``orchestra serve`` says that it is one.
SERVER_INFO_KEY: Final = "orchestra_nb"
#: By this one a Jupyter server says that it has our extension.
EXTENSION_INFO_KEY: Final = "orchestra_nb_extension"
#: By this one it names its store.
STORE_INFO_KEY: Final = "orchestra_nb_store"


class RunningServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server.

    Parameters
    ----------
    url
        Where its page is, without a token.
    port
        Where it listens; 0 for a Unix socket.
    version
        Of Orchestra.
    store
        Where its store is, without a password; empty where an older version does not say it.
    is_alone
        Whether it is one of ``orchestra serve``, not a Jupyter server with the extension.
    """

    pid: int
    url: str
    port: int
    version: str
    store: str = ""
    is_alone: bool = True


def running_servers() -> list[RunningServer]:
    """Return those of ``orchestra serve`` that are up, by their process."""
    return [server for server in servers_with_pages() if server.is_alone]


def servers_with_pages() -> list[RunningServer]:
    """Return those that are up, of ``orchestra serve`` and of Jupyter, by their process."""
    import psutil
    from jupyter_core.paths import jupyter_runtime_dir

    found = []
    for path in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
            server = RunningServer(
                pid=info["pid"],
                url=f"{info['url']}orchestra/",
                port=0 if info.get("sock") else info["port"],
                version=info[SERVER_INFO_KEY] if SERVER_INFO_KEY in info else info[EXTENSION_INFO_KEY],
                store=info.get(STORE_INFO_KEY, ""),
                is_alone=SERVER_INFO_KEY in info,
            )
        except (OSError, ValueError, KeyError, TypeError):  # another server's, or written at this moment
            continue
        if psutil.pid_exists(server.pid):
            found.append(server)
    return sorted(found, key=lambda server: server.pid)
