"""A chunk runs once; what of it had begun when its worker died is known as far as a sentinel tells."""

from __future__ import annotations

import pytest

from orchestra_nb.engine.chunk_ledger import ChunkLedger, ChunkLoss, ChunkReport


@pytest.fixture
def ledger() -> ChunkLedger:
    """A ledger in which ``c`` began on ``w1``."""
    ledger = ChunkLedger()
    assert ledger.begin("c", "client", "w1") == (None, [])
    return ledger


def test_a_chunk_begins_once(ledger: ChunkLedger) -> None:
    assert ledger.begin("c", "client", "w2") == ("it began before, on w1", ())


def test_a_chunk_that_is_over_does_not_begin_again(ledger: ChunkLedger) -> None:
    ledger.end("c")

    assert ledger.begin("c", "client", "w1")[0] == "it began before, on w1"
    assert ledger.lose_worker("w1", "killed", None, None, is_guarded=True) == []


def test_calls_stopped_before_the_chunk_begins_are_named_when_it_does() -> None:
    ledger = ChunkLedger()

    assert ledger.stop("c", "client", [3, 1]) is None
    assert ledger.begin("c", "client", "w1") == (None, [1, 3])


def test_a_stop_finds_the_worker_of_a_running_chunk(ledger: ChunkLedger) -> None:
    assert ledger.stop("c", "client", [1]) == "w1"

    ledger.end("c")

    assert ledger.stop("c", "client", [2]) == ""


def test_a_chunk_given_up_before_it_begins_never_does(ledger: ChunkLedger) -> None:
    assert (ledger.close("d", "client"), ledger.close("c", "client")) == (False, True)

    assert ledger.begin("d", "client", "w1")[0] is not None
    assert not ledger.is_running("d")


REPORT = ChunkReport("c", begun_until=5, running=5, running_since=7.0, outcomes={4: b"four"})


@pytest.mark.parametrize(
    ("report", "is_guarded", "loss"),
    [
        (
            REPORT,
            True,
            ChunkLoss(
                *("c", "client", "w1", "killed", 3),
                begun_until=5,
                running=5,
                running_since=7.0,
                outcomes={4: b"four"},
            ),
        ),
        (None, True, ChunkLoss("c", "client", "w1", "killed", 3, begun_until=-1)),
        (ChunkReport("b", begun_until=9), True, ChunkLoss("c", "client", "w1", "killed", 3, begun_until=-1)),
        (None, False, ChunkLoss("c", "client", "w1", "killed", 3)),
    ],
    ids=["the sentinel knows it", "it had run nothing", "it had run another one", "there is no sentinel"],
)
def test_a_dead_worker_loses_its_chunk(
    ledger: ChunkLedger, report: ChunkReport | None, is_guarded: bool, loss: ChunkLoss
) -> None:
    assert ledger.lose_worker("w1", "killed", 3, report, is_guarded=is_guarded) == [loss]
    assert (ledger.loss_of("c"), ledger.is_running("c")) == (loss, False)


def test_of_a_chunk_that_a_later_one_followed_anything_may_have_begun(ledger: ChunkLedger) -> None:
    ledger.begin("d", "client", "w1")

    losses = ledger.lose_worker("w1", "killed", None, ChunkReport("d", begun_until=0, running=0), is_guarded=True)

    assert [(loss.chunk, loss.begun_until) for loss in losses] == [("c", None), ("d", 0)]


def test_a_driver_that_has_gone_is_forgotten_but_for_what_runs(ledger: ChunkLedger) -> None:
    ledger.begin("d", "client", "w2")
    ledger.end("d")

    ledger.forget_client("client")

    assert (ledger.client_of("c"), ledger.client_of("d")) == ("client", None)
    assert ledger.running_of("client") == ["c"]
