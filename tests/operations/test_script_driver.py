"""The driver of a script: what is told first, and what is closed last."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb import flow
from orchestra_nb.engine.drivers import set_driver
from orchestra_nb.model.events import Event, RunCreated
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations import opening
from orchestra_nb.operations.script_driver import ScriptDriver, _FirstRunSink
from orchestra_nb.store.run_store import RunStore
from tests.patience import PATIENCE_SECONDS


class Told:
    """A sink that notes what it is given."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    def emit(self, event: Event) -> None:
        assert isinstance(event, RunCreated)
        self.runs.append(event.run.run_id)

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def close(self) -> None:
        pass


def test_no_run_is_told_before_the_driver_also_when_two_threads_begin_at_once() -> None:
    told, is_announcing, may_go_on = Told(), threading.Event(), threading.Event()
    before: list[str] = []

    def announce() -> None:
        is_announcing.set()
        may_go_on.wait(0.2)  # the other thread has this long to be wrong
        before.extend(told.runs)

    sink = _FirstRunSink(told, announce)

    def begin(run_id: str) -> None:
        now = datetime.now(UTC)
        run = Run(run_id=run_id, name=run_id, flow_name="f", kind=RunKind.FLOW, state=State.PENDING, created_at=now)
        sink.emit(RunCreated(run=run))

    first, second = (threading.Thread(target=begin, args=(run_id,)) for run_id in ("first", "second"))
    first.start()
    assert is_announcing.wait(PATIENCE_SECONDS)
    second.start()
    first.join()
    second.join()

    assert before == []
    assert sorted(told.runs) == ["first", "second"]


def test_a_guard_that_starts_while_its_driver_closes_is_closed_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.setenv("ORCHESTRA_TASK_RUNNER", "threads")
    driver = ScriptDriver()
    is_starting = threading.Event()
    made: list[opening.Sweeper] = []

    class LateSweeper(opening.Sweeper):
        def __init__(self, store: RunStore, every_seconds: float) -> None:
            is_starting.set()
            assert driver._closing.wait(PATIENCE_SECONDS)
            super().__init__(store, every_seconds)
            made.append(self)

    @flow
    def nothing() -> None:
        pass

    monkeypatch.setattr(opening, "Sweeper", LateSweeper)
    set_driver(driver)
    try:
        nothing()
        assert is_starting.wait(PATIENCE_SECONDS)
    finally:
        set_driver(None)
        driver.close()

    assert [sweeper._thread.is_alive() for sweeper in made] == [False]
    assert driver._store is not None
    driver._store.database.close()
