"""Code of users that seeds Python's generator finds it as it left it, whatever Dask does meanwhile."""

from __future__ import annotations

import random

import dask.sizeof

from orchestra_nb.engine.dask_generator import keep_dask_generator_apart


def test_dask_does_not_draw_from_the_generator_of_the_process() -> None:
    keep_dask_generator_apart()
    random.seed(7)
    before = random.getstate()

    dask.sizeof.sizeof([str(number) for number in range(1000)])

    assert random.getstate() == before
    assert isinstance(dask.sizeof.random.Random(7), random.Random)  # all else of the module is there
    assert random.choice([1]) == 1  # the module itself is as it was
