"""Results of tasks in a transaction: found by nobody else before its commit, and never after a rollback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb import Task, flow, task
from orchestra_nb.cache_policies import INPUTS
from orchestra_nb.engine.services import ask_for
from orchestra_nb.model.cache_claims import Claimed
from orchestra_nb.model.questions import ClaimAnswer, ClaimResult, FindResult, ReleaseClaim, ResultAnswer
from orchestra_nb.transactions import get_transaction, transaction
from tests.engine.conftest import FlowWorld, open_world


@pytest.fixture(scope="module", params=["threads", "dask"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowWorld]:
    """Flows whose tasks run in threads, and on the local cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRA_CLUSTER_IDLE_SECONDS", "30")
        yield from open_world(tmp_path_factory.mktemp(request.param), request.param, patch)


@pytest.fixture(params=["direct", "submitted"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def call(how: str, owner: Task[Any, Any], *args: Any) -> Any:
    return owner(*args) if how == "direct" else owner.submit(*args).result()


def is_found(key: str) -> bool:
    """Whether anybody would find a result of this key."""
    return ask_for(ResultAnswer, FindResult(key=key)).reference is not None


def is_free(key: str) -> bool:
    """Whether anybody could compute this key now."""
    claim = ask_for(ClaimAnswer, ClaimResult(key=key, holder="me", lease_seconds=30, is_refreshed=True)).claim
    if isinstance(claim, Claimed):
        ask_for(object, ReleaseClaim(key=key, holder="me"))
    return isinstance(claim, Claimed)


class Counted:
    """A cached task that notes each time it runs."""

    def __init__(self, folder: Path, key: str, **options: Any) -> None:
        notes = self.notes = folder / f"{key}.notes"
        self.key = f"{folder}/{key}"
        self.results = folder / "results"

        @task(cache_key_fn=_key_function(self.key), result_storage=self.results, **options)
        def counted(value: int) -> int:
            with notes.open("a") as file:
                file.write("x")
            return value

        self.task = counted

    @property
    def runs(self) -> int:
        return len(self.notes.read_text()) if self.notes.exists() else 0

    @property
    def files(self) -> list[Path]:
        return [path for path in self.results.rglob("*") if path.is_file()]


def _key_function(key: str) -> Any:
    return lambda context, parameters: key


def test_a_result_is_found_from_the_commit_on(world: FlowWorld, how: str, tmp_path: Path) -> None:
    one, two = Counted(tmp_path, "one"), Counted(tmp_path, "two")

    @flow
    def writing() -> tuple[int, int, bool]:
        with transaction():
            made = call(how, one.task, 4), call(how, two.task, 5)
            seen = is_found(one.key) or is_found(two.key) or is_free(one.key)
        return *made, seen

    @flow
    def reading() -> tuple[int, int]:
        return one.task(0), two.task.submit(0).result()

    assert writing() == (4, 5, False)
    assert (is_found(one.key), is_found(two.key), is_free(one.key), is_free(two.key)) == (True,) * 4
    assert reading() == (4, 5)
    assert (one.runs, two.runs, len(one.files)) == (1, 1, 2)


def test_a_rollback_leaves_no_result_no_file_and_no_claim(world: FlowWorld, how: str, tmp_path: Path) -> None:
    one = Counted(tmp_path, "one")

    @flow
    def failing() -> None:
        with transaction():
            call(how, one.task, 4)
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        failing()
    assert (is_found(one.key), is_free(one.key), one.files) == (False, True, [])


def test_a_result_is_found_again_within_its_transaction(world: FlowWorld, how: str, tmp_path: Path) -> None:
    one = Counted(tmp_path, "one")

    @flow
    def twice() -> list[int]:
        with transaction():
            first = call(how, one.task, 4)
            with transaction():
                return [first, call(how, one.task, 0), one.task.submit(0).result(), one.task(0)]

    assert twice() == [4, 4, 4, 4]
    assert one.runs == 1


def test_what_an_inner_transaction_undid_stays_undone(world: FlowWorld, how: str, tmp_path: Path) -> None:
    kept, undone, early = Counted(tmp_path, "kept"), Counted(tmp_path, "undone"), Counted(tmp_path, "early")

    @flow
    def half() -> bool:
        with transaction():
            call(how, kept.task, 1)
            with pytest.raises(ValueError), transaction():
                call(how, undone.task, 2)
                raise ValueError
            with transaction(commit_mode="eager"):
                call(how, early.task, 3)
            return is_found(early.key) and not is_found(kept.key)

    assert half()
    assert [is_found(counted.key) for counted in (kept, undone, early)] == [True, False, True]
    assert is_free(undone.key)


def test_a_file_of_a_chosen_name_is_replaced_at_the_commit(world: FlowWorld, how: str, tmp_path: Path) -> None:
    one = Counted(tmp_path, "one", result_storage_key="latest.json", refresh_cache=True)
    latest = one.results / "latest.json"

    @flow
    def writing(value: int, fails: bool) -> str:
        with transaction():
            call(how, one.task, value)
            before = latest.read_text() if latest.exists() else ""
            if fails:
                raise ValueError(value)
        return before

    assert (writing(1, False), latest.read_text()) == ("", "1")
    with pytest.raises(ValueError):
        writing(2, True)
    assert latest.read_text() == "1"
    assert (writing(3, False), latest.read_text()) == ("1", "3")
    assert one.files == [latest]


def test_keys_in_a_folder_are_written_at_the_commit(world: FlowWorld, how: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"

    @task(cache_policy=INPUTS.configure(key_storage=keys), result_storage=tmp_path / "results")
    def double(x: int) -> int:
        return 2 * x

    @flow
    def writing() -> int:
        with transaction():
            call(how, double, 4)
            call(how, double, 4)
            return len(list(keys.iterdir())) if keys.exists() else 0

    assert writing() == 0
    assert len(list(keys.iterdir())) == 1
    assert [task_run.is_cached for task_run in world.tasks("writing")] == [False, True]


def test_results_are_written_at_once_where_the_transaction_says_so(world: FlowWorld, how: str, tmp_path: Path) -> None:
    one = Counted(tmp_path, "one")

    @flow
    def failing() -> None:
        with transaction(write_on_commit=False):
            call(how, one.task, 4)
            assert is_found(one.key)
            raise ValueError("after all")

    with pytest.raises(ValueError, match="after all"):
        failing()
    assert is_found(one.key)


def test_what_a_failed_task_called_is_undone_with_it(world: FlowWorld, how: str, tmp_path: Path) -> None:
    inner, other = Counted(tmp_path, "inner"), Counted(tmp_path, "other")
    inner_task = inner.task

    @task
    def outer() -> None:
        inner_task(1)
        raise ValueError("outer")

    @flow
    def going_on() -> None:
        with transaction():
            call(how, other.task, 2)
            if how == "direct":
                outer(return_state=True)
            else:
                outer.submit().wait()

    going_on(return_state=True)
    assert (is_found(inner.key), is_free(inner.key), is_found(other.key)) == (False, True, True)


def test_the_commit_waits_for_what_was_submitted(world: FlowWorld, tmp_path: Path) -> None:
    inner = Counted(tmp_path, "inner")
    inner_task = inner.task

    @task
    def outer() -> int:
        return inner_task(1)

    @flow
    def not_waiting() -> None:
        with transaction():
            outer.submit()
        assert is_found(inner.key)

    not_waiting()


def test_a_submitted_task_sees_the_values_of_the_transaction(world: FlowWorld, how: str) -> None:
    @task
    def look(word: str) -> tuple[str, str, str]:
        own = get_transaction()
        assert own is not None
        own.set("own", word)
        return own.get("inner"), own.get("outer", "none") + own.get("own"), own.get("missing", "default")

    @flow
    def outside_and_inside() -> Any:
        with transaction() as outer:
            outer.set("outer", "out")
            with transaction() as inner:
                inner.set("inner", "in")
                inner.set("lock", threading.Lock() if how == "direct" else None)
                found = call(how, look, "!")
                assert inner.get("own", None) is None
                return found

    assert outside_and_inside() == ("in", "out!", "default")


def test_two_transactions_that_want_each_others_keys_both_end(world: FlowWorld, tmp_path: Path) -> None:
    one, two = Counted(tmp_path, "one"), Counted(tmp_path, "two")
    both_hold = threading.Barrier(2)

    @flow
    def crossing(first: Any, second: Any) -> int:
        with transaction():
            call("direct", first, 1)
            both_hold.wait(PATIENCE_SECONDS)
            return int(call("direct", second, 1))

    threads = [
        threading.Thread(target=crossing.with_options(validate_parameters=False), args=pair, daemon=True)
        for pair in ((one.task, two.task), (two.task, one.task))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert not any(thread.is_alive() for thread in threads)
    assert (is_found(one.key), is_found(two.key)) == (True, True)
