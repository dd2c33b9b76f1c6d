"""What the progress in the shell knows of a run: cells that start over wait again, and it says why they do."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec
import pytest

from orchestra_nb.cli.run_progress import LineProgress, RunView
from orchestra_nb.model.events import CellRunChanged, Event, LogsWritten, RunCreated, RunStateChanged
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine, Run, RunKind
from orchestra_nb.model.states import State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(run_id="r", name="calm-fox", flow_name="report", kind=RunKind.NOTEBOOK, state=State.RUNNING, created_at=NOW)


def cell(index: int, state: State, **fields: object) -> CellRunChanged:
    changed = CellRun(run_id="r", index=index, cell_id=str(index), state=state)
    return CellRunChanged(cell=msgspec.structs.replace(changed, **fields))


def said(message: str, level: int = logging.INFO, logger: str = "orchestra") -> LogsWritten:
    return LogsWritten(lines=(LogLine(run_id="r", at=NOW, message=message, level=level, logger=logger),))


@pytest.mark.parametrize(
    "first", [cell(0, State.RUNNING, attempt=2), cell(0, State.COMPLETED, is_cached=True)], ids=["run", "replayed"]
)
def test_cells_below_one_that_begins_wait_again_when_all_starts_over(first: CellRunChanged) -> None:
    view = RunView()
    failed = cell(1, State.FAILED, started_at=NOW, ended_at=NOW, error=ErrorInfo(type="NameError", message="x"))
    empty = cell(2, State.COMPLETED)
    events: list[Event] = [RunCreated(run=RUN), cell(0, State.COMPLETED, started_at=NOW), failed, empty]

    for event in (*events, first):
        view.take(event)

    assert [found.state for found in view.cells.values()] == [first.cell.state, State.PENDING, State.COMPLETED]
    assert view.cells[1].error is None


@pytest.mark.parametrize(
    ("epoch", "lines"),
    [(1, ["  · cell 2: RuntimeError: no; attempt 2 of 3 follows"]), (2, ["  · Starts over", "  · cell 2: "])],
    ids=["first time", "again"],
)
def test_lines_say_why_something_runs_again(epoch: int, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    run = msgspec.structs.replace(RUN, epoch=epoch)
    retries = said("cell 2: RuntimeError: no; attempt 2 of 3 follows", logging.WARNING)
    events = [
        said("Starts over"),
        said("chat", logging.WARNING, "user"),
        cell(0, State.RUNNING),
        said("ahead"),
        retries,
    ]

    for event in (RunCreated(run=run), *events):
        progress.take(event)

    title, *shown = capsys.readouterr().err.splitlines()
    assert title == "report · run calm-fox"
    assert len(shown) == len(lines)
    assert all(line.startswith(start) for line, start in zip(shown, lines, strict=True))


@pytest.mark.parametrize(
    ("asking", "goes_on"),
    [
        pytest.param(
            RunStateChanged(run_id="child", state=State.PAUSED, at=NOW, message="waits for Review: [say] it"),
            RunStateChanged(run_id="child", state=State.RUNNING, at=NOW),
            id="a run that it drives",
        ),
        pytest.param(
            RunStateChanged(run_id="r", state=State.RUNNING, at=NOW, message="waits for Review: [say] it"),
            RunStateChanged(run_id="r", state=State.RUNNING, at=NOW),
            id="a run that a server drives",
        ),
    ],
)
def test_a_question_of_a_flow_is_told_with_the_cell_that_waits_for_it(
    asking: RunStateChanged, goes_on: RunStateChanged, capsys: pytest.CaptureFixture[str]
) -> None:
    progress, view = LineProgress(), RunView()
    child = msgspec.structs.replace(RUN, run_id="child", name="ask-owl", kind=RunKind.FLOW, parent_run_id="r")
    events: list[Event] = [RunCreated(run=RUN), cell(3, State.RUNNING), RunCreated(run=child), asking]

    for event in events:
        progress.take(event)
        view.take(event)

    assert capsys.readouterr().err.splitlines()[1:] == ["  ⏸ cell 4 waits for Review: [say] it"]
    assert view.waiting_lines() == ["cell 4 waits for Review: [say] it"]
    progress.take(goes_on)
    view.take(goes_on)
    assert (view.waiting_lines(), capsys.readouterr().err) == ([], "")
