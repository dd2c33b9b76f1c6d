"""What a transaction keeps back: found by its own ids alone, published all at once, or forgotten with its claims."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.staged_results import StagedResult
from orchestra_nb.store.database import Database
from orchestra_nb.store.result_index import ResultIndex
from orchestra_nb.store.staged_result_index import FORGOTTEN_AFTER, StagedResultIndex

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def staged(key: str, staging_id: str = "txn", **changes: object) -> StagedResult:
    reference = ResultReference(
        url=f"/results/staged/{key}", digest=key, serializer="json", size_bytes=3, created_at=NOON
    )
    fields = {"staging_id": staging_id, "key": key, "task_name": "load", "holder": f"{staging_id}/1", **changes}
    return StagedResult(reference=reference, final_url=f"/results/{key}.json", **fields)  # type: ignore[arg-type]


@pytest.fixture
def results(database: Database) -> ResultIndex:
    return ResultIndex(database)


@pytest.fixture
def index(database: Database) -> StagedResultIndex:
    return StagedResultIndex(database)


def test_a_staged_result_is_found_by_its_transactions_alone(index: StagedResultIndex, results: ResultIndex) -> None:
    index.put(staged("a"), NOON)

    assert index.find("a", ["other", "txn"]) == staged("a")
    assert (index.find("a", ["other"]), index.find("b", ["txn"])) == (None, None)
    assert results.find("a", NOON) is None


def test_a_commit_publishes_all_and_ends_the_claims(index: StagedResultIndex, results: ResultIndex) -> None:
    results.claim("a", "txn/1", NOON, 30)
    for result in (staged("a"), staged("b", "inner"), staged("c", "other"), staged("d", key_storage="/keys")):
        index.put(result, NOON)

    index.commit(["txn", "inner"])

    assert results.claim("a", "me", NOON, 30) == Found(staged("a").published)
    assert results.find("b", NOON) == staged("b").published
    assert (results.find("c", NOON), results.find("d", NOON)) == (None, None)
    assert (index.find_all(["txn", "inner"]), index.find_all(["other"])) == ([], [staged("c", "other")])


def test_what_is_dropped_frees_its_keys(index: StagedResultIndex, results: ResultIndex) -> None:
    for key in ("a", "b"):
        results.claim(key, "txn/1", NOON, 30)
        index.put(staged(key), NOON)

    assert index.drop("txn", ["a"]) == [staged("a")]
    assert isinstance(results.claim("a", "me", NOON, 30), Claimed)
    assert isinstance(results.claim("b", "me", NOON, 30), Busy)
    assert index.drop("txn") == [staged("b")]
    assert isinstance(results.claim("b", "me", NOON, 30), Claimed)
    assert index.drop("txn") == []


def test_claims_of_what_is_staged_are_renewed_but_not_those_that_were_lost(
    index: StagedResultIndex, results: ResultIndex
) -> None:
    results.claim("a", "txn/1", NOON, 30)
    results.claim("b", "somebody", NOON, 30)
    index.put(staged("a"), NOON)
    index.put(staged("b"), NOON)

    index.renew(["txn"], NOON + timedelta(seconds=20), 30)

    later = NOON + timedelta(seconds=40)
    assert results.claim("a", "me", later, 30) == Busy(holder="txn/1", lease_until=NOON + timedelta(seconds=50))
    assert isinstance(results.claim("b", "me", later, 30), Claimed)


def test_whether_others_wait_is_known(index: StagedResultIndex) -> None:
    index.put(staged("a", holder=None), NOON)
    assert not index.holds_claims(["txn"])

    index.put(staged("a"), NOON)

    assert index.holds_claims(["txn"])
    assert index.find_all(["txn"]) == [staged("a")]


def test_what_a_dead_process_had_staged_is_forgotten_in_the_end(index: StagedResultIndex) -> None:
    index.put(staged("a", "dead"), NOON)

    index.put(staged("b"), NOON + FORGOTTEN_AFTER + timedelta(seconds=1))

    assert index.find_all(["dead"]) == []
