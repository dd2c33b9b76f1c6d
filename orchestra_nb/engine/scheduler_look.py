"""What a Dask scheduler at an address says of itself and of its workers, without being its client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestra_nb.errors import ClusterUnavailable

#: Who shows clusters does not wait longer for one that does not answer.
LOOK_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker as its scheduler knows it; a limit of 0 means none."""

    name: str
    host: str
    threads: int
    memory_bytes: int
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenScheduler:
    """A scheduler that answered; ``dashboard_url`` is empty where it serves none."""

    dashboard_url: str
    workers: tuple[SeenWorker, ...]


def look_at_scheduler(address: str, timeout_seconds: float = LOOK_SECONDS) -> SeenScheduler:
    """Return what the scheduler at an address says. Imports Dask at the first call; not inside of an event loop.

    Raises
    ------
    ClusterUnavailable
        None answered in time, or what answered is none.
    """
    try:
        identity = asyncio.run(asyncio.wait_for(_identity(address, timeout_seconds), timeout_seconds + 1))
        return _read(address, identity)
    except (OSError, TimeoutError, ValueError, TypeError, KeyError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ClusterUnavailable(
            f"No Dask scheduler answered at {address} ({reason}). Check that it runs and can be reached from the "
            "machine of this server."
        ) from error


async def _identity(address: str, timeout_seconds: float) -> Mapping[str, Any]:
    from distributed.core import rpc
    from distributed.security import Security

    # Dask's own, without types
    make_rpc: Any = rpc
    make_security: Any = Security
    arguments = make_security().get_connection_args("scheduler")
    scheduler = make_rpc(address, timeout=timeout_seconds, connection_args=arguments)
    try:
        answer: Mapping[str, Any] = await scheduler.identity()
    finally:
        await scheduler.close_rpc()
    return answer


def _read(address: str, identity: Mapping[str, Any]) -> SeenScheduler:
    return SeenScheduler(
        dashboard_url=_dashboard_url(address, identity["services"].get("dashboard")),
        workers=tuple(
            SeenWorker(
                name=str(worker["name"]),
                host=str(worker["host"]),
                threads=int(worker["nthreads"]),
                memory_bytes=int((worker.get("metrics") or {}).get("memory") or 0),
                memory_limit_bytes=int(worker["memory_limit"] or 0),
            )
            for worker in identity["workers"].values()
        ),
    )


def _dashboard_url(address: str, port: int | None) -> str:
    """Return where the dashboard is, as Dask's setting ``distributed.dashboard.link`` says."""
    if port is None:
        return ""
    from distributed.comm.addressing import get_address_host
    from distributed.utils import format_dashboard_link

    link: Any = format_dashboard_link
    host: Any = get_address_host
    url = str(link(host(address), port))
    return url if url.startswith(("http://", "https://", "/")) else ""
