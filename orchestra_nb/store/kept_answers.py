"""What calls with a key of their caller were answered, so that the same call is answered so again and does nothing.

The idea is the IETF's draft "The Idempotency-Key HTTP Header Field". The answer is kept by the transaction that does
what is asked: whoever finds it knows that all was done, and who finds none that nothing was. It can be read by whoever
has the key alone: an answer may hold what the store keeps nowhere else.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b

import msgspec
from sqlalchemy import and_, delete, insert, select

from orchestra_nb.model.retention import ANSWERS_KEPT
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.store.database import Database
from orchestra_nb.store.sealed_text import seal, unseal
from orchestra_nb.store.service_tables import kept_answers


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
    """The answers that a store keeps. Its methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answer(self, caller: str, key: str, do: Callable[[], KeptAnswer], now: datetime) -> KeptAnswer:
        """Return what this caller's call with this key was answered, or do what is asked, and keep the answer to it.

        Of two calls at once the second one waits for the first. All that is written is one transaction: where ``do``
        raises, nothing was done and nothing is kept.
        """
        with self._database.together(), self._database.write() as connection:
            name, seal_key = _secrets_of(caller, key)
            is_this = and_(kept_answers.c.caller == caller, kept_answers.c.key == name)
            found = connection.execute(select(kept_answers).where(is_this)).mappings().one_or_none()
            if found is not None and found["at"] > now - ANSWERS_KEPT:
                return KeptAnswer(
                    fingerprint=found["fingerprint"],
                    status=found["status"],
                    body=unseal(found["answer"], seal_key, "a kept answer").get().encode(),
                    is_repeated=True,
                )
            connection.execute(delete(kept_answers).where(is_this))
            done = do()
            row = {"fingerprint": done.fingerprint, "status": done.status, "at": now}
            row["answer"] = seal(Secret(done.body.decode()), seal_key)
            connection.execute(insert(kept_answers).values(row | {"caller": caller, "key": name}))
            return done


def _secrets_of(caller: str, key: str) -> tuple[str, bytes]:
    """Return by what an answer is found, and the Fernet key that it is sealed with; neither leads to the other."""
    secret = f"{caller}\0{key}".encode()
    found_by, sealed_by = (blake2b(secret, digest_size=32, person=use).digest() for use in (b"name", b"seal"))
    return found_by.hex(), urlsafe_b64encode(sealed_by)
