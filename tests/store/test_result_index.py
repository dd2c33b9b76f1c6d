"""Cache keys with their results, and who computes one."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.result_index import ResultIndex

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def reference_of(digest: str = "d", **changes: object) -> ResultReference:
    reference = ResultReference(
        url=f"/results/{digest}.json", digest=digest, serializer="json", size_bytes=3, created_at=NOON
    )
    return msgspec.structs.replace(reference, **changes)


@pytest.fixture
def index(database: Database) -> ResultIndex:
    return ResultIndex(database)


def test_a_result_is_found_by_its_key(index: ResultIndex) -> None:
    index.put("key", reference_of(), task_name="load")

    assert index.find("key", NOON) == reference_of()
    assert index.find("other", NOON) is None


def test_the_last_result_of_a_key_counts(index: ResultIndex) -> None:
    index.put("key", reference_of("old", expires_at=after(1)), task_name="load")
    index.put("key", reference_of("new"), task_name="load")

    assert index.find("key", after(2)) == reference_of("new")


def test_an_expired_result_is_not_found(index: ResultIndex) -> None:
    reference = reference_of(expires_at=after(10))
    index.put("key", reference, task_name="load")

    assert index.find("key", after(9.999)) == reference
    assert index.find("key", after(10)) is None
    assert index.claim("key", "a", after(10), 5) == Claimed(after(15))


def test_one_computes_and_the_others_wait_for_its_result(index: ResultIndex) -> None:
    assert index.claim("key", "a", NOON, 10) == Claimed(after(10))
    assert index.claim("key", "b", after(1), 10) == Busy("a", after(10))
    assert index.claim("other key", "b", after(1), 10) == Claimed(after(11))

    index.put("key", reference_of(), task_name="load", holder="a")

    assert index.claim("key", "b", after(2), 10) == Found(reference_of())
    assert not index.release("key", "a")


def test_a_result_that_was_kept_before_does_not_count_until_another_one_was(index: ResultIndex) -> None:
    index.put("key", reference_of("old"), task_name="load")

    assert index.claim("key", "a", after(5), 10, kept_since=NOON) == Found(reference_of("old"))
    assert index.claim("key", "a", after(5), 10, kept_since=after(1)) == Claimed(after(15))
    assert index.claim("key", "b", after(6), 10, kept_since=after(1)) == Busy("a", after(15))
    assert index.claim("key", "c", after(6), 10) == Found(reference_of("old"))

    new = reference_of("new", created_at=after(7))
    index.put("key", new, task_name="load", holder="a")

    assert index.claim("key", "b", after(8), 10, kept_since=after(1)) == Found(new)


def test_a_holder_may_claim_again(index: ResultIndex) -> None:
    index.claim("key", "a", NOON, 10)

    assert index.claim("key", "a", after(5), 10) == Claimed(after(15))


def test_a_claim_that_was_released_is_the_next_ones(index: ResultIndex) -> None:
    index.claim("key", "a", NOON, 10)

    assert not index.release("key", "b")
    assert index.release("key", "a")
    assert index.claim("key", "b", after(1), 10) == Claimed(after(11))


def test_a_claim_is_taken_over_when_its_lease_has_run_out(index: ResultIndex) -> None:
    index.claim("key", "a", NOON, 10)

    assert index.claim("key", "b", after(9.999), 10) == Busy("a", after(10))
    assert index.claim("key", "b", after(10), 10) == Claimed(after(20))
    assert not index.renew("key", "a", after(10), 10)
    assert not index.release("key", "a")
    assert index.claim("key", "c", after(11), 10) == Busy("b", after(20))


def test_a_renewed_claim_is_not_taken_over(index: ResultIndex) -> None:
    index.claim("key", "a", NOON, 10)

    assert index.renew("key", "a", after(8), 10)
    assert index.claim("key", "b", after(12), 10) == Busy("a", after(18))


def test_who_lost_the_claim_may_put_the_result_and_leaves_the_new_holder_its_claim(index: ResultIndex) -> None:
    index.claim("key", "a", NOON, 1)
    index.claim("key", "b", after(2), 10)

    index.put("key", reference_of(), task_name="load", holder="a")

    assert index.claim("key", "c", after(3), 10) == Found(reference_of())
    assert index.renew("key", "b", after(3), 10)


def test_a_refresh_computes_although_there_is_a_result(index: ResultIndex) -> None:
    index.put("key", reference_of(), task_name="load")

    assert index.claim("key", "a", NOON, 10, refresh=True) == Claimed(after(10))
    assert index.claim("key", "b", NOON, 10, refresh=True) == Busy("a", after(10))
    assert index.claim("key", "b", NOON, 10) == Found(reference_of())


def test_a_result_whose_file_is_gone_is_forgotten_unless_there_is_another_one(index: ResultIndex) -> None:
    index.put("key", reference_of("new"), task_name="load")

    assert not index.forget("key", reference_of("old"))
    assert index.forget("key", reference_of("new"))
    assert not index.forget("key", reference_of("new"))
    assert index.find("key", NOON) is None


def test_what_has_expired_is_deleted_and_returned_unless_another_key_has_it(index: ResultIndex) -> None:
    soon = {"expires_at": after(1)}
    index.put("expired", reference_of("a", **soon), task_name="load")
    index.put("expired too", reference_of("b", **soon), task_name="load")
    index.put("the same file", reference_of("b"), task_name="load")
    index.put("later", reference_of("c", expires_at=after(3)), task_name="load")
    index.claim("key", "holder", NOON, 1)

    assert index.delete_expired(after(2)) == [reference_of("a", **soon)]
    assert index.delete_expired(after(2)) == []
    assert index.find("the same file", after(2)) == reference_of("b")
    assert index.find("later", after(2)) is not None
    assert not index.renew("key", "holder", after(2), 1)


_CLAIMANT = """
import sys, datetime
from orchestra_nb.store.database import open_database
from orchestra_nb.model.cache_claims import Claimed
from orchestra_nb.store.result_index import ResultIndex

database = open_database(sys.argv[1])
index = ResultIndex(database)
now = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
print("ready", flush=True)
sys.stdin.readline()
won = [n for n in range(50) if isinstance(index.claim(f"key {n}", sys.argv[2], now, 10), Claimed)]
database.close()
print(*won)
"""


def test_of_several_processes_one_gets_each_key(any_store_url: str) -> None:
    open_database(any_store_url).close()
    claimants = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIMANT, any_store_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    for claimant in claimants:
        assert claimant.stdout is not None
        assert claimant.stdout.readline() == "ready\n"
    for claimant in claimants:
        assert claimant.stdin is not None
        claimant.stdin.write("\n")
        claimant.stdin.flush()

    won = [claimant.communicate(timeout=PATIENCE_SECONDS)[0].split() for claimant in claimants]

    assert sorted(int(number) for numbers in won for number in numbers) == list(range(50))
