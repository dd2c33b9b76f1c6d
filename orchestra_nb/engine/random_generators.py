"""The random generators that every process has: their states, who seeds one, and whether a new one was drawn from."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final

#: A cell that seeds one does not depend on what it was before.
GENERATORS: Final = ("random", "numpy.random", "torch.random")
#: Generator to (module, function) of each way to seed it.
_SEEDING: Final = {
    "random": (("random", "seed"),),
    "numpy.random": (("numpy.random", "seed"),),
    "torch.random": (("torch", "manual_seed"), ("torch.random", "manual_seed")),
}


def look_at_numpy_random() -> object:
    """Return the state of the generator that exists from the start; nothing is made by looking."""
    numpy: Any = sys.modules.get("numpy.random")
    return None if numpy is None else numpy.get_state(legacy=False)


def put_numpy_random(state: Any) -> None:
    """Put a state back."""
    import numpy

    numpy.random.set_state(state)


def look_at_torch_random() -> object:
    """Return the state of the generator of the processor."""
    torch: Any = sys.modules.get("torch")
    return None if torch is None or not hasattr(torch, "get_rng_state") else torch.get_rng_state().numpy().copy()


def put_torch_random(state: Any) -> None:
    """Put a state back."""
    torch: Any = importlib.import_module("torch")

    torch.set_rng_state(torch.from_numpy(state))


def generators_seeded_by(functions: Iterable[str], namespace: Mapping[str, object]) -> frozenset[str]:
    """Return the generators that calls of functions seed; one that is none of a module of theirs seeds none.

    Parameters
    ----------
    functions
        Dotted names, as a cell wrote them (``"np.random.seed"``).

    Examples
    --------
    >>> import random
    >>> generators_seeded_by(["random.seed", "faker.seed"], {"random": random})
    frozenset({'random'})
    """
    called = [_resolved(name, namespace) for name in functions]
    return frozenset(
        generator
        for generator, ways in _SEEDING.items()
        for module, function in ways
        if (seed := getattr(sys.modules.get(module), function, None)) is not None and seed in called
    )


def was_drawn_from(generator: str) -> bool:
    """Tell whether numbers were drawn from a generator since its package made it, where that can be told."""
    if generator != "numpy.random" or (state := look_at_numpy_random()) is None:
        return False
    numpy: Any = sys.modules["numpy.random"]
    fresh = numpy.RandomState().get_state(legacy=False)
    return _place(state) != _place(fresh)


def _place(state: Any) -> tuple[object, ...]:
    return state["bit_generator"], state["state"].get("pos"), state["has_gauss"]


def _resolved(dotted: str, namespace: Mapping[str, object]) -> object:
    """Return what a dotted name of modules means; None where it leads through anything else."""
    root, *attributes = dotted.split(".")
    value = namespace.get(root)
    for attribute in attributes:
        if type(value) is not types.ModuleType:
            return None
        value = vars(value).get(attribute)
    return value
