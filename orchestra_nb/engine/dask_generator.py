"""Dask draws from a generator of its own: code of users that seeds Python's must find it as it left it."""

from __future__ import annotations

import random
import sys
import types


def keep_dask_generator_apart() -> None:
    """Give the loaded modules of Dask a generator of their own in place of the module ``random``; may be called again.

    They draw from it in threads of their own: to weigh a container by a sample of it, to choose a worker to fetch from,
    to wait before they connect anew.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(("dask.", "distributed.", "tornado.")) and vars(module).get("random") is random:
            vars(module)["random"] = _module


def _own_module() -> types.ModuleType:
    """Return a module like ``random``, whose functions draw from another generator."""
    generator = random.Random()
    own = types.ModuleType("random", random.__doc__)
    own.__dict__.update(vars(random))
    for name, function in vars(random).items():
        if isinstance(getattr(function, "__self__", None), random.Random):
            setattr(own, name, getattr(generator, name))
    return own


_module = _own_module()
