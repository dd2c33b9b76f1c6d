"""``concurrency()`` and ``rate_limit()``: at most so many at once, and at most so often, across all processes.

Slots are leased: a thread renews the lease while the block runs, so that what a dead process held is soon free.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import random
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from orchestra_nb.engine.run_context import MissingContext
from orchestra_nb.engine.run_logging import get_run_logger
from orchestra_nb.engine.services import ask, ask_for, in_thread
from orchestra_nb.errors import InvalidInput, NobodyAnswers, OrchestraError, SlotsLost, SlotsNotAcquired
from orchestra_nb.model.questions import (
    AcquireSlots,
    DoneAnswer,
    ReleaseSlots,
    RenewSlots,
    SlotsAcquired,
    SlotsRefused,
    TakeRate,
)
from orchestra_nb.model.variables import check_name

#: Its own, since the code of users may have seeded that of the process.
_chance = random.Random()

_log = logging.getLogger(__name__)

#: Of a lease's time, when it is renewed: two renewals may fail before it runs out.
_RENEW_AFTER = 1 / 3
#: Bounds of the wait before asking again. Waits grow with the time waited already, so that many who wait for long ask
#: the driver about as often as few.
_SHORTEST_WAIT_SECONDS = 0.02
_LONGEST_WAIT_SECONDS = 1.0
_SHORTEST_LEASE_SECONDS = 1.0
#: Who has waited so long says for what.
_TOLD_AFTER_SECONDS = 1.0
#: How long a block's end waits for the driver: what it cannot give back is free when the lease, or the task, ends.
_GIVE_BACK_SECONDS = 5.0


@contextlib.contextmanager
def concurrency(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300.0,
    strict: bool = False,
) -> Iterator[None]:
    """Hold slots of these concurrency limits while the block runs.

    Parameters
    ----------
    names
        Of limits that ``orchestra concurrency create`` made. All are taken at once, or none.
    occupy
        How many slots of each.
    timeout_seconds
        How long to wait for them; None waits for ever.
    max_retries
        How often to ask again at most; None asks until the time is over.
    lease_duration
        Seconds until the slots of a process that vanished without a trace are free. Those of a driver, a run or a task
        that is known to have ended are free at once.
    strict
        Whether a limit that does not exist is an error. Otherwise it limits nothing, and a warning says so.

    Raises
    ------
    SlotsNotAcquired
        There was no room in time.
    LimitNotFound
        A limit does not exist, and ``strict``.
    SlotsLost
        Only with ``strict``, at the end of the block: the lease ran out meanwhile and somebody else took the slots.
    InvalidInput
        More slots are asked for than a limit has.
    """
    holding = _Holding(names, occupy, timeout_seconds, max_retries, lease_duration, strict)
    if not holding.names:
        yield
        return
    try:
        holding.acquire()
        yield
    finally:
        holding.end()
    holding.tell_whether_lost()


@contextlib.asynccontextmanager
async def aconcurrency(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300.0,
    strict: bool = False,
) -> AsyncIterator[None]:
    """:func:`concurrency` for coroutines."""
    import asyncio

    holding = _Holding(names, occupy, timeout_seconds, max_retries, lease_duration, strict)
    if not holding.names:
        yield
        return
    try:
        await holding.acquire_async()
        yield
    finally:
        await asyncio.shield(in_thread(holding.end))
    holding.tell_whether_lost()


def rate_limit(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,
) -> None:
    """Wait until these limits have slots, and take them; they come back at the rate of each limit.

    Parameters are those of :func:`concurrency`.

    Raises
    ------
    SlotsNotAcquired
        There was no room in time.
    LimitNotFound
        A limit does not exist, and ``strict``.
    InvalidInput
        A limit has no rate, or fewer slots than are asked for.
    """
    question = TakeRate(names=_names(names), occupy=_occupy(occupy), is_strict=strict)
    waiting = _Waiting(timeout_seconds)
    while question.names:
        answer = ask(question)
        if not isinstance(answer, SlotsRefused):
            assert isinstance(answer, SlotsAcquired)
            _warn_of_unlimited(answer)
            return
        time.sleep(waiting.pause_after(answer))


async def arate_limit(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,
) -> None:
    """:func:`rate_limit` for coroutines."""
    import asyncio

    question = TakeRate(names=_names(names), occupy=_occupy(occupy), is_strict=strict)
    waiting = _Waiting(timeout_seconds)
    while question.names:
        answer = await in_thread(ask, question)
        if not isinstance(answer, SlotsRefused):
            assert isinstance(answer, SlotsAcquired)
            _warn_of_unlimited(answer)
            return
        await asyncio.sleep(waiting.pause_after(answer))


class _Waiting:
    """Decides how long to wait before asking again, and when to give up."""

    def __init__(self, timeout_seconds: float | None, max_retries: int | None = None) -> None:
        self._began = time.monotonic()
        self._timeout_seconds = timeout_seconds
        self._retries_left = max_retries
        self._is_told = False

    def pause_after(self, refused: SlotsRefused) -> float:
        """Return how many seconds to wait.

        Raises
        ------
        SlotsNotAcquired
            There is no time, or no retry, left.
        """
        waited = time.monotonic() - self._began
        left = None if self._timeout_seconds is None else self._timeout_seconds - waited
        if self._retries_left is not None:
            self._retries_left -= 1
        if (left is not None and left <= 0) or (self._retries_left is not None and self._retries_left < 0):
            raise SlotsNotAcquired(
                f"No slot of {refused.name!r} after {waited:.1f} s: {refused.detail}. Allow more time, or raise the "
                f"limit: `orchestra concurrency update {refused.name} --limit …`."
            )
        if waited >= _TOLD_AFTER_SECONDS and not self._is_told:
            self._is_told = True
            _tell(f"Waits for a slot: {refused.detail}.")
        pause = max(refused.retry_after_seconds, waited / 10)
        pause = min(max(pause, _SHORTEST_WAIT_SECONDS), max(_LONGEST_WAIT_SECONDS, refused.retry_after_seconds))
        pause *= _chance.uniform(0.9, 1.1)  # so that those who began together do not all ask together
        return pause if left is None else min(pause, left)


class _Holding:
    """Slots that are held, with the thread that renews their lease."""

    def __init__(
        self,
        names: str | Sequence[str],
        occupy: int,
        timeout_seconds: float | None,
        max_retries: int | None,
        lease_seconds: float,
        is_strict: bool,
    ) -> None:
        if lease_seconds < _SHORTEST_LEASE_SECONDS:
            raise InvalidInput(f"A lease lasts {_SHORTEST_LEASE_SECONDS:g} s or longer, not {lease_seconds:g} s.")
        self.names = _names(names)
        self._holder = secrets.token_hex(16)
        self._lease_seconds = lease_seconds
        self._is_strict = is_strict
        self._question = AcquireSlots(
            names=self.names,
            occupy=_occupy(occupy),
            holder=self._holder,
            lease_seconds=lease_seconds,
            is_strict=is_strict,
        )
        self._waiting = _Waiting(timeout_seconds, max_retries)
        self._may_hold = False
        self._is_lost = False
        self._ending = threading.Event()
        self._renewing: threading.Thread | None = None

    def acquire(self) -> None:
        """Ask until the slots are there, and renew their lease from then on."""
        while (refused := self._ask()) is not None:
            time.sleep(self._waiting.pause_after(refused))

    async def acquire_async(self) -> None:
        """:meth:`acquire` for coroutines."""
        import asyncio

        while True:
            asking = asyncio.ensure_future(in_thread(self._ask))
            try:
                refused = await asyncio.shield(asking)
            except asyncio.CancelledError:
                await asyncio.wait([asking])  # the thread goes on, and may take the slots after they were given back
                raise
            if refused is None:
                return
            await asyncio.sleep(self._waiting.pause_after(refused))

    def end(self) -> None:
        """Give the slots back, if there may be any. When nobody can be told, the lease ends by itself."""
        self._ending.set()
        if not self._may_hold:
            return
        try:
            is_held = ask_for(DoneAnswer, ReleaseSlots(holder=self._holder), _GIVE_BACK_SECONDS).has_changed
        except OrchestraError as error:
            _log.warning(
                "The slots of %s could not be given back, their lease ends by itself: %s", self._words(), error
            )
        else:
            self._is_lost = self._is_lost or (self._renewing is not None and not is_held)

    def tell_whether_lost(self) -> None:
        """Say, at the end of the block, that somebody else may have had the same slots meanwhile.

        Raises
        ------
        SlotsLost
            They were lost, and that is to be an error.
        """
        if not self._is_lost:
            return
        message = (
            f"The lease of the slots of {self._words()} ran out while they were in use, so somebody else may have had "
            f"them too. Pass a lease_duration longer than {self._lease_seconds:g} s."
        )
        if self._is_strict:
            raise SlotsLost(message)
        _log.warning(message)

    def _ask(self) -> SlotsRefused | None:
        """Ask once; None when the slots are taken, which from then on are renewed."""
        self._may_hold = True  # from here on, whatever interrupts
        try:
            answer = ask(self._question)
        except NobodyAnswers:
            raise  # the answer may have been lost, not the question
        except OrchestraError:
            self._may_hold = False
            raise
        if isinstance(answer, SlotsRefused):
            self._may_hold = False
            return answer
        assert isinstance(answer, SlotsAcquired)
        _warn_of_unlimited(answer)
        if set(answer.unlimited) == set(self.names):
            self._may_hold = False
            return None
        context = contextvars.copy_context()  # the thread asks as this one does
        self._renewing = threading.Thread(
            target=lambda: context.run(self._renew), name="orchestra-slot-lease", daemon=True
        )
        self._renewing.start()
        return None

    def _renew(self) -> None:
        question = RenewSlots(holder=self._holder, lease_seconds=self._lease_seconds)
        while not self._ending.wait(self._lease_seconds * _RENEW_AFTER):
            try:
                is_held = ask_for(DoneAnswer, question).has_changed
            except OrchestraError as error:
                _log.warning("The lease of the slots of %s was not renewed: %s", self._words(), error)
                continue
            if not is_held:
                # unless the block has ended meanwhile, and gave them back itself
                self._is_lost = not self._ending.is_set()
                return

    def _words(self) -> str:
        return ", ".join(map(repr, self.names))


def _tell(message: str) -> None:
    """Say something in the log of the task or flow that runs here, or else in that of the process."""
    try:
        get_run_logger().info(message)
    except MissingContext:
        _log.info(message)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    found = (names,) if isinstance(names, str) else tuple(names or ())
    return tuple(dict.fromkeys(check_name(name, "concurrency limit") for name in found))


def _occupy(occupy: int) -> int:
    if isinstance(occupy, bool) or not isinstance(occupy, int) or occupy < 1:
        raise InvalidInput(f"One slot or more can be occupied, not {occupy!r}.")
    return occupy


def _warn_of_unlimited(answer: SlotsAcquired) -> None:
    if answer.unlimited:
        names = ", ".join(map(repr, answer.unlimited))
        _log.warning("No active concurrency limit %s: nothing is limited.", names)
