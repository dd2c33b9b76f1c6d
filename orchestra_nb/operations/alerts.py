"""What somebody should look at: what failed, does not start or could not be told, and what is wrong with services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.outbox import Delivery, DeliveryState
from orchestra_nb.model.webhook_calls import delivery_shown
from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.operations.run_views import RunSummary, run_summaries
from orchestra_nb.operations.service_health import service_health
from orchestra_nb.operations.service_presence import how_to_serve, is_served

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most entries of each kind.
MAX_ALERTS: Final = 100
#: A run that is due for longer and was not started is late.
LATE_AFTER: Final = timedelta(minutes=1)
#: Who does not say since when gets the failures of a day.
SHOWN_TIME: Final = timedelta(days=1)
#: What is told where something is due and nobody would start it.
NO_SERVICE: Final = f"No service is up, so schedules start no run. `{how_to_serve(DEFAULT_POOL)}` starts one."


class ServiceTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a service, or that there is none.

    Parameters
    ----------
    service
        Where it runs, or the empty text where none does that is needed.
    loop
        What of it fails; empty where all of it does.
    """

    service: str
    loop: str
    problem: str


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody should look at, at most so many entries of each kind.

    Parameters
    ----------
    failed
        Runs that ended badly since the time that was asked for, the last that ended first. Who has seen them asks for
        what failed since the end of that one the next time.
    late
        Runs that are due for more than a minute and were not started, the one that waits for longest first.
    dead_letters
        Those that nobody has decided about, the newest first.
    undelivered
        Notifications that could not be delivered and that nobody has decided about, the newest first.
    """

    failed: tuple[RunSummary, ...]
    late: tuple[RunSummary, ...]
    dead_letters: tuple[DeadLetter, ...]
    undelivered: tuple[Delivery, ...]
    troubles: tuple[ServiceTrouble, ...]


def find_alerts(store: RunStore, now: datetime, *, since: datetime | None = None, limit: int = MAX_ALERTS) -> Alerts:
    """Return what somebody should look at.

    Parameters
    ----------
    since
        Since when failures count; None for a day.
    """
    from orchestra_nb.store.alert_rows import AlertRows
    from orchestra_nb.store.dead_letter_store import DeadLetterStore
    from orchestra_nb.store.outbox_store import OutboxStore

    rows = AlertRows(store.database)
    dead = OutboxStore(store.database).list_deliveries(states=[DeliveryState.DEAD], limit=limit)
    return Alerts(
        failed=run_summaries(store, rows.failed_since(since or now - SHOWN_TIME, limit)),
        late=run_summaries(store, rows.due_before(now - LATE_AFTER, limit)),
        dead_letters=tuple(DeadLetterStore(store.database).list_letters(limit=limit)),
        undelivered=tuple(map(delivery_shown, dead)),
        troubles=tuple(_troubles(store, rows.next_due(), now)),
    )


def _troubles(store: RunStore, next_due: datetime | None, now: datetime) -> list[ServiceTrouble]:
    found = [
        ServiceTrouble(service=f"{state.host}, process {state.pid}", loop=loop, problem=problem)
        for state in service_health(store, now).services
        if state.is_up
        for loop, problem in sorted(state.problems.items())
    ]
    if next_due is not None and not is_served(store):
        found.append(ServiceTrouble(service="", loop="", problem=NO_SERVICE))
    return found
