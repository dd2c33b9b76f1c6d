"""What calls with a key of their caller were answered, so that the same call is answered so again and does nothing.

The idea is the IETF's draft "The Idempotency-Key HTTP Header Field". A short call keeps its answer in the transaction
that does what is asked: whoever finds it knows that all was done, and who finds none that nothing was. A long one first
reserves its key, for as long as its process renews that, and keeps its answer in a transaction at its end; each of its
own transactions says that something was done, so that nothing is done twice where its process dies in between. An
answer can be read by whoever has the key alone: it may hold what the store keeps nowhere else.
"""

from __future__ import annotations

import contextlib
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update

from orchestra_nb.errors import CallInProgress, CallInterrupted, StoreUnavailable
from orchestra_nb.model.retention import ANSWERS_KEPT
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.store.database import Database
from orchestra_nb.store.sealed_text import seal, unseal
from orchestra_nb.store.service_tables import kept_answers

#: For so long a key stays reserved that nobody renews: its process is dead then.
RESERVED: Final = timedelta(seconds=30)
_RENEWALS: Final = 3

#: In the place of an HTTP status: the call goes on, and has changed nothing so far, or something. ``answer`` has a name
#: of the reservation then.
_NOTHING_DONE: Final = 0
_SOMETHING_DONE: Final = 1


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer.

    Parameters
    ----------
    fingerprint
        Of what was asked.
    body
        JSON.
    is_repeated
        Whether it was given before.
    """

    fingerprint: str
    status: int
    body: bytes
    is_repeated: bool = False


class KeptAnswers:
    """The answers that a store keeps. Its methods may be called from any thread, and by several processes at once.

    Parameters
    ----------
    clock
        Tells the time by which reservations are renewed.
    reserved
        For how long a key is reserved without being renewed.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        reserved: timedelta = RESERVED,
    ) -> None:
        self._database = database
        self._clock = clock
        self._reserved = reserved

    def answer(
        self, caller: str, key: str, fingerprint: str, do: Callable[[], KeptAnswer], now: datetime
    ) -> KeptAnswer:
        """Return what this caller's call with this key was answered, or do what is asked, and keep the answer to it.

        Of two calls at once the second one waits for the first. All that is written is one transaction: where ``do``
        raises, nothing was done and nothing is kept.

        Parameters
        ----------
        fingerprint
            Of what is asked. Where the answer has another one the key was used for something else.

        Raises
        ------
        CallInProgress, CallInterrupted
            As :meth:`answer_slowly`.
        """
        place = _Place(caller, key)
        with self._database.together(), self._database.write() as connection:
            if (found := self._find(connection, place, fingerprint, now)) is not None:
                return found
            done = do()
            connection.execute(insert(kept_answers).values(place.row(done, now)))
            return done

    def answer_slowly(
        self,
        caller: str,
        key: str,
        fingerprint: str,
        do: Callable[[], KeptAnswer],
        then: Callable[[KeptAnswer], None],
        now: datetime,
    ) -> KeptAnswer:
        """Do as :meth:`answer` where what is asked takes its time: nobody waits for it who writes something else.

        Parameters
        ----------
        do
            What it writes are transactions of its own, in this thread. Where it raises, the key is free again if it
            had written nothing; else the same call is refused from then on.
        then
            Is done with the answer in the transaction that keeps it.

        Raises
        ------
        CallInProgress
            The same call is being answered.
        CallInterrupted
            It failed, or was cut off by the death of its process, after it had changed something.
        """
        place, holder = _Place(caller, key), uuid4().hex
        row = {"fingerprint": fingerprint, "status": _NOTHING_DONE, "answer": holder}
        with self._database.write() as connection:
            if (found := self._find(connection, place, fingerprint, now)) is not None:
                return found
            connection.execute(insert(kept_answers).values(row | place.names | {"at": self._clock()}))
        mine = and_(place.condition, kept_answers.c.answer == holder, kept_answers.c.status <= _SOMETHING_DONE)
        with self._renewing(mine):
            try:
                with self._database.beginning_with(lambda: self._hold(mine, status=_SOMETHING_DONE)):
                    done = do()
            except BaseException:
                with contextlib.suppress(StoreUnavailable):
                    self._let_go(mine, now)
                raise
            with self._database.together(), self._database.write() as connection:
                then(done)
                self._hold(mine, **place.row(done, now))
            return done

    def _find(self, connection: Connection, place: _Place, fingerprint: str, now: datetime) -> KeptAnswer | None:
        """Return what was answered; None where nothing was, and the place is free then."""
        found = connection.execute(select(kept_answers).where(place.condition)).mappings().one_or_none()
        if found is not None and found["at"] > now - ANSWERS_KEPT:
            is_answered = found["status"] > _SOMETHING_DONE
            is_held = found["at"] > now - self._reserved
            if is_answered:
                body = unseal(found["answer"], place.seal_key, "a kept answer").get().encode()
                return KeptAnswer(fingerprint=found["fingerprint"], status=found["status"], body=body, is_repeated=True)
            if found["fingerprint"] != fingerprint:
                return KeptAnswer(fingerprint=found["fingerprint"], status=found["status"], body=b"")
            if is_held:
                raise CallInProgress(
                    "The same call with this Idempotency-Key is being answered still. Ask again in a moment."
                )
            if found["status"] == _SOMETHING_DONE:
                raise CallInterrupted(
                    "The same call with this Idempotency-Key failed or was cut off after it had changed something. "
                    "Look at what there is; where something is missing, ask with a new key."
                )
        connection.execute(delete(kept_answers).where(place.condition))
        return None

    def _let_go(self, mine: Any, now: datetime) -> None:
        """End a reservation whose call failed: the key is free, or says from now on that something was done."""
        with self._database.write() as connection:
            connection.execute(delete(kept_answers).where(mine, kept_answers.c.status == _NOTHING_DONE))
            connection.execute(update(kept_answers).where(mine).values(at=now - self._reserved))

    def _hold(self, mine: Any, **values: Any) -> None:
        """Change a reservation that is still held.

        Raises
        ------
        CallInterrupted
            It was not renewed in time, and somebody else has the key.
        """
        with self._database.write() as connection:
            if connection.execute(update(kept_answers).where(mine).values(values)).rowcount != 1:
                raise CallInterrupted(
                    "This call took so long without a sign of life that another one with the same Idempotency-Key "
                    "was begun. Look at what there is."
                )

    @contextlib.contextmanager
    def _renewing(self, mine: Any) -> Iterator[None]:
        """Renew a reservation from time to time while the block goes on."""
        has_ended = threading.Event()

        def renew() -> None:
            while not has_ended.wait(self._reserved.total_seconds() / _RENEWALS):
                with contextlib.suppress(StoreUnavailable), self._database.write(durable=False) as connection:
                    connection.execute(update(kept_answers).where(mine).values(at=self._clock()))

        thread = threading.Thread(target=renew, name="orchestra-reserved-key", daemon=True)
        thread.start()
        try:
            yield
        finally:
            has_ended.set()
            thread.join()


class _Place:
    """Where the answer to a call with a key is kept, and how it is sealed; neither leads to the other."""

    def __init__(self, caller: str, key: str) -> None:
        secret = f"{caller}\0{key}".encode()
        found_by, sealed_by = (blake2b(secret, digest_size=32, person=use).digest() for use in (b"name", b"seal"))
        #: a Fernet key
        self.seal_key = urlsafe_b64encode(sealed_by)
        self.names = {"caller": caller, "key": found_by.hex()}
        self.condition = and_(kept_answers.c.caller == caller, kept_answers.c.key == self.names["key"])

    def row(self, answer: KeptAnswer, at: datetime) -> dict[str, Any]:
        """Return an answer as it is kept here."""
        sealed = seal(Secret(answer.body.decode()), self.seal_key)
        return self.names | {
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "answer": sealed,
            "at": at,
        }
