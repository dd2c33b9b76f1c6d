"""One worker of the local cluster as its host sees it: a sentinel process, its orders and its reports."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.engine.sentinel import describe_exit, guard_command

if TYPE_CHECKING:
    from orchestra_nb.engine.worker_zygote import ForkedSentinel, WorkerZygote

_GRACE_SECONDS = 2.0
_LOG_CHUNK_BYTES = 4096
#: An exit report holds the outcomes of the short attempts that ended in the last moments.
_REPORT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What all workers are told when the scheduler is up."""

    address: str
    certificate: str
    key: str
    memory_limit: int
    folder: Path


class GuardedWorker:
    """Starts one worker under a sentinel and follows it to its end. For one event loop.

    Parameters
    ----------
    on_runs
        Called with the chunk, the number and the begin of a short attempt that turns out to run for a while.
    zygote
        What forks the worker; None to start it from nothing.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        log: logging.Logger,
        on_runs: Callable[[Mapping[str, object]], None],
        zygote: WorkerZygote | None = None,
    ) -> None:
        self._on_runs = on_runs
        self._zygote = zygote
        self.name = name
        self.pid = 0
        #: of a process that exited by itself
        self.exit_code: int | None = None
        #: whether an attempt was running when it ended
        self.was_used = False
        #: what its sentinel said of the chunk of attempts that it ran last
        self.chunk: Mapping[str, object] | None = None
        #: set when the processes have been started; their imports may take a while yet
        self.started = asyncio.Event()
        #: for what the worker spills
        self.folder = folder / name
        self._log = log
        self._process: Process | ForkedSentinel | None = None
        self._gone: asyncio.Task[None] | None = None

    async def run(self, order: asyncio.Future[WorkerOrder], on_started: Callable[[], None]) -> str:
        """Start it, give it the order as soon as that is known, and return how it ended, in people's words."""
        self.folder.mkdir(mode=0o700)
        orders_read, orders_write = os.pipe()
        process = self._process = await self._start(orders_read)
        os.close(orders_read)
        self.started.set()
        copying = asyncio.ensure_future(self._copy_to_log(process))
        giving = asyncio.ensure_future(self._give(order, orders_write))
        reason = "its sentinel died"
        assert process.stdout is not None
        while line := await process.stdout.readline():
            report = json.loads(line)
            if "started" in report:
                self.pid = report["started"]["pid"]
                on_started()
            elif "runs" in report:
                self._on_runs(report["runs"])
            elif "error" in report:
                reason = report["error"]
            elif "exited" in report:
                exited = report["exited"]
                self.was_used = bool(exited["running"])
                self.exit_code = exited["exit_code"]
                self.chunk = exited.get("chunk")
                reason = describe_exit(exited["exit_code"], exited["signal"])
                break
        giving.cancel()
        self._gone = asyncio.ensure_future(self._finish(process, copying))
        return reason

    async def _start(self, orders: int) -> Process | ForkedSentinel:
        if self._zygote is not None:
            try:
                return await self._zygote.start(
                    self.name, self.folder, orders, grace_seconds=_GRACE_SECONDS, limit=_REPORT_BYTES
                )
            except OSError as error:
                self._log.warning("workers cannot be forked any more (%s); %s is started plainly", error, self.name)
        command = [sys.executable, "-P", "-m", "orchestra_nb.engine.worker_process", str(orders)]
        return await asyncio.create_subprocess_exec(
            *guard_command(command, grace_seconds=_GRACE_SECONDS, pass_fds=[orders]),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self.folder,
            pass_fds=[orders],
            start_new_session=True,
            limit=_REPORT_BYTES,
        )

    def order(self, order: Mapping[str, object]) -> None:
        """Send an order to the sentinel; nothing if it has ended."""
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def wait_until_gone(self) -> None:
        """Return when the sentinel and all that it guarded have ended."""
        if self._gone is not None:
            await self._gone

    async def _give(self, order: asyncio.Future[WorkerOrder], descriptor: int) -> None:
        try:
            told = await asyncio.shield(order)
            message = {
                "address": told.address,
                "certificate": told.certificate,
                "key": told.key,
                "memory_limit": told.memory_limit,
                "name": self.name,
                "folder": str(self.folder),
            }
            os.write(descriptor, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            pass  # it died early; the report says how
        finally:
            os.close(descriptor)

    async def _copy_to_log(self, process: Process | ForkedSentinel) -> None:
        assert process.stderr is not None
        while chunk := await process.stderr.read(_LOG_CHUNK_BYTES):
            self._log.info("%s says: %s", self.name, chunk.decode(errors="replace").rstrip())

    async def _finish(self, process: Process | ForkedSentinel, copying: asyncio.Task[None]) -> None:
        await process.wait()
        await copying
        if process.stdin is not None:
            process.stdin.close()
