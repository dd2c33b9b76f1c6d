"""``transaction()``: tasks that are one unit: what they stage is written when all went well, and undone when not.

A commit has two phases, so that as little as possible is half done: first all ``on_commit`` hooks, of children before
their parents and in order; then all writes. A rollback calls the ``on_rollback`` hooks of what had completed, the last
first. Both are written as generators of steps: a step is performed by the caller, who waits for what is awaitable.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import threading
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from orchestra_nb.engine.key_claims import KeyClaim
from orchestra_nb.engine.services import ask_for, in_thread
from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.questions import DoneAnswer, FindResult, PutResult, ResultAnswer
from orchestra_nb.model.result_reference import ResultReference

if TYPE_CHECKING:
    from orchestra_nb.engine.results import ResultStore

#: Keeps the keys of transactions apart from those of cached calls, which are in the same index.
_PREFIX: Final = "transaction/"

_log = logging.getLogger(__name__)
_missing: Final = object()


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


#: Called with the transaction; may return an awaitable.
Hook = Callable[["Transaction"], object]
#: What is yielded is called by whoever performs; True before it: it waits for the store or for a task.
Steps = Generator[tuple[bool, Callable[[], object]], object, bool]


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
        self._parent: Transaction | None = None
        self._token: Token[Transaction | None] | None = None
        self._claim: KeyClaim | None = None
        self._reference: ResultReference | None = None

    # --- what it carries

    def set(self, name: str, value: Any) -> None:
        """Keep a value for the hooks of this transaction and of those inside it."""
        self._values[name] = value

    def get(self, name: str, default: Any = _missing) -> Any:
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
        if default is _missing:
            raise ValueError(f"The transaction has no value {name!r}. Keep it first: txn.set({name!r}, …).")
        return default

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
        self._token = _current.set(self)

    def _end(self, error: BaseException | None) -> Steps:
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
        _current.reset(self._token)
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


def get_transaction() -> Transaction | None:
    """Return the innermost transaction that this code is in; within a task that is called directly, the task's own."""
    return _current.get()


def stage(write: Callable[[], object], within: Transaction | None = None) -> None:
    """Call ``write`` when the transaction around is committed, never if it is rolled back; now where there is none.

    Parameters
    ----------
    within
        Which transaction; None for the one that this code is in.
    """
    around = within if within is not None else get_transaction()
    if around is None or not around.write_on_commit or around.state is TransactionState.COMMITTED:
        write()
    elif around.state is not TransactionState.ROLLED_BACK:
        around._writes.append(write)


_current: ContextVar[Transaction | None] = ContextVar("orchestra_transaction", default=None)


def perform(steps: Steps) -> bool:
    """Perform steps in this thread, and return what they return."""
    try:
        _, step = next(steps)
        while True:
            try:
                value = step()
                if inspect.isawaitable(value):
                    value = _run_awaitable(value)
            except BaseException as error:
                _, step = steps.throw(error)
            else:
                _, step = steps.send(value)
    except StopIteration as end:
        return bool(end.value)


async def perform_async(steps: Steps) -> bool:
    """Perform steps in this coroutine, with those that wait in a thread, and return what they return."""
    # not by `except StopIteration` around awaits: it must not leave a coroutine
    is_blocking, step, result = _advance(steps, lambda: next(steps))
    while step is not None:
        try:
            value = await in_thread(step) if is_blocking else step()
            if inspect.isawaitable(value):
                value = await value
        except BaseException as error:
            is_blocking, step, result = _advance(steps, lambda error=error: steps.throw(error))  # type: ignore[misc]
        else:
            is_blocking, step, result = _advance(steps, lambda value=value: steps.send(value))  # type: ignore[misc]
    return result


def _advance(
    steps: Steps, go_on: Callable[[], tuple[bool, Callable[[], object]]]
) -> tuple[bool, Callable[[], object] | None, bool]:
    try:
        is_blocking, step = go_on()
    except StopIteration as end:
        return False, None, bool(end.value)
    return is_blocking, step, False


def _run_awaitable(value: Any) -> Any:
    """Run a coroutine from plain code, also where an event loop runs in this thread, as in a notebook."""

    async def wait() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    found: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(asyncio.run(wait()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="orchestra-hook", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]


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
