"""The same with Dask alone: a local cluster with one worker for each core, as ours has."""

import os

from distributed import Client, LocalCluster


def greet(name):
    return f"Hello, {name}!"


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=os.cpu_count(), threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        print(client.submit(greet, "world").result())
