"""The choices that a transaction has, and the states that it goes through."""

from __future__ import annotations

from enum import Enum


class IsolationLevel(str, Enum):
    """Whether transactions of one key may run at the same time."""

    #: they may; whoever begins after another one's commit finds it committed
    READ_COMMITTED = "READ_COMMITTED"
    #: one at a time, in all processes that share the store
    SERIALIZABLE = "SERIALIZABLE"


class CommitMode(str, Enum):
    """When a transaction is committed."""

    #: at its own end
    EAGER = "EAGER"
    #: at the end of the outermost one
    LAZY = "LAZY"
    #: only by :meth:`Transaction.commit`; at its end it is rolled back otherwise
    OFF = "OFF"


class TransactionState(str, Enum):
    """Where a transaction stands."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"
