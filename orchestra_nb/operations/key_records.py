"""Answers what transactions ask about their keys: the record of a key, and the right to write it.

Importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.questions import Answer, ClaimKey, DoneAnswer, FindKey, KeyAnswer, PutKey, ReleaseKey, RenewKey

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def answer_about_key(
    store: RunStore, question: ClaimKey | FindKey | PutKey | RenewKey | ReleaseKey, now: datetime
) -> Answer:
    """Answer one question about a key."""
    from orchestra_nb.store.result_index import ResultIndex

    index = ResultIndex(store.database)
    match question:
        case ClaimKey():
            claim = index.claim(
                question.key, question.holder, now, question.lease_seconds, refresh=question.may_overwrite
            )
            match claim:
                case Found(reference):
                    return KeyAnswer(reference=reference)
                case Claimed():
                    return KeyAnswer(is_claimed=True)
                case Busy(holder=holder):
                    return KeyAnswer(busy_holder=holder)
        case FindKey():
            return KeyAnswer(reference=index.find(question.key, now))
        case PutKey():
            index.put(question.key, question.reference, task_name=question.name, holder=question.holder)
            return DoneAnswer()
        case RenewKey():
            return DoneAnswer(has_changed=index.renew(question.key, question.holder, now, question.lease_seconds))
        case ReleaseKey():
            return DoneAnswer(has_changed=index.release(question.key, question.holder))
