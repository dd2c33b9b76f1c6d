"""The process of the Dask cluster of a work pool: ``python -m orchestra_nb.engine.pool_cluster_host``.

It makes the cluster of a class that only its user knows, far from the worker that needs it, and keeps it up. The first
line of stdin says what to make, the first line of stdout tells its address. The line ``close`` ends it. When stdin ends
without it, the worker was killed: what runs on the cluster goes on, and the cluster ends when nobody uses it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
import warnings
from typing import Any, Final

import msgspec

from orchestra_nb.engine.cluster_class import make_cluster
from orchestra_nb.engine.cluster_failures import why_not_made
from orchestra_nb.engine.clusters import ClusterSpec
from orchestra_nb.errors import ClusterUnavailable

#: A cluster whose worker was killed ends when it has had no client for so long.
_ORPHAN_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0
#: What of Dask's log the terminal of a worker gets. Workers that come and go are warnings there, and errors in those
#: that go; what that means for tasks is said of their runs.
_LOG_LEVELS: Final = {
    "distributed": "warning",
    **dict.fromkeys(("distributed.scheduler", "distributed.nanny", "distributed.worker.state_machine"), "error"),
    "distributed.worker": "critical",
    **dict.fromkeys(("distributed.nanny.memory", "distributed.worker.memory"), "warning"),
}


class ClusterOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to make."""

    path: str
    arguments: dict[str, object]
    minimum: int | None = None
    maximum: int | None = None


class ClusterAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is; or why it is not."""

    address: str = ""
    error: str = ""


def host(order: ClusterOrder, tell: Any) -> None:
    """Keep a cluster up until it is told to close."""
    try:
        cluster = make_cluster(ClusterSpec("class", order.path, order.arguments))
    except ClusterUnavailable as error:
        tell(ClusterAnswer(error=str(error)))
        return
    try:
        certificate = getattr(getattr(cluster, "security", None), "tls_client_cert", None)
        if certificate and "\n" in str(certificate):
            why = "makes its own certificates, which runs cannot know."
            remedy = "Leave out `security`, or configure Dask's TLS by files (distributed.comm.tls)."
            tell(ClusterAnswer(error=f"{order.path} {why} {remedy}"))
            return
        if order.minimum is not None or order.maximum is not None:
            try:
                cluster.adapt(minimum=order.minimum or 0, maximum=order.maximum)
            except Exception as error:  # it is code of users
                reason = why_not_made(error, order.arguments)
                tell(ClusterAnswer(error=f"{order.path} could not be scaled: {reason}"))
                return
        tell(ClusterAnswer(address=str(cluster.scheduler_address)))
        if sys.stdin.readline().strip() != "close":
            _wait_until_unused(str(cluster.scheduler_address))
    finally:
        logging.disable()  # connections that end are no news now
        cluster.close()


def _keep_quiet() -> None:
    """Have this process, and those of Dask that it starts, log what went wrong alone, but where Dask's settings say."""
    import dask.config

    warnings.filterwarnings("ignore", r"Port \d+ is already in use", UserWarning)  # a second cluster's dashboard
    said = dask.config.config
    if not {"logging", "logging-file-config"} & {*said, *said.get("distributed", {})}:
        os.environ["DASK_LOGGING"] = repr(_LOG_LEVELS)
        dask.config.set({"logging": _LOG_LEVELS})
    logging.getLogger("distributed.nanny").addFilter(_is_no_cancellation)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Tell apart what a nanny logs as an error when the cluster lets go of its worker."""
    return not (record.exc_info and record.exc_info[0] is asyncio.CancelledError)


def _wait_until_unused(address: str) -> None:
    from distributed import Client

    unused_since = time.monotonic()
    client: Any = Client  # untyped
    with contextlib.suppress(OSError, TimeoutError), client(address, set_as_default=False) as client:
        while time.monotonic() - unused_since < _ORPHAN_SECONDS:
            if client.run_on_scheduler(_other_clients) > 1:
                unused_since = time.monotonic()
            time.sleep(_LOOK_SECONDS)


def _other_clients(dask_scheduler: Any) -> int:
    return len(set(dask_scheduler.clients) - {"fire-and-forget"})


def main() -> None:
    """Read what to make, and keep it."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # classes may print what they like

    def tell(said: ClusterAnswer) -> None:
        with contextlib.suppress(OSError):
            answer.write(msgspec.json.encode(said) + b"\n")
            answer.flush()

    _keep_quiet()
    host(msgspec.json.decode(sys.stdin.readline(), type=ClusterOrder), tell)


if __name__ == "__main__":
    main()
