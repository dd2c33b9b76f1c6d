"""The modules of the user's own that a process has loaded, and the state that lies in them.

A module travels by its name: its functions are the same everywhere, but what a notebook or a function has put into its
variables is not. Modules of Python and of installed packages are taken as they are.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.model.fingerprints import fingerprint

_CODE = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)


def state_of_user_modules() -> dict[str, str | None]:
    """Return module name to a digest of its variables, equal in every process; None where there is none to be had."""
    return {module.__name__: _digest(module) for module in user_modules()}


class UserVariables:
    """Sees which of the user's modules have other variables than at the last look. Costs one pass over these."""

    def __init__(self) -> None:
        #: module name to (what its import made of it, digest of its variables)
        self._seen: dict[str, tuple[object, str | None]] = {}
        self.look()

    def look(self) -> list[str]:
        """Return the modules whose variables have changed since, without those that were loaded since."""
        before, self._seen = self._seen, {m.__name__: (m.__spec__, _digest(m)) for m in user_modules()}
        return sorted(
            name
            for name, (spec, digest) in self._seen.items()
            if name in before and before[name][0] is spec and None not in (digest, before[name][1])
            if before[name][1] != digest
        )


def user_modules() -> Iterator[types.ModuleType]:
    """Return the modules that are neither installed nor Python's."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and _is_own(name, str(getattr(module, "__file__", ""))):
            yield module


@lru_cache(maxsize=1 << 14)
def _is_own(name: str, file: str) -> bool:
    """Tell whether a module that is loaded from a file is one of the user's: asked of all modules after each cell."""
    if name in ("__main__", "__mp_main__") or not is_users(name):
        return False
    return not file.startswith(sysconfig.get_paths()["stdlib"] + os.sep)


def variables_of(module: types.ModuleType) -> dict[str, Any]:
    """Return the variables of a module and of its classes, without functions, classes and modules."""
    variables: dict[str, Any] = {}
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == module.__name__:
            attributes = {key: item for key, item in vars(value).items() if _is_data(key, item)}
            variables.update((f"{name}.{key}", item) for key, item in attributes.items())
        elif _is_data(name, value):
            variables[name] = value
    return variables


def _digest(module: types.ModuleType) -> str | None:
    try:
        return fingerprint(variables_of(module))
    except ValueNotHashable:
        return None
    except Exception:  # looking at a value runs code of its class
        return None


def _is_data(name: str, value: object) -> bool:
    return not name.startswith("__") and not isinstance(value, (*_CODE, property, staticmethod, classmethod))
