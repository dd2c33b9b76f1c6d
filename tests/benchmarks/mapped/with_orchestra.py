"""A flow that maps a trivial task over 1,000 numbers on a local cluster that it starts."""

import time

from orchestra_nb import flow, task


@task
def increment(x):
    return x + 1


@flow
def mapped():
    return sum(increment.map(range(1000)).result())


before = time.perf_counter()
assert mapped() == 500_500
print("seconds:", time.perf_counter() - before)
