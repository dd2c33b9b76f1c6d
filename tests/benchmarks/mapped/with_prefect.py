"""The same with Prefect and its Dask runner, where they are installed; the server that it starts is up before."""

import os
import time

from prefect import flow, task
from prefect_dask import DaskTaskRunner


@task
def increment(x):
    return x + 1


@flow
def first():
    return 1


@flow(task_runner=DaskTaskRunner(cluster_kwargs={"n_workers": os.cpu_count(), "threads_per_worker": 1}))
def mapped():
    return sum(increment.map(range(1000)).result())


if __name__ == "__main__":
    first()
    before = time.perf_counter()
    assert mapped() == 500_500
    print("seconds:", time.perf_counter() - before)
