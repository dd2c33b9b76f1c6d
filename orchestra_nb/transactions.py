"""Transactions: Prefect's module name. Importing it says who answers outside of runs."""

from orchestra_nb.engine.transaction_context import get_transaction
from orchestra_nb.engine.transaction_modes import CommitMode, IsolationLevel, TransactionState
from orchestra_nb.engine.transactions import Transaction, atransaction, transaction
from orchestra_nb.operations.run_services import answer_from_configured_store as _answer_from_configured_store

_answer_from_configured_store()

__all__ = [
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "atransaction",
    "get_transaction",
    "transaction",
]
