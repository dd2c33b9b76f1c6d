"""Transactions: what is called and written when a group of tasks ends well, and what when it does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb import flow, task
from orchestra_nb.engine.drivers import set_driver
from orchestra_nb.engine.key_claims import KeyClaim
from orchestra_nb.engine.results import ResultStore
from orchestra_nb.engine.services import ask_for, set_answerer
from orchestra_nb.engine.transaction_context import get_transaction, stage
from orchestra_nb.engine.transaction_modes import CommitMode, IsolationLevel, TransactionState
from orchestra_nb.engine.transactions import Transaction, transaction
from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.questions import DoneAnswer, ReleaseClaim
from orchestra_nb.operations.flow_loops import FlowLoops
from orchestra_nb.operations.run_services import RunServices
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.store_sink import StoreSink


@pytest.fixture(autouse=True)
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Drive flows of this process on a store of its own, with tasks in threads."""
    monkeypatch.setenv("ORCHESTRA_TASK_RUNNER", "threads")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    database = open_database(f"sqlite:///{tmp_path}/orchestra.db")
    store = RunStore(database)
    sink = StoreSink(store)
    services = RunServices(lambda: store)
    loops = FlowLoops("driver", sink, services)
    set_driver(loops)
    set_answerer(lambda: services)
    yield
    loops.stop("the test ended")
    set_answerer(None)
    set_driver(None)
    sink.close()
    database.close()


