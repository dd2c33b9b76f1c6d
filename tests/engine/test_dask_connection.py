"""The connection to a Dask cluster: what is left of it when it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc

from distributed import LocalCluster

from orchestra_nb.engine.dask_connection import _close_client, _connect


def test_a_client_that_does_not_close_in_time_is_not_closed_again_when_it_is_forgotten() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def close_in_vain() -> str:
        async with LocalCluster(n_workers=0, asynchronous=True, dashboard_address=":0") as cluster:
            client = await _connect(cluster.scheduler_address, None)
            close, client._close = client._close, lambda fast=False: never()
            with contextlib.suppress(TimeoutError):
                await _close_client(client, 0.05)
            status = str(client.status)
            client._close = close
            client.scheduler_comm.comm.abort()
            del client, close
            gc.collect()  # a coroutine that nobody awaits would be told of, and is an error here
            return status

    assert asyncio.run(close_in_vain()) == "closed"
