"""Dask draws from a generator of its own: code of users that seeds Python's must find it as it left it."""

from __future__ import annotations

import random
import sys


def keep_dask_generator_apart() -> None:
    """Give the loaded modules of Dask a generator of their own in place of the module ``random``; may be called again.

    They draw from it in threads of their own: to weigh a container by a sample of it, to choose a worker to fetch from,
    to wait before they connect anew.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(("dask.", "distributed.", "tornado.")) and vars(module).get("random") is random:
            vars(module)["random"] = _generator


_generator = random.Random()
