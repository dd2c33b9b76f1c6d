"""Orchestra NB: notebook cells and whole notebooks as tasks and flows on a Dask cluster.

Importing this package is cheap: the names below are loaded when they are first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext orchestra_nb``."""
    from orchestra_nb.ipython_extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext orchestra_nb``."""
    from orchestra_nb.ipython_extension import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from orchestra_nb.server.extension import OrchestraExtension

    return [{"module": "orchestra_nb", "app": OrchestraExtension}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "orchestra-nb"}]


__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]
