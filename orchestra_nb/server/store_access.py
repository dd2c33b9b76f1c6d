"""The server's one way to the store: opened at the first use, in threads of its own, never on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.server.run_stream import Log, RunStream
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.model.access import AccessRules
    from orchestra_nb.operations.opening import Sweeper
    from orchestra_nb.store.run_store import RunStore

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 4
#: Of what may take its time: code of users is imported, somebody is sent a message.
_LONG_THREADS = 8


def as_seen_by(
    owners: frozenset[str] | None, function: Callable[Concatenate[RunStore, P], T]
) -> Callable[Concatenate[RunStore, P], T]:
    """Return a function that reads only what is of these users; None for those of all."""

    def seeing(store: RunStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with store.database.seen_by(owners):
            return function(store, *args, **kwargs)

    return seeing


class StoreAccess:
    """Calls functions of ``operations`` with the open store, in a few threads.

    Made once for each server; its methods are called on the event loop only. Opening is tried again by the next call
    when it failed, so a store that was unreachable for a while needs no restart of the server.

    Parameters
    ----------
    is_for_all
        Whether somebody has said that users see everything: another server on the store may tell them apart, and what
        nobody has said does not undo that.
    """

    def __init__(self, log: Log, rules: AccessRules, *, is_for_all: bool = False) -> None:
        self._log = log
        self._rules = rules
        self._is_for_all = is_for_all
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="orchestra-store")
        self._long_threads = ThreadPoolExecutor(_LONG_THREADS, thread_name_prefix="orchestra-long-calls")
        self._opening = asyncio.Lock()
        self._store: RunStore | None = None
        self._sweeper: Sweeper | None = None
        self._stream: RunStream | None = None
        self._is_closed = False
        #: id of a remote worker to what ends its call that waits for work
        self.waiting_workers: dict[str, asyncio.Event] = {}

    async def call(self, function: Callable[Concatenate[RunStore, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(store, *args, **kwargs)``, run in a thread.

        Raises
        ------
        StoreUnavailable
            The store cannot be opened, or the server is stopping.
        """
        store = await self._opened()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(store, *args, **kwargs))

    async def call_long(
        self, function: Callable[Concatenate[RunStore, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as :meth:`call` for what may take its time, so that workers and readers do not wait for it."""
        store = await self._opened()
        return await asyncio.get_running_loop().run_in_executor(
            self._long_threads, lambda: function(store, *args, **kwargs)
        )

    def read_now(self, function: Callable[[RunStore, datetime], T]) -> T | None:
        """Return ``function(store, now)``, called in this thread, which is none of the event loop.

        None where there is no store yet, or the server is stopping: who only looks makes none.

        Raises
        ------
        StoreUnavailable
            The store cannot be opened or read.
        """
        from orchestra_nb.operations.opening import open_store
        from orchestra_nb.operations.server_activity import may_have_store

        settings = load_settings()
        if self._is_closed or not may_have_store(settings):
            return None
        return function(self._store or open_store(settings), datetime.now(UTC))

    async def stream(self) -> RunStream:
        """Return the stream of changes of the open store."""
        store = await self._opened()
        if self._stream is None:
            self._stream = RunStream(store, self.call, self._log)
        return self._stream

    async def close(self) -> None:
        """End the stream, wait for the calls that run, and close the store. May be called twice."""
        self._is_closed = True
        if self._stream is not None:
            await self._stream.close()
        async with self._opening:
            await asyncio.to_thread(self._close_now)

    async def _opened(self) -> RunStore:
        if self._store is not None and not self._is_closed:
            return self._store
        async with self._opening:
            if self._is_closed:
                raise StoreUnavailable("The server is stopping.")
            if self._store is None:
                self._store = await asyncio.get_running_loop().run_in_executor(self._threads, self._open_now)
            return self._store

    def _open_now(self) -> RunStore:
        from orchestra_nb.operations.automations import decide_who_is_heard, hear_all_again
        from orchestra_nb.operations.opening import Sweeper, open_store

        try:
            settings = load_settings()
        except InvalidSetting as error:  # not the fault of whoever sent the request
            raise StoreUnavailable(str(error)) from error
        store = open_store(settings)
        if self._rules.is_owners_only:
            decide = partial(decide_who_is_heard, rules=self._rules)
            self._sweeper = Sweeper(store, settings.sweep_seconds, decide)
        else:
            if self._is_for_all:
                with contextlib.suppress(StoreUnavailable):  # it cannot be written now
                    hear_all_again(store)
            self._sweeper = Sweeper(store, settings.sweep_seconds)
        return store

    def _close_now(self) -> None:
        from orchestra_nb.operations.opening import close_store

        if self._sweeper is not None:
            self._sweeper.close()
        self._long_threads.shutdown(wait=True)
        self._threads.shutdown(wait=True)
        if self._store is not None:
            close_store(self._store)
        self._store = self._sweeper = None
