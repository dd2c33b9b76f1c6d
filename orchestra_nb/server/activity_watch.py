"""Keeps an idle server from being culled while there is a reason to stay.

Jupyter Server and JupyterHub end a server that has not been used for a while. What they ask is when it was last active:
each of its settings whose name ends in ``_last_activity`` counts, and what ``current_activity`` of an extension says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.operations.server_activity import may_have_store, reasons_to_stay
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.server.run_stream import Log
    from orchestra_nb.server.store_access import StoreAccess

#: The setting of the server that says when there was last a reason to stay.
LAST_ACTIVITY: Final = "orchestra_nb_last_activity"


class ActivityWatch:
    """Looks from time to time for reasons to stay. All methods are called on the event loop.

    A store that is not there yet is not made, and one that cannot be read now is no reason.

    Parameters
    ----------
    settings
        The server's.
    """

    def __init__(self, access: StoreAccess, settings: MutableMapping[str, Any], log: Log, every_seconds: float) -> None:
        self._access = access
        self._settings = settings
        self._log = log
        self._every_seconds = every_seconds
        self._watching: asyncio.Task[None] | None = None
        self._is_closed = False
        #: why the server is needed, as far as is known
        self.reasons: tuple[str, ...] = ()

    def start(self) -> None:
        """Begin to look, the first time after a pause: a server that starts has other things to do."""
        if not self._is_closed:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Look no more. May be called twice."""
        self._is_closed = True
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            now = datetime.now(UTC)
            try:
                has_store = await asyncio.to_thread(lambda: may_have_store(load_settings()))
                self.reasons = await self._access.call(reasons_to_stay, now) if has_store else ()
            except Exception as error:  # whatever it is, the next look may be better
                self.reasons = ()
                self._log.debug("Whether runs need this server is not known: %s", error)
            if self.reasons:
                self._settings[LAST_ACTIVITY] = now
