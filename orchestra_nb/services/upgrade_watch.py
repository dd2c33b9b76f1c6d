"""Notices that a newer version has upgraded the store beneath a running service.

Services share marks: up to where each kind of loop has worked off what happened. An older loop that went on would move
a mark past what only the newer version understands. So each loop looks before it steps, and the service ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from orchestra_nb.errors import StoreTooNew
from orchestra_nb.services.supervisor import Step
from orchestra_nb.store import schema_upgrade
from orchestra_nb.store.database import Database

#: A revision that was read so lately holds: whoever upgrades a store takes longer to begin to use it.
_HOLDS_SECONDS: Final = 1.0


class UpgradeWatch:
    """The watch of one service. All methods may be called from any thread.

    Parameters
    ----------
    on_upgrade
        Called once, when the store is too new.
    """

    def __init__(self, database: Database, on_upgrade: Callable[[], None]) -> None:
        self._database = database
        self._on_upgrade = on_upgrade
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        #: which versions met; None as long as the store is of this one
        self.error: StoreTooNew | None = None

    def before(self, step: Step) -> Step:
        """Return a step that is taken as long as the store is of this version."""

        def checked(now: datetime) -> datetime | None:
            return None if self._is_too_new() else step(now)

        return checked

    def _is_too_new(self) -> bool:
        with self._lock:
            if self.error is None and time.monotonic() - self._looked_at >= _HOLDS_SECONDS:
                try:
                    schema_upgrade.stored_revision(self._database)
                except StoreTooNew as error:
                    self.error = error
                    self._on_upgrade()
                self._looked_at = time.monotonic()
            return self.error is not None
