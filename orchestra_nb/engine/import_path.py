"""How a process that is started with ``-P`` finds this package where it is no installed one.

Without ``-P`` the current folder comes first, and a ``random.py`` of the user's would stand in for Python's own.
"""

from __future__ import annotations

import os
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")


def importing_environment() -> dict[str, str]:
    """Return the environment of this process, with the folder of a checkout in ``PYTHONPATH``."""
    environment = dict(os.environ)
    root = Path(__file__).parents[2]
    if root.name not in _INSTALLED:
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(root), known] if known else [str(root)])
    return environment
