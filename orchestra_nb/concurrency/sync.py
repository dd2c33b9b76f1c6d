"""``from orchestra_nb.concurrency.sync import concurrency``. Names only, and who answers outside of runs."""

from __future__ import annotations

from orchestra_nb.engine.slot_leases import concurrency, rate_limit
from orchestra_nb.errors import LimitNotFound as ConcurrencySlotAcquisitionError
from orchestra_nb.errors import SlotsNotAcquired as AcquireConcurrencySlotTimeoutError
from orchestra_nb.operations.run_services import answer_from_configured_store

answer_from_configured_store()

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]
