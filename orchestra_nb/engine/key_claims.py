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
from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.questions import ClaimAnswer, ClaimResult, DoneAnswer, ReleaseClaim, RenewClaim
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
        self._question = ClaimResult(
            key=key, holder=self.holder, lease_seconds=lease_seconds, is_refreshed=may_overwrite
        )
        self._began = time.monotonic()
        self._ending = threading.Event()
        self._renewing: threading.Thread | None = None

    def acquire(self) -> ResultReference | None:
        """Wait until the key is free, and hold it: None; or return its record, if there is one."""
        while isinstance(claim := self._ask(), Busy):
            time.sleep(self._pause_seconds())
        return claim.reference if isinstance(claim, Found) else None

    async def acquire_async(self) -> ResultReference | None:
        """:meth:`acquire` for coroutines."""
        while True:
            asking = asyncio.ensure_future(in_thread(self._ask))
            try:
                claim = await asyncio.shield(asking)
            except asyncio.CancelledError:
                await asyncio.wait([asking])  # the thread goes on, and may get what nobody would give back
                await in_thread(self.release)
                raise
            if not isinstance(claim, Busy):
                return claim.reference if isinstance(claim, Found) else None
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
            ask_for(DoneAnswer, ReleaseClaim(key=self.key, holder=self.holder))
        except OrchestraError as error:
            _log.warning("The lock of the transaction key %r ends by itself: %s", self.name, error)

    def _ask(self) -> Claimed | Found | Busy:
        claim = ask_for(ClaimAnswer, self._question).claim
        if isinstance(claim, Claimed):
            context = contextvars.copy_context()  # the thread asks as this one does
            self._renewing = threading.Thread(
                target=lambda: context.run(self._renew), name="orchestra-key-lease", daemon=True
            )
            self._renewing.start()
        return claim

    def _renew(self) -> None:
        question = RenewClaim(key=self.key, holder=self.holder, lease_seconds=self._lease_seconds)
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