class Told:
    """What was called, in order, with the value ``name`` of the transaction."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def hook(self, word: str) -> Callable[[Transaction], None]:
        def called(txn: Transaction) -> None:
            self.words.append(f"{word} {txn.get('name', '')}".strip())

        return called

    def task(self, name: str, fails: bool = False) -> object:
        def body() -> str:
            if fails:
                raise ValueError(name)
            return name

        return task(
            name=name,
            on_commit=[self.hook(f"commit {name}")],
            on_rollback=[self.hook(f"rollback {name}")],
        )(body)


@pytest.fixture
def told() -> Told:
    return Told()


def test_hooks_of_tasks_are_called_in_order_at_the_commit(told: Told) -> None:
    first, second = told.task("first"), told.task("second")

    @flow
    def both() -> list[str]:
        with transaction() as txn:
            txn.set("name", "x")
            first()
            second()
            before = list(told.words)
        assert txn.is_committed()
        return before

    assert both() == []
    assert told.words == ["commit first x", "commit second x"]


def test_hooks_of_completed_tasks_are_called_in_reverse_order_when_a_later_one_fails(told: Told) -> None:
    first, second, bad = told.task("first"), told.task("second"), told.task("bad", fails=True)

    @flow
    def all_three() -> None:
        with transaction():
            first()
            second()
            bad()

    with pytest.raises(ValueError, match="bad"):
        all_three()
    assert told.words == ["rollback second", "rollback first"]


def test_submitted_tasks_count_in_the_order_of_their_submission(told: Told) -> None:
    first, second, bad = told.task("first"), told.task("second"), told.task("bad", fails=True)

    @flow
    def good() -> None:
        with transaction():
            first.submit()
            second.submit()

    @flow
    def failing() -> None:
        with transaction():
            first.submit()
            second.submit()
            bad.submit().result()

    good()
    assert told.words == ["commit first", "commit second"]
    told.words.clear()
    with pytest.raises(ValueError, match="bad"):
        failing()
    assert told.words == ["rollback second", "rollback first"]


def test_a_rollback_waits_for_submitted_tasks_that_have_not_ended(told: Told) -> None:
    may_end = threading.Event()

    @task(on_rollback=[told.hook("rollback slow")])
    def slow() -> None:
        assert may_end.wait(PATIENCE_SECONDS)

    @flow
    def failing() -> None:
        with transaction():
            slow.submit()
            threading.Timer(0.05, may_end.set).start()
            raise ValueError("meanwhile")

    with pytest.raises(ValueError, match="meanwhile"):
        failing()
    assert told.words == ["rollback slow"]


def test_a_task_outside_of_a_transaction_commits_at_its_own_end(told: Told) -> None:
    direct, submitted, bad = told.task("direct"), told.task("submitted"), told.task("bad", fails=True)

    @flow
    def alone() -> None:
        direct()
        assert told.words == ["commit direct"]
        submitted.submit().wait()
        bad(return_state=True)

    alone()
    assert sorted(told.words) == ["commit direct", "commit submitted"]


def test_tasks_inside_a_failed_task_are_rolled_back(told: Told) -> None:
    inner = told.task("inner")

    @task
    def outer() -> None:
        inner()
        raise ValueError("outer")

    with pytest.raises(ValueError, match="outer"):
        outer()
    assert told.words == ["rollback inner"]


def test_an_inner_transaction_is_committed_with_the_outer_one_and_rolled_back_with_it(told: Told) -> None:
    first, second = told.task("first"), told.task("second")

    @flow
    def nested(fails: bool) -> None:
        with transaction() as outer:
            outer.set("name", "outer")
            with transaction() as inner:
                first()
                assert inner.get("name") == "outer"
            with transaction(commit_mode=CommitMode.EAGER):
                second()
            assert not inner.is_committed()
            if fails:
                raise ValueError("late")

    nested(False)
    assert told.words == ["commit second outer", "commit first outer"]
    told.words.clear()
    with pytest.raises(ValueError, match="late"):
        nested(True)
    assert told.words == ["commit second outer", "rollback first outer"]


def test_what_an_inner_transaction_undid_stays_undone_when_the_outer_one_goes_on(told: Told) -> None:
    first, second = told.task("first"), told.task("second")

    @flow
    def one_of_two() -> None:
        with transaction():
            try:
                with transaction():
                    first()
                    raise ValueError("inner")
            except ValueError:
                second()

    one_of_two()
    assert told.words == ["rollback first", "commit second"]


def test_a_commit_hook_that_fails_undoes_all_and_raises(told: Told) -> None:
    first = told.task("first")
    written: list[str] = []

    @task(on_rollback=[told.hook("rollback second")])
    def second() -> None:
        stage(lambda: written.append("second"))

    @second.on_commit
    def fail(txn: Transaction) -> None:
        raise RuntimeError("no room")

    @flow
    def failing() -> None:
        with transaction():
            first()
            second()

    with pytest.raises(RuntimeError, match="no room"):
        failing()
    assert told.words == ["commit first", "rollback second", "rollback first"]
    assert written == []


def test_a_rollback_hook_that_fails_keeps_no_other_from_being_called(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    @task(on_rollback=[told.hook("rollback first")])
    def first() -> None: ...

    @task
    def second() -> None: ...

    @second.on_rollback
    def broken(txn: Transaction) -> None:
        raise RuntimeError("cannot undo")

    @flow
    def failing() -> None:
        with transaction():
            first()
            second()
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        failing()
    assert told.words == ["rollback first"]
    assert "The on_rollback hook broken failed" in caplog.text


def test_writes_wait_for_the_commit_and_are_dropped_by_a_rollback() -> None:
    written: list[str] = []

    @task
    def writing(word: str) -> None:
        stage(lambda: written.append(word))

    writing("alone")
    assert written == ["alone"]
    with transaction():
        writing("inside")
        assert written == ["alone"]
    assert written == ["alone", "inside"]
    with pytest.raises(ValueError), transaction():
        writing("undone")
        raise ValueError
    with transaction(write_on_commit=False):
        writing("at once")
        assert written == ["alone", "inside", "at once"]
    assert written == ["alone", "inside", "at once"]


def test_off_is_rolled_back_unless_somebody_commits(told: Told) -> None:
    first = told.task("first")

    with transaction(commit_mode="off") as forgotten:
        first()
    with transaction(commit_mode="off") as committed:
        first()
        assert committed.commit()
        assert not committed.commit()

    assert (forgotten.state, committed.state) == (TransactionState.ROLLED_BACK, TransactionState.COMMITTED)
    assert told.words == ["rollback first", "commit first"]


def test_a_key_is_committed_once_and_keeps_what_was_staged(tmp_path: Path) -> None:
    results = ResultStore(str(tmp_path / "results"), b"k" * 32)

    with pytest.raises(ValueError), transaction("report", results):
        raise ValueError("first try")
    with transaction("report", results) as second:
        assert not second.is_committed()
        second.stage({"rows": 3})
        assert second.is_staged()
    with transaction("report", results) as third:
        assert third.is_committed()
        assert third.read() == {"rows": 3}
    with transaction("report", results, overwrite=True) as fourth:
        assert fourth.is_active()
        fourth.stage({"rows": 4})
    with transaction("report", results) as fifth:
        assert fifth.read() == {"rows": 4}
    with transaction("other", results, write_on_commit=False) as unwritten:
        unwritten.stage(1)
    with transaction("other", results) as last:
        assert not last.is_committed()


def test_serializable_transactions_of_a_key_run_one_at_a_time() -> None:
    is_inside, may_leave = threading.Event(), threading.Event()
    seen: list[bool] = []

    def first() -> None:
        with transaction("one", isolation_level=IsolationLevel.SERIALIZABLE):
            is_inside.set()
            assert may_leave.wait(PATIENCE_SECONDS)

    def second() -> None:
        with transaction("one", isolation_level="serializable") as txn:
            seen.append(txn.is_committed())

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert is_inside.wait(PATIENCE_SECONDS)
    threads[1].start()
    threads[1].join(0.3)
    was_waiting = threads[1].is_alive()
    may_leave.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert was_waiting
    assert seen == [True]


def test_a_rolled_back_serializable_transaction_gives_its_key_back() -> None:
    with pytest.raises(ValueError), transaction("one", isolation_level="SERIALIZABLE"):
        raise ValueError
    with transaction("one", isolation_level="SERIALIZABLE") as txn:
        with transaction("one", isolation_level="SERIALIZABLE") as inner:  # does not wait for itself
            pass
        assert not txn.is_committed()

    assert txn.is_committed()
    assert inner.is_committed()


def test_a_lock_that_somebody_else_took_is_noticed() -> None:
    claim = KeyClaim("one", may_overwrite=False, name="one", lease_seconds=0.3)
    claim.acquire()
    claim.check()
    assert ask_for(DoneAnswer, ReleaseClaim(key="one", holder=claim.holder)).has_changed

    assert claim.lost.wait(PATIENCE_SECONDS)
    with pytest.raises(Conflict, match="The lock of the transaction key 'one' ran out"):
        claim.check()
    claim.release()


def test_coroutines_have_transactions_with_hooks_that_are_coroutines() -> None:
    told: list[str] = []
    loops: list[object] = []

    @task
    async def step(name: str) -> str:
        assert get_transaction() is not None
        return name

    @step.on_commit
    async def committed(txn: Transaction) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        told.append("commit")

    @step.on_rollback
    async def undone(txn: Transaction) -> None:
        await asyncio.sleep(0)
        told.append(f"rollback {txn.get('n')}")

    @flow
    async def good() -> object:
        async with transaction("good", isolation_level="SERIALIZABLE") as txn:
            await step("a")
        assert txn.is_committed()
        return asyncio.get_running_loop()

    @flow
    async def bad() -> None:
        async with transaction() as txn:
            txn.set("n", 1)
            await step("b")
            raise ValueError("bad")

    assert asyncio.run(good()) is loops[0]
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(bad())
    assert told == ["commit", "rollback 1"]


def test_plain_code_calls_hooks_that_are_coroutines_also_under_a_running_loop() -> None:
    told: list[str] = []

    @task
    def step() -> None: ...

    @step.on_commit
    async def committed(txn: Transaction) -> None:
        await asyncio.sleep(0)
        told.append("commit")

    async def cell() -> None:
        with transaction():
            step()

    asyncio.run(cell())
    assert told == ["commit"]


def test_values_are_kept_and_copied() -> None:
    with transaction() as txn:
        txn.set("list", [1])
        txn.get("list").append(2)
        assert txn.get("list") == [1]
        assert txn.get("none", None) is None
        with pytest.raises(ValueError, match="has no value 'none'"):
            txn.get("none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"commit_mode": "soon"}, "commit_mode is 'soon'. It is one of: EAGER, LAZY, OFF", id="mode"),
        pytest.param({"isolation_level": "SERIALIZABLE"}, "needs a key", id="a lock without a key"),
        pytest.param({"key": 3}, "The key of a transaction is 3", id="key"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        transaction(**options)  # type: ignore[arg-type]


def test_a_transaction_is_entered_once() -> None:
    with transaction() as txn:
        pass
    with pytest.raises(Conflict, match="entered once"), txn:
        pass
