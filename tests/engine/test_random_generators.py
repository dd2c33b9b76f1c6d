"""Who seeds a generator is told by the function that is called, and whether a new one was drawn from by its state."""

from __future__ import annotations

import random

import numpy
import pytest

from orchestra_nb.engine.random_generators import generators_seeded_by, was_drawn_from


class _Faker:
    """Has a function of the name."""

    seed = staticmethod(random.seed)


@pytest.mark.parametrize(
    ("called", "seeded"),
    [
        (["random.seed", "np.random.seed"], {"random", "numpy.random"}),
        (["draws.seed"], {"numpy.random"}),
        (["faker.seed"], set()),
        (["missing.seed", "np.random.shuffle"], set()),
    ],
)
def test_a_generator_is_seeded_by_the_functions_of_its_module(called: list[str], seeded: set[str]) -> None:
    namespace = {"random": random, "np": numpy, "draws": numpy.random, "faker": _Faker()}

    assert generators_seeded_by(called, namespace) == seeded


def test_a_generator_that_was_drawn_from_is_another_than_a_new_one() -> None:
    before = numpy.random.get_state()
    try:
        numpy.random.set_state(numpy.random.RandomState().get_state())
        new = was_drawn_from("numpy.random")
        numpy.random.standard_normal()
        drawn = was_drawn_from("numpy.random")
    finally:
        numpy.random.set_state(before)

    assert (new, drawn, was_drawn_from("random")) == (False, True, False)
