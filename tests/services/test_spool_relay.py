"""What a remote worker passes on from its own store, at a server that answers as the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb.errors import InvalidInput, NotThisWorkers, OrchestraError
from orchestra_nb.model.events import Event, LogsWritten, RunCreated, RunOutputWritten, RunStateChanged
from orchestra_nb.model.runs import LogLine, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.services.spool_relay import SpoolRelay
from orchestra_nb.services.worker_api import ServerUnreachable
from orchestra_nb.services.worker_messages import EventsTaken, EventsTold, FileTaken, HeldRun
from orchestra_nb.store.event_spool import EventSpool
from orchestra_nb.store.run_store import RunStore
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
RUN_ID = "1" * 32
HELD = HeldRun(run_id=RUN_ID, epoch=1)


class Server:
    """Takes calls as :class:`~orchestra_nb.services.worker_api.WorkerApi` makes them."""

    def __init__(self) -> None:
        self.took: list[object] = []
        self.answer: Callable[[EventsTold], EventsTaken] = lambda told: EventsTaken(until=told.numbers[-1])

    def tell(self, worker_id: str, told: EventsTold) -> EventsTaken:
        taken = self.answer(told)
        self.took += told.events
        return taken

    def send_notebook(self, worker_id: str, held: HeldRun, file: Any, size: int, *, is_whole: bool) -> FileTaken:
        self.took.append(("notebook", file.read(), is_whole))
        return FileTaken(url="", at=NOW)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def heard() -> list[object]:
    """What the relay has told its worker."""
    return []


@pytest.fixture
def relay(store: RunStore, server: Server, heard: list[object], tmp_path: Path) -> Iterator[SpoolRelay]:
    EventSpool(store.database).begin()
    relay = SpoolRelay(
        store.database,
        server,  # type: ignore[arg-type]
        "worker",
        on_end=lambda held: heard.append(("end", held)),
        on_lost=lambda held: heard.append(("lost", held)),
        on_refused=lambda error: heard.append(error),
        growing=lambda: {HELD: tmp_path / "growing.ipynb"},
    )
    with closing(relay):
        yield relay


def said(text: str) -> LogsWritten:
    line = LogLine(run_id=RUN_ID, task_run_id=None, at=NOW, level=20, logger="print", message=text)
    return LogsWritten(lines=(line,))


def changed(state: State) -> RunStateChanged:
    return RunStateChanged(run_id=RUN_ID, state=state, at=NOW)


@pytest.fixture
def begun(store: RunStore, relay: SpoolRelay) -> list[Event]:
    """What was written until the run runs."""
    run = Run(
        run_id=RUN_ID, name="calm-fox", flow_name="etl", kind=RunKind.NOTEBOOK, state=State.PENDING, created_at=NOW
    )
    events: list[Event] = [RunCreated(run=run), changed(State.RUNNING)]
    assert store.apply(events) == [True, True]
    return events


def test_what_was_written_is_told_in_order_once_it_arrives_and_then_forgotten(
    store: RunStore, server: Server, relay: SpoolRelay, heard: list[object], begun: list[Event]
) -> None:
    def away(told: EventsTold) -> EventsTaken:
        raise ServerUnreachable("away")

    reachable, server.answer = server.answer, away
    more = [said("one \udc80"), changed(State.RUNNING), changed(State.COMPLETED)]  # the second one changes nothing
    store.apply(more)
    with pytest.raises(ServerUnreachable):
        relay.step()
    server.answer = reachable

    assert (relay.step(), relay.step()) == (True, False)

    assert server.took == [*begun, said("one �"), changed(State.COMPLETED)]
    assert EventSpool(store.database).is_empty
    assert heard == [("end", HELD)]


def test_an_event_that_the_server_never_takes_is_left_out_alone(
    store: RunStore, server: Server, relay: SpoolRelay, begun: list[Event]
) -> None:
    def refuse_some(told: EventsTold) -> EventsTaken:
        if said("bad") in told.events:
            raise InvalidInput("no")
        return EventsTaken(until=told.numbers[-1])

    server.answer = refuse_some
    store.apply([said("good"), said("bad"), said("x" * 9_000_000), said("better")])

    while relay.step():
        pass

    assert server.took == [*begun, said("good"), said("better")]


def test_a_notebook_is_sent_while_it_grows_and_whole_before_its_run_ends(
    store: RunStore, server: Server, relay: SpoolRelay, tmp_path: Path, begun: list[Event]
) -> None:
    growing, whole = tmp_path / "growing.ipynb", tmp_path / "whole.ipynb"
    growing.write_bytes(b"part")
    relay.step()
    assert server.took == [*begun, ("notebook", b"part", False)]

    growing.write_bytes(b"more")
    whole.write_bytes(b"whole")
    written = RunOutputWritten(run_id=RUN_ID, output_path=str(whole))
    store.apply([said("last"), written, changed(State.COMPLETED)])
    server.took.clear()
    relay.step()

    assert server.took == [said("last"), ("notebook", b"whole", True), written, changed(State.COMPLETED)]


def test_a_server_that_takes_nothing_any_more_ends_it(
    store: RunStore, server: Server, relay: SpoolRelay, heard: list[OrchestraError], begun: list[Event]
) -> None:
    def refuse(told: EventsTold) -> EventsTaken:
        raise NotThisWorkers("taken for dead")

    server.answer = refuse
    relay.start()

    assert not relay.flush(PATIENCE_SECONDS)
    relay.close()
    assert [str(error) for error in heard] == ["taken for dead"]
