"""Clients for the managers of others that know by event when their kernel is ready.

jupyter_client's own take a kernel for ready when it has been silent for 0.2 s: most of what a forked kernel's first
answer takes. The last word of a kernel on a request is "idle", and nothing of the request comes after it; see
https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-status
"""

from __future__ import annotations

import functools
import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient  # noqa: TID253
from jupyter_client.blocking.client import BlockingKernelClient  # noqa: TID253
from jupyter_client.client import KernelClient  # noqa: TID253
from jupyter_core.utils import ensure_async, run_sync

#: After so long without an answer the kernel is asked again, as jupyter_client does.
_REPLY_SECONDS = 1.0
#: How long an answer's "idle" is waited for: whoever subscribes too late misses it.
_IDLE_SECONDS = 0.2


async def _wait_for_ready(client: Any, timeout: float | None = None) -> None:
    """Wait until a kernel answers on both channels, and nothing of the answers is left to come on iopub.

    Parameters
    ----------
    timeout
        How long (s); None: for as long as it lives.

    Raises
    ------
    RuntimeError
        The kernel ended, or was silent for too long; in the words of jupyter_client.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    requests: set[str] = set()
    while True:
        requests.add(client.kernel_info())
        reply = await _reply_to(client, requests)
        if reply is not None and await _is_idle_after(client, reply["parent_header"]["msg_id"]):
            client._handle_kernel_info_reply(reply)
            return
        if not await KernelClient._async_is_alive(client):
            raise RuntimeError("Kernel died before replying to kernel_info")
        if deadline is not None and time.monotonic() > deadline:
            raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


async def _reply_to(client: Any, requests: set[str]) -> dict[str, Any] | None:
    """Return the next answer to one of these requests for the kernel's facts; None when there is none in time."""
    return await _next_of(
        client.shell_channel,
        _REPLY_SECONDS,
        lambda message: message["msg_type"] == "kernel_info_reply" and message["parent_header"]["msg_id"] in requests,
    )


async def _is_idle_after(client: Any, request: str) -> bool:
    """Read what the kernel tells everybody, until it has nothing more to say on a request; False: it was not heard."""
    idle = await _next_of(
        client.iopub_channel,
        _IDLE_SECONDS,
        lambda message: (
            message["parent_header"].get("msg_id") == request and message["content"].get("execution_state") == "idle"
        ),
    )
    return idle is not None


async def _next_of(channel: Any, seconds: float, is_wanted: Any) -> dict[str, Any] | None:
    """Return the next message of a kind, leaving out those before it; None when it does not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            message: dict[str, Any] = await ensure_async(channel.get_msg(timeout=max(0.0, deadline - time.monotonic())))
        except Empty:
            return None
        if is_wanted(message):
            return message


class _ReadyAsyncClient(AsyncKernelClient):
    wait_for_ready = _wait_for_ready


class _ReadyBlockingClient(BlockingKernelClient):
    wait_for_ready = run_sync(_wait_for_ready)


def make_clients_wait_by_event(manager: Any) -> None:
    """Have the clients that a manager makes from now on wait for their kernel by event.

    Classes of clients that have a way of their own are left as they are.
    """
    manager.client_factory = _waiting_by_event(manager.client_factory)


@functools.lru_cache(maxsize=16)
def _waiting_by_event(factory: type[KernelClient]) -> type[KernelClient]:
    for ready, stock in ((_ReadyAsyncClient, AsyncKernelClient), (_ReadyBlockingClient, BlockingKernelClient)):
        own_way: Any = getattr(factory, "wait_for_ready", None)
        if issubclass(factory, stock) and own_way is stock.wait_for_ready:
            return ready if factory is stock else type(factory.__name__, (ready, factory), {})
    return factory
