"""``transaction()``: tasks that are one unit: what they stage is written when all went well, and undone when not.

A commit has two phases, so that as little as possible is half done: first all ``on_commit`` hooks, of children before
their parents and in order; then all writes. A rollback calls the ``on_rollback`` hooks of what had completed, the last
first. Both are written as generators of steps: a step is performed by the caller, who waits for what is awaitable.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable, Iterable
from contextvars import Token
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from orchestra_nb.engine.key_claims import KeyClaim
from orchestra_nb.engine.services import ask_for, in_thread
from orchestra_nb.engine.staged_results import Staging, publish
from orchestra_nb.engine.transaction_context import current_transaction, get_transaction
from orchestra_nb.engine.transaction_modes import CommitMode, IsolationLevel, TransactionState
from orchestra_nb.engine.transaction_steps import Steps, perform, perform_async
from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.questions import DoneAnswer, FindResult, PutResult, ResultAnswer
from orchestra_nb.model.result_reference import ResultReference

if TYPE_CHECKING:
    from orchestra_nb.engine.results import ResultStore

#: Keeps the keys of transactions apart from those of cached calls, which are in the same index.
_PREFIX: Final = "transaction/"

_log = logging.getLogger(__name__)
#: Stands for a default that was not given.
MISSING: Final = object()


#: Called with the transaction; may return an awaitable.
Hook = Callable[["Transaction"], object]


class Transaction:
    """One transaction: ``with transaction() as txn`` or ``async with transaction() as txn``.

    Belongs to one thread or one coroutine.
    """

    def __init__(
        self,
        key: str | None = None,
        store: ResultStore | None = None,
        commit_mode: CommitMode | str | None = None,
        isolation_level: IsolationLevel | str | None = None,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
    ) -> None:
        if key is not None and (not isinstance(key, str) or not key):
            raise InvalidInput(f"The key of a transaction is {key!r}. Write a text that names what it makes.")
        self.key = key
        self.commit_mode = _choice("commit_mode", CommitMode, commit_mode)
        self.isolation_level = _choice("isolation_level", IsolationLevel, isolation_level)
        if self.isolation_level is IsolationLevel.SERIALIZABLE and key is None:
            raise InvalidInput('isolation_level SERIALIZABLE needs a key that says what is locked: transaction("key").')
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self.state = TransactionState.PENDING
        self.children: list[Transaction] = []
        self.on_commit_hooks: list[Hook] = []
        self.on_rollback_hooks: list[Hook] = []
        self._store = store
        self._logger = logger or _log
        self._values: dict[str, Any] = {}
        self._staged_value: object = None
        self._writes: list[Callable[[], object]] = []
        self._staging: Staging | None = None
        self._staged_keys: list[str] = []
        self._parent: Transaction | None = None
        self._token: Token[Transaction | None] | None = None
        self._claim: KeyClaim | None = None
        self._reference: ResultReference | None = None

    # --- what it carries

    def set(self, name: str, value: Any) -> None:
        """Keep a value for the hooks of this transaction and of those inside it."""
        self._values[name] = value

    def get(self, name: str, default: Any = MISSING) -> Any:
        """Return a copy of a value that was kept here, or else in a transaction around.

        Raises
        ------
        ValueError
            There is none, and no default.
        """
        if name in self._values:
            return copy.deepcopy(self._values[name])
        if self._parent is not None:
            return self._parent.get(name, default)
        if default is MISSING:
            raise ValueError(f"The transaction has no value {name!r}. Keep it first: txn.set({name!r}, …).")
        return default

    def all_values(self) -> dict[str, Any]:
        """Return the values that were kept here and in the transactions around."""
        return {**(self._parent.all_values() if self._parent is not None else {}), **self._values}

    def get_parent(self) -> Transaction | None:
        """Return the transaction around this one."""
        return self._parent

    def stage(self, value: Any, on_rollback_hooks: Iterable[Hook] = (), on_commit_hooks: Iterable[Hook] = ()) -> None:
        """Say what the transaction has made: the record of its key. The hooks count from now on."""
        self.on_commit_hooks += on_commit_hooks
        self.on_rollback_hooks += on_rollback_hooks
        if self.state is not TransactionState.COMMITTED:
            self._staged_value = value
            self.state = TransactionState.STAGED

    def read(self) -> Any:
        """Return what an earlier transaction of this key has made; None where there is none."""
        if self._reference is None and self.key is not None:
            self._reference = self._find()
        return None if self._reference is None else self._result_store().read(self._reference)

    @property
    def staging(self) -> Staging | None:
        """What keeps back the results of tasks inside; None where they are written at once."""
        return self._staging

    def add_write(self, write: Callable[[], object]) -> None:
        """Call this at the commit."""
        self._writes.append(write)

    def note_staged(self, key: str) -> None:
        """Count a result that was staged to this transaction: it goes when this one is rolled back."""
        self._staged_keys.append(key)

    def is_pending(self) -> bool:
        """Tell whether it has not begun."""
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        """Tell whether it runs and has made nothing yet."""
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        """Tell whether it has made something and waits for its commit."""
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Tell whether it, or an earlier one of its key, is committed: then there is nothing to do."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Tell whether it was undone."""
        return self.state is TransactionState.ROLLED_BACK

    # --- its ends

    def commit(self) -> bool:
        """Commit now; False when it was committed or rolled back before.

        Raises
        ------
        BaseException
            What a hook or a write raised. All was rolled back then.
        """
        return perform(self._commit())

    def rollback(self) -> bool:
        """Undo now what has completed; False when it was committed or rolled back before.

        A hook that fails is logged, and the others are called all the same.
        """
        return perform(self._rollback())

    async def acommit(self) -> bool:
        """:meth:`commit` for coroutines."""
        return await perform_async(self._commit())

    async def arollback(self) -> bool:
        """:meth:`rollback` for coroutines."""
        return await perform_async(self._rollback())

    def __enter__(self) -> Self:
        claim = self._prepare()
        self._begin(claim.acquire() if claim is not None else self._find_first())
        return self

    async def __aenter__(self) -> Self:
        claim = self._prepare()
        self._begin(await claim.acquire_async() if claim is not None else await in_thread(self._find_first))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        try:
            perform(self._end(error))
        finally:
            self._leave()
        return False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        try:
            await perform_async(self._end(error))
        finally:
            self._leave()
        return False

    def _prepare(self) -> KeyClaim | None:
        """Take its place in the transactions around, and return the claim that it needs."""
        if self._token is not None or self.state is not TransactionState.PENDING:
            raise Conflict("A transaction is entered once. Make another one: transaction(…).")
        parent = self._parent = get_transaction()
        self._staging = self._stages_in(None if parent is None else parent._staging)
        if self.commit_mode is None:
            self.commit_mode = (parent.commit_mode if parent is not None else None) or CommitMode.LAZY
        if self.isolation_level is None:
            self.isolation_level = (
                parent.isolation_level if parent is not None else None
            ) or IsolationLevel.READ_COMMITTED
        if self.key is None or self.isolation_level is not IsolationLevel.SERIALIZABLE or self._is_held_around():
            return None
        self._claim = KeyClaim(_PREFIX + self.key, self.overwrite, self.key)
        return self._claim

    def _stages_in(self, around: Staging | None) -> Staging | None:
        """Return what keeps back the results of tasks inside, given that of the transaction around."""
        if not self.write_on_commit:
            return None
        # what began in another process is committed there
        return around if around is not None and around.is_of_another else Staging.within(around)

    def _is_held_around(self) -> bool:
        """Tell whether a transaction around has locked the same key: it would wait for itself."""
        around = self._parent
        while around is not None:
            if around._claim is not None and around.key == self.key:
                return True
            around = around._parent
        return False

    def _find_first(self) -> ResultReference | None:
        return None if self.key is None or self.overwrite else self._find()

    def _find(self) -> ResultReference | None:
        return ask_for(ResultAnswer, FindResult(key=f"{_PREFIX}{self.key}")).reference

    def _begin(self, reference: ResultReference | None) -> None:
        self._reference = reference
        is_there = reference is not None and not self.overwrite
        self.state = TransactionState.COMMITTED if is_there else TransactionState.ACTIVE
        self._token = current_transaction.set(self)

    def _end(self, error: BaseException | None) -> Steps:
        try:
            return (yield from self._end_by_mode(error))
        finally:
            if self._parent is None:  # there may be what was staged after a commit of the user's own
                yield from self._drop_own_stagings()

    def _end_by_mode(self, error: BaseException | None) -> Steps:
        if error is not None:
            return (yield from self._rollback())
        if self.commit_mode is CommitMode.EAGER:
            return (yield from self._commit())
        if self._parent is not None:
            return False  # the one around answers for it
        if self.commit_mode is CommitMode.OFF:
            return (yield from self._rollback())
        return (yield from self._commit())

    def _leave(self) -> None:
        """Step out of the context, and count to the transaction around."""
        assert self._token is not None
        current_transaction.reset(self._token)
        self._token = None
        if self._parent is not None:
            self._parent.children.append(self)

    # --- steps

    def _commit(self) -> Steps:
        if self.state is TransactionState.ROLLED_BACK:
            return False
        was_committed = self.state is TransactionState.COMMITTED
        called: list[Transaction] = []
        try:
            if self._claim is not None:
                self._claim.check()
            yield from self._call_commit_hooks(called)
            if staged := [staging for staging in self._own_stagings() if staging.is_used]:
                yield True, lambda: publish(staged)
            yield from self._write()
        except BaseException:
            for done in reversed(called):
                yield from done._undo()
            yield from self._rollback()
            raise
        yield from self._release_all()
        return not was_committed

    def _call_commit_hooks(self, called: list[Transaction]) -> Steps:
        for child in self.children:
            if child.state is not TransactionState.ROLLED_BACK:
                yield from child._call_commit_hooks(called)
        if self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK):
            return False
        if not (yield from self._is_there()):
            self.state = TransactionState.ROLLED_BACK
            return False
        called.append(self)
        for hook in self.on_commit_hooks:
            yield False, _calling(hook, self)
        return True

    def _is_there(self) -> Steps:
        """Whether what it stands for happened; for :class:`~orchestra_nb.engine.task_transactions.TaskTransaction`."""
        yield from ()
        return True

    def _write(self) -> Steps:
        for child in self.children:
            yield from child._write()
        if self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK):
            return False
        for write in self._writes:
            yield True, write
        self._writes.clear()
        if self.key is not None and self.write_on_commit:
            yield True, self._write_record
        self.state = TransactionState.COMMITTED
        return True

    def _rollback(self) -> Steps:
        if self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK):
            return False
        yield from self._undo()
        yield from self._release_all()
        return True

    def _undo(self) -> Steps:
        """Call the hooks, also of what was just being committed."""
        if self.state is TransactionState.ROLLED_BACK:
            return False
        self.state = TransactionState.ROLLED_BACK
        self._writes.clear()
        if (yield from self._is_there()):
            for hook in reversed(self.on_rollback_hooks):
                try:
                    yield False, _calling(hook, self)
                except Exception:
                    self._logger.exception("The on_rollback hook %s failed", _name_of(hook))
        for child in reversed(self.children):
            if child.state is not TransactionState.COMMITTED:
                yield from child._undo()
        yield from self._drop_staged()
        return True

    def _own_stagings(self) -> list[Staging]:
        """Return what this one and those inside began to stage."""
        found = [staging for child in self.children for staging in child._own_stagings()]
        around = None if self._parent is None else self._parent._staging
        if self._staging is not None and self._staging is not around and not self._staging.is_of_another:
            found.append(self._staging)
        return found

    def _drop_staged(self) -> Steps:
        """Forget what was staged in this one and is not committed."""
        yield from self._drop_own_stagings()
        if self._staged_keys and self._staging is not None:
            keys, self._staged_keys = self._staged_keys, []
            yield True, functools.partial(self._staging.drop, keys)
        return True

    def _drop_own_stagings(self) -> Steps:
        for staging in self._own_stagings():
            if staging.is_used:
                yield True, staging.drop
        return True

    def _release_all(self) -> Steps:
        for child in self.children:
            yield from child._release_all()
        if self._claim is not None:
            yield True, self._claim.release
        return True

    def _write_record(self) -> None:
        assert self.key is not None
        reference = self._result_store().write(
            self._staged_value, name=f"transaction {self.key!r}", now=datetime.now(UTC)
        )
        holder = None if self._claim is None else self._claim.holder
        ask_for(DoneAnswer, PutResult(key=_PREFIX + self.key, task_name=self.key, reference=reference, holder=holder))
        self._reference = reference

    def _result_store(self) -> ResultStore:
        if self._store is None:
            from orchestra_nb.engine.results import ResultStore, default_results_url
            from orchestra_nb.engine.signing_key import load_signing_key

            self._store = ResultStore(default_results_url(), load_signing_key())
        return self._store


def transaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | str | None = None,
    isolation_level: IsolationLevel | str | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
) -> Transaction:
    """Return a transaction, for ``with`` and ``async with``.

    Parameters
    ----------
    key
        Names what the transaction makes. Once one of this key is committed, a later one is committed from its beginning
        (``txn.is_committed()``). None for a transaction that leaves no record.
    store
        Where the record's value is kept; None for the default place of results.
    commit_mode
        None: as the transaction around, else lazy: at the end of the outermost one.
    isolation_level
        Whether those of one key run one at a time; None: as the transaction around, else they do not.
    overwrite
        Whether a record that is there does not count, and is replaced.
    write_on_commit
        Whether the record, and the results of tasks inside, are written at the commit; otherwise no record is written,
        and results as soon as they are there.
    logger
        Where rollback hooks that fail are told; None for ours.
    """
    return Transaction(key, store, commit_mode, isolation_level, overwrite, write_on_commit, logger)


#: Prefect's name of the asynchronous form; it is the same object.
atransaction = transaction


def _calling(hook: Hook, transaction: Transaction) -> Callable[[], object]:
    return lambda: hook(transaction)


def _name_of(hook: object) -> str:
    return str(getattr(hook, "__name__", hook))


def _choice(option: str, kind: type[Any], value: object) -> Any:
    if value is None:
        return None
    try:
        return kind(value.upper() if isinstance(value, str) else value)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise InvalidInput(f"{option} is {value!r}. It is one of: {known}.") from None
