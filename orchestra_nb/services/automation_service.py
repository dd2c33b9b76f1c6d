"""Acts when something happens: looks at runs and events, decides what automations make of them, and does it.

Any number of them may work on one store. What is decided is logged once, in the transaction that moves the marks behind
what it is about, and is done by whoever logged it. When that one dies, another does it again after a while: what an
action makes has its id from the log, so it is made once.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import OrchestraError, StoreUnavailable
from orchestra_nb.model.automation_decisions import Firing, decide
from orchestra_nb.model.automation_log import LoggedAction, LoggedFiring, with_ids
from orchestra_nb.model.automation_triggers import TriggerState
from orchestra_nb.store.automation_progress import AutomationProgress, Judged, Place, Planned
from orchestra_nb.store.run_store import RunStore

#: Does one action, and returns what it did, in words. Done again, it makes nothing twice.
Perform = Callable[[LoggedFiring, LoggedAction, datetime], str]

#: What happened may be committed so much later: so long after its time nothing counts as absent.
_SETTLING: Final = timedelta(seconds=2)
#: How long whoever logged a firing has to do what it says, before another takes it over.
_LEASE: Final = timedelta(seconds=60)
#: How often that is tried.
_MOST_ATTEMPTS: Final = 3
#: How many times in one step the store is read.
_READS_A_STEP: Final = 20
#: How many lost firings are taken over at once.
_FIRINGS_AT_ONCE: Final = 20

_log = logging.getLogger(__name__)


class AutomationService:
    """Works off what happens in a store. For one thread.

    Parameters
    ----------
    perform
        Does one action. What it raises of :class:`OrchestraError` is logged; the other actions are done nevertheless.
    clock
        What the time is when an action has been done.
    most_kept
        How many entries of its log are kept of each automation.
    """

    def __init__(
        self,
        store: RunStore,
        perform: Perform,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        most_kept: int = 1_000,
    ) -> None:
        self._progress = AutomationProgress(store.database, most_kept)
        self._perform = perform
        self._clock = clock
        self._seen = Place()
        self._claim = secrets.token_hex(16)
        self._is_closed = False

    def step(self, now: datetime) -> datetime | None:
        """Do all that is to be done; return when to be called again at the latest, None for when the store has changed.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written now. Nothing is lost: the next call goes on.
        """
        is_all = self._decide(now)
        lost = self._progress.claim_lost(self._claim, now, now + _LEASE, _FIRINGS_AT_ONCE)
        for firing in lost:
            self._do(firing, now)
        absent_at, lost_at = self._progress.next_times()
        looks = [None if absent_at is None else absent_at + _SETTLING, lost_at]
        return min((look for look in looks if look is not None), default=None) if is_all else now

    def close(self) -> None:
        """Begin nothing any more. May be called twice."""
        self._is_closed = True

    def _decide(self, now: datetime) -> bool:
        """Decide about what happened, and do it; False when there is more to be looked at."""
        for _ in range(_READS_A_STEP):
            judged = self._progress.read(self._seen, now - _SETTLING)
            if judged is None:
                return True
            states, planned = _judge(judged, now)
            firings = self._progress.write(judged, states, planned, now, self._claim, now + _LEASE)
            if firings is None:
                continue  # another service was faster
            self._seen = judged.until
            for one in planned:
                if one.firing.refusal:
                    _log.warning("Automation %s does nothing: %s", one.firing.automation, one.firing.refusal)
            for firing in firings:
                self._do(firing, now)
            if judged.is_all:
                return True
        return False

    def _do(self, firing: LoggedFiring, now: datetime) -> None:
        if self._is_closed:
            return
        if firing.attempts > _MOST_ATTEMPTS:
            message = "Each time it was tried the process that did it ended before it could say how."
            self._progress.close(firing.number, self._claim, _given_up(firing.actions), message, self._clock())
            return
        done = tuple(self._done(firing, action, now) for action in firing.actions)
        self._progress.close(firing.number, self._claim, done, "", self._clock())

    def _done(self, firing: LoggedFiring, action: LoggedAction, now: datetime) -> LoggedAction:
        try:
            outcome = self._perform(firing, action, now)
        except StoreUnavailable:
            raise  # it is done when the lease has run out
        except OrchestraError as error:
            return self._failed(firing, action, str(error))
        except Exception as error:  # whatever is wrong with one action, the others are done
            _log.exception("Automation %s: an action failed", firing.automation)
            return self._failed(firing, action, f"{type(error).__name__}: {error}")
        return msgspec.structs.replace(action, is_done=True, outcome=outcome)

    def _failed(self, firing: LoggedFiring, action: LoggedAction, why: str) -> LoggedAction:
        _log.warning("Automation %s: an action could not be done: %s", firing.automation, why)
        return msgspec.structs.replace(action, is_done=False, outcome=why)


def _judge(judged: Judged, now: datetime) -> tuple[dict[str, TriggerState], list[Planned]]:
    """Return the states that have changed, and what is to be logged."""
    changed: dict[str, TriggerState] = {}
    planned: list[Planned] = []
    for one in judged.automations:
        automation = one.automation
        before = state = judged.states[automation.name]
        firings: list[Firing] = []
        for seen in judged.happenings:
            if seen.sequence > (one.from_event if seen.is_event else one.from_change) and one.hears_of(seen.happening):
                decision = decide(automation, state, seen.happening, now)
                state, firings = decision.state, [*firings, *decision.firings]
        if judged.is_all:  # what is behind may be what is missed
            decision = decide(automation, state, None, now - _SETTLING)
            state, firings = decision.state, [*firings, *decision.firings]
        if state != before:
            changed[automation.name] = state
        planned += [
            Planned(firing=firing, actions=with_ids(firing, lambda: fresh_id(now)))
            for firing in firings
            if firing.is_met
        ]
    return changed, planned


def _given_up(actions: tuple[LoggedAction, ...]) -> tuple[LoggedAction, ...]:
    return tuple(msgspec.structs.replace(action, is_done=bool(action.is_done)) for action in actions)
