"""What names a task in every process: the module and the name of its function.

Code of a script and of a notebook calls its module ``__main__``, which says nothing: here it is named after the script
or the notebook, so that tasks of two of them are two tasks, and a script is the same whether it is run or imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

#: Tells a kernel which notebook it runs, by the stem of its file, where no front end does.
NOTEBOOK_VARIABLE: Final = "ORCHESTRA_RUN_NOTEBOOK"
#: An attribute of the module that a script is loaded as to run its code again: the script's file.
LOADED_FILE: Final = "__orchestra_file__"


def task_key_of(function: Callable[..., Any], name: str) -> str:
    """Return the key of a task; ``name`` serves where the function has no name of its own."""
    module = getattr(function, "__module__", "")
    if module == "__main__":
        module = main_name(sys.modules["__main__"], os.environ)
    elif (file := getattr(sys.modules.get(module), LOADED_FILE, None)) is not None:
        module = Path(file).stem  # the module's name may be another one
    return f"{module}.{getattr(function, '__qualname__', name)}"


def main_name(main: ModuleType, environ: Mapping[str, str]) -> str:
    """Return the name of what runs as ``__main__``; ``"__main__"`` where there is none.

    Examples
    --------
    >>> main_name(ModuleType("__main__"), {"JPY_SESSION_NAME": "sales/report.ipynb"})
    'report'
    """
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m
        return str(spec.name)
    file = getattr(main, "__file__", None) or getattr(main, "__vsc_ipynb_file__", None)
    file = file or environ.get(NOTEBOOK_VARIABLE) or environ.get("JPY_SESSION_NAME")
    return Path(file).stem if file else "__main__"
