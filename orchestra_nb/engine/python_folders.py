"""Which files are no input of a cell: those of Python, its packages and the system, caches and settings.

The folders are found once for each process; :func:`find_folders` does so where no audit hook may look at files.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

#: What lies here came with the system. Its other folders are the user's: containers work in ``/usr/src/app``, and a
#: project may be the folder of its own virtual environment.
_OF_SYSTEM = ("/proc", "/sys", "/dev", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_INSTALLATIONS = ("/usr", "/usr/local")
_OF_INSTALLATION = (
    "bin sbin lib lib32 lib64 libexec include share etc pyvenv.cfg conda-meta pkgs Lib DLLs Scripts Library".split()
)
#: Files in memory, below a folder of the system.
OF_MEMORY = "/dev/shm/"
#: Below the home folder: what libraries write for themselves.
_CACHES = (".cache", ".config/matplotlib", ".ipython", ".matplotlib")
#: Below the home folder: what is set up once, and no part of a notebook.
_SETTINGS = (".config", ".jupyter", ".local")
#: Variables that name other places for them.
_CACHE_VARIABLES = ("MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME")
_SETTING_VARIABLES = ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
_BYTECODE = "__pycache__"


def find_folders() -> None:
    """Find all folders now."""
    _folders_of_packages(), _folders_of_caches(), _folders_of_settings()


def is_of_packages(path: str) -> bool:
    """Tell whether an absolute path belongs to Python, its packages or the system: these do not change meanwhile."""
    if _is_bytecode(path):
        return True
    return (path + os.sep).startswith(_folders_of_packages()) and not path.startswith(OF_MEMORY)


def is_of_caches(path: str) -> bool:
    """Tell whether a file is one that Python or a library writes for itself: nobody sees that it was."""
    return _is_bytecode(path) or path == os.devnull or (path + os.sep).startswith(_folders_of_caches())


def leads_to_cache(path: str) -> bool:
    """Tell whether a folder is one above a folder of caches."""
    return any(folder.startswith(path + os.sep) for folder in _folders_of_caches())


def is_of_settings(path: str) -> bool:
    """Tell whether a file is a setting of the user's programs, or of Jupyter."""
    return (path + os.sep).startswith(_folders_of_settings())


def _is_bytecode(path: str) -> bool:
    return _BYTECODE in path


@lru_cache(maxsize=1)
def _folders_of_packages() -> tuple[str, ...]:
    own = str(Path(__file__).parents[1])
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, *_INSTALLATIONS}
    parts = {os.path.join(root, part) for root in roots for part in _OF_INSTALLATION}
    installed = {*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()} - roots
    return _ending({*parts, *installed, own, *_OF_SYSTEM})


@lru_cache(maxsize=1)
def _folders_of_caches() -> tuple[str, ...]:
    return _ending({*(_in_home(name) for name in _CACHES), *_named(_CACHE_VARIABLES)})


@lru_cache(maxsize=1)
def _folders_of_settings() -> tuple[str, ...]:
    return _ending({*(_in_home(name) for name in _SETTINGS), *_named(_SETTING_VARIABLES), "/etc"})


def _in_home(name: str) -> str:
    return str(Path.home() / name)


def _named(variables: tuple[str, ...]) -> set[str]:
    return {os.path.abspath(os.environ[name]) for name in variables if os.environ.get(name)}


def _ending(paths: set[str]) -> tuple[str, ...]:
    return tuple(path.rstrip(os.sep) + os.sep for path in paths if path not in ("", os.sep))
