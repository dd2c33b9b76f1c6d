"""The transaction that the code of a submitted task sees: its own, with the values of the one around its submission.

What the code calls is committed at its end, in its own process. The results that it stages wait for the commit of the
transaction around, wherever that is.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestra_nb.engine.function_pickling import pickle_value
from orchestra_nb.engine.staged_results import Staging, StagingPlace
from orchestra_nb.engine.transaction_context import entered_alone, get_transaction
from orchestra_nb.engine.transactions import MISSING, Transaction
from orchestra_nb.errors import ValueNotPortable


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """What a submitted task knows of the transaction around it; travels with its call.

    Parameters
    ----------
    around
        The transaction itself, for tasks that run in its process.
    values
        For others the values that are kept in it, each pickled, or the reason why it cannot be.
    """

    staging: StagingPlace | None
    around: Transaction | None = None
    values: Mapping[str, bytes | str] = field(default_factory=dict)


def facts_of_transaction(is_in_process: bool) -> TransactionFacts | None:
    """Return what a task that is submitted here takes along; None outside of transactions."""
    around = get_transaction()
    if around is None:
        return None
    staging = None if around.staging is None else around.staging.place()
    if is_in_process:
        return TransactionFacts(staging, around)
    return TransactionFacts(staging, values={name: _packed(value) for name, value in around.all_values().items()})


@contextmanager
def submitted_transaction(facts: TransactionFacts) -> Iterator[Transaction]:
    """Put the code of a submitted task into a transaction of its own."""
    with entered_alone(), _SubmittedTransaction(facts) as own:
        yield own


class _SubmittedTransaction(Transaction):
    """What the code of a submitted task sees: what it calls is committed at its end, but for results."""

    def __init__(self, facts: TransactionFacts) -> None:
        super().__init__()
        self._facts = facts

    def get(self, name: str, default: Any = MISSING) -> Any:
        """Return a copy of a value that was kept here, or in a transaction around when this task was submitted."""
        if name in self._values:
            return super().get(name)
        if self._facts.around is not None:
            return self._facts.around.get(name, default)
        packed = self._facts.values.get(name)
        if packed is None:
            return super().get(name, default)
        if isinstance(packed, str):
            raise ValueNotPortable(f"The transaction's value {name!r} cannot be sent to a worker: {packed}.")
        return pickle.loads(packed)

    def _stages_in(self, around: Staging | None) -> Staging | None:
        return None if self._facts.staging is None else Staging.of(self._facts.staging)


def _packed(value: object) -> bytes | str:
    try:
        return pickle_value(value)
    except Exception as error:  # pickling runs code of any class
        return str(error)
