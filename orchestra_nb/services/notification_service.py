"""Tells people about runs: writes messages into the outbox as runs end, and sends what is due.

Any number of them may work on one store. A message is put into the outbox once, in the transaction that moves the mark
behind the change it tells of, and is sent by whoever claims it. When a service dies between a message's sending and
the note of it, the message is sent again: twice at worst, never not at all.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestra_nb.errors import OrchestraError, StoreUnavailable
from orchestra_nb.model.notification_texts import text_of
from orchestra_nb.model.notifications import (
    Decision,
    NotificationRule,
    Standing,
    decide,
    decide_lateness,
    is_about,
    standing_key,
)
from orchestra_nb.model.outbox import DELIVERY, Delivery, next_try_at
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.webhook_calls import call_of, secret_names_of
from orchestra_nb.services.apprise_calls import send
from orchestra_nb.services.webhook_calls import send_call
from orchestra_nb.settings import SecretKeyPlace
from orchestra_nb.store.notification_progress import ChangesToTell, NotificationProgress, Standings, Told
from orchestra_nb.store.notification_store import NotificationStore
from orchestra_nb.store.outbox_store import OutboxStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.secret_store import SecretStore

#: How long one message may take.
SEND_SECONDS: Final = 10.0

#: How many messages are sent at once, and how many of them to one channel: people read them in their order.
_THREADS: Final = 8
_THREADS_A_CHANNEL: Final = 1

#: How many times longer than a message may take it is held by whoever sends it.
_LEASE_FACTOR: Final = 8

#: How many times in one step changes are read.
_READS_A_STEP: Final = 20

#: When to look again while something is being sent: its end is written to the store, and that wakes earlier.
_BUSY_SECONDS: Final = 1.0

#: How often runs that wait are looked at, where a rule tells of late ones.
_LATE_SECONDS: Final = 5.0

_PAUSE_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class NotificationService:
    """Writes down and sends the notifications of a store.

    Not thread-safe itself: one thread calls :meth:`step` and :meth:`close`. It sends in threads of its own.

    Parameters
    ----------
    key_place
        The file with the key that the addresses of channels are encrypted with.
    pages_url
        Where readers of messages reach the pages; empty for no links.
    policy
        How often and after what delays a message is tried.
    send_seconds
        How long one try may take.
    clock
        What the time is when a try has ended.
    chance
        Draws a number between 0 and 1, for the delays.
    """

    def __init__(
        self,
        store: RunStore,
        key_place: SecretKeyPlace,
        *,
        pages_url: str = "",
        policy: RetryPolicy = DELIVERY,
        send_seconds: float = SEND_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = store.database
        self._key_place = key_place
        self._pages_url = pages_url
        self._policy = policy
        self._send_seconds = send_seconds
        self._clock = clock
        self._chance = chance
        self._progress = NotificationProgress(store.database)
        self._outbox = OutboxStore(store.database)
        self._seen = 0
        self._late_look_at: datetime | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._sending: dict[Future[None], str] = {}
        self._closing = threading.Event()

    def step(self, now: datetime) -> datetime | None:
        """Do what is due, and return when to be called again at the latest; None for when the store has changed.

        Sending goes on after it returns.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written now. Nothing is lost: the next call goes on.
        """
        is_all = self._write_down(now)
        self._look_for_late(now)
        self._send_due(now)
        return self._next_look(now) if is_all else now

    def close(self) -> None:
        """Let what is being sent come to its end, which takes at most as long as one try. May be called twice."""
        self._closing.set()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing is being sent; False when the time was not enough."""
        return not wait(self._sending, timeout_seconds).not_done

    def _write_down(self, now: datetime) -> bool:
        """Put messages into the outbox for what has changed; False when there is more to be looked at."""
        for _ in range(_READS_A_STEP):
            found = self._progress.read(self._seen)
            if found is None:
                return True
            if self._tell(found, now):
                self._seen = found.until
                if found.is_all:
                    return True
        return False

    def _tell(self, found: ChangesToTell, now: datetime) -> bool:
        told: list[Told] = []
        standings = dict(found.standings)
        for change in found.changes:
            for in_force in found.rules:
                rule = in_force.rule
                if change.sequence <= in_force.from_sequence or not is_about(rule, change.run):
                    continue
                key = (rule.name, standing_key(change.run))
                decision = decide(rule, change.run, change.at, standings.get(key), is_retried=change.is_retried)
                self._keep(decision, rule, key, standings, told)
        return self._progress.write(found, told, _changed(standings, found.standings), now)

    def _look_for_late(self, now: datetime) -> None:
        if self._late_look_at is not None and now < self._late_look_at:
            return
        waiting = self._progress.read_waiting(now)
        self._late_look_at = None if waiting is None else now + timedelta(seconds=_LATE_SECONDS)
        if waiting is None:
            return
        told: list[Told] = []
        standings = dict(waiting.standings)
        for run in waiting.runs:
            for rule in waiting.rules:
                if is_about(rule, run):
                    key = (rule.name, standing_key(run))
                    decision = decide_lateness(rule, run, now, standings.get(key))
                    self._keep(decision, rule, key, standings, told)
        if told:
            self._progress.write_late(told, _changed(standings, waiting.standings), now)

    def _keep(
        self,
        decision: Decision,
        rule: NotificationRule,
        key: tuple[str, str],
        standings: dict[tuple[str, str], Standing],
        told: list[Told],
    ) -> None:
        if decision.standing is not None:
            standings[key] = decision.standing
        if decision.news is not None and not rule.is_paused:
            told.append((rule, decision.news, text_of(rule, decision.news, self._pages_url)))

    def _send_due(self, now: datetime) -> None:
        self._forget_ended()
        room = _THREADS - len(self._sending)
        if room <= 0 or self._closing.is_set():
            return
        claim = secrets.token_hex(16)
        lease_until = now + timedelta(seconds=self._send_seconds * _LEASE_FACTOR)
        sending = Counter(self._sending.values())
        for delivery in self._outbox.claim(
            claim, room, now, lease_until, sending=sending, most_a_channel=_THREADS_A_CHANNEL
        ):
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="orchestra-notifications")
            future = self._threads.submit(self._deliver, delivery, claim)
            self._sending[future] = delivery.channel

    def _next_look(self, now: datetime) -> datetime | None:
        self._forget_ended()
        looks = [self._late_look_at]
        if self._sending:
            looks.append(now + timedelta(seconds=_BUSY_SECONDS))
        if len(self._sending) < _THREADS:
            looks.append(self._outbox.next_look(busy=set(self._sending.values())))
        return min((look for look in looks if look is not None), default=None)

    def _forget_ended(self) -> None:
        self._sending = {future: channel for future, channel in self._sending.items() if not future.done()}

    def _deliver(self, delivery: Delivery, claim: str) -> None:
        """Send a message and write what came of it: in a thread of its own."""
        error = self._send(delivery)
        at = self._clock()
        again_at = next_try_at(self._policy, delivery.attempts, at, self._chance())
        give_up = time.monotonic() + self._send_seconds
        while True:
            try:
                if error is None:
                    self._outbox.sent(delivery.number, claim, at)
                else:
                    self._outbox.failed(delivery.number, claim, error, again_at)
                break
            except StoreUnavailable:
                if time.monotonic() > give_up or self._closing.wait(_PAUSE_SECONDS):
                    break  # when the lease has run out it is tried again
        if error is not None:
            _log.warning(
                "Notification %s to %s could not be sent (try %s): %s",
                *(delivery.number, delivery.channel, delivery.attempts, error),
            )

    def _send(self, delivery: Delivery) -> str | None:
        if delivery.attempts > self._policy.retries + 1:
            return "Each time it was tried the process that sent it ended before it could say how."
        try:
            key = load_secret_key(self._key_place)
            if (call := call_of(delivery)) is not None:
                stored = SecretStore(self._database, key)
                secrets = {name: stored.get(name) for name in secret_names_of(call)}
                return send_call(
                    call, secrets, name=f"msg_{delivery.moment}", now=self._clock(), limit_seconds=self._send_seconds
                )
            channels = NotificationStore(self._database, key)
            channel, address = channels.get_channel(delivery.channel), channels.get_address(delivery.channel)
        except OrchestraError as error:
            return str(error)
        return send(
            address,
            title=delivery.title,
            body=delivery.body,
            severity=delivery.severity,
            may_be_private=channel.may_be_private,
            limit_seconds=self._send_seconds,
        )


def _changed(standings: Standings, before: Standings) -> Standings:
    return {key: standing for key, standing in standings.items() if before.get(key) != standing}
