"""The right to write the record of a transaction's key: one holder at a time, in all processes that share a store.

It is a lease, renewed by a thread as long as it is held, so what a dead process held is soon free.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import threading
import time
from typing import Final

from orchestra_nb.engine.services import ask_for, in_thread
from orchestra_nb.errors import Conflict, OrchestraError
from orchestra_nb.model.questions import ClaimKey, DoneAnswer, KeyAnswer, ReleaseKey, RenewKey
from orchestra_nb.model.result_reference import ResultReference

#: How long a claim lives without a renewal, and of that time, when it is renewed.
LEASE_SECONDS: Final = 30.0
_RENEW_AFTER: Final = 1 / 3
#: How long to wait before asking again: at first, and at last.
_SHORTEST_WAIT_SECONDS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class KeyClaim:
    """One holder's claim on one key.

    Parameters
    ----------
    may_overwrite
        Whether the right is wanted although there is a record.
    name
        The key as people know it.
    """

    def __init__(self, key: str, may_overwrite: bool, name: str, lease_seconds: float = LEASE_SECONDS) -> None:
        self.key = key
        self.name = name
        #: set when the right was lost
        self.lost = threading.Event()
        self._lease_seconds = lease_seconds
        self.holder = secrets.token_hex(16)
        self._question = ClaimKey(key=key, holder=self.holder, lease_seconds=lease_seconds, may_overwrite=may_overwrite)
        self._began = time.monotonic()
        self._ending = threading.Event()
        self._renewing: threading.Thread | None = None

    def acquire(self) -> ResultReference | None:
        """Wait until the key is free, and hold it: None; or return its record, if there is one."""
        while (answer := self._ask()).busy_holder is not None:
            time.sleep(self._pause_seconds())
        return answer.reference

    async def acquire_async(self) -> ResultReference | None:
        """:meth:`acquire` for coroutines."""
        while True:
            asking = asyncio.ensure_future(in_thread(self._ask))
            try:
                answer = await asyncio.shield(asking)
            except asyncio.CancelledError:
                await asyncio.wait([asking])  # the thread goes on, and may get what nobody would give back
                await in_thread(self.release)
                raise
            if answer.busy_holder is None:
                return answer.reference
            await asyncio.sleep(self._pause_seconds())

    def check(self) -> None:
        """Raise when the right was lost: somebody else may have written meanwhile.

        Raises
        ------
        Conflict
            The lease ran out, because neither this process nor its store could renew it.
        """
        if self.lost.is_set():
            raise Conflict(
                f"The lock of the transaction key {self.name!r} ran out while it was held, so somebody else may have "
                "committed under it. Run it again."
            )

    def release(self) -> None:
        """Give the right back. When nobody can be told, the lease ends by itself. May be called twice."""
        self._ending.set()
        if self._renewing is None:
            return
        self._renewing.join()
        self._renewing = None
        try:
            ask_for(DoneAnswer, ReleaseKey(key=self.key, holder=self.holder))
        except OrchestraError as error:
            _log.warning("The lock of the transaction key %r ends by itself: %s", self.name, error)

    def _ask(self) -> KeyAnswer:
        answer = ask_for(KeyAnswer, self._question)
        if answer.is_claimed:
            context = contextvars.copy_context()  # the thread asks as this one does
            self._renewing = threading.Thread(
                target=lambda: context.run(self._renew), name="orchestra-key-lease", daemon=True
            )
            self._renewing.start()
        return answer

    def _renew(self) -> None:
        question = RenewKey(key=self.key, holder=self.holder, lease_seconds=self._lease_seconds)
        while not self._ending.wait(self._lease_seconds * _RENEW_AFTER):
            try:
                is_held = ask_for(DoneAnswer, question).has_changed
            except OrchestraError as error:
                _log.warning("The lock of the transaction key %r was not renewed: %s", self.name, error)
                continue
            if not is_held:
                self.lost.set()
                return

    def _pause_seconds(self) -> float:
        waited = time.monotonic() - self._began
        return min(max(waited / 10, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
