"""The views under task cells in a front end in which nothing can take their place: they go with the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from orchestra_nb.cell_display import CellDisplays
from orchestra_nb.live_display import Bundle
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRINTED = {"output_type": "stream", "name": "stdout", "text": "x\n"}


class View:
    """A view of either kind."""

    is_wanted = False
    is_lasting = True

    def __init__(self) -> None:
        self.is_closed = False
        self.shown: Sequence[object] | Mapping[str, object] = ()

    def update(self, shown: Sequence[object] | Mapping[str, object]) -> None:
        assert not self.is_closed
        self.shown = shown

    def bundle(self) -> Mapping[str, object]:
        return {}

    def close(self) -> None:
        self.is_closed = True


class Kernel:
    """The displays of a kernel, and the views that they made."""

    def __init__(self) -> None:
        self.lines: list[View] = []
        self.outputs: list[View] = []
        self.displays = CellDisplays(
            self._publish, make_view=lambda: made(self.lines), make_outputs_view=lambda: made(self.outputs)
        )

    def _publish(self, bundle: Bundle, display_id: str, *, update: bool) -> None:
        pass

    def begin(self, task_run_id: str, name: str = "load", in_place_of: str | None = None) -> TaskRun:
        task = TaskRun(task_run_id=task_run_id, run_id="run", name=name, state=State.RUNNING, created_at=NOON)
        self.displays.open(task, in_place_of)
        self.displays.task_showed(task_run_id, [PRINTED])
        self.displays.flush(1)
        return task

    def end(self, task: TaskRun) -> None:
        self.displays.task_ended(msgspec.structs.replace(task, state=State.COMPLETED, ended_at=NOON), None)
        self.displays.flush(1)

    def closed(self) -> list[tuple[bool, bool]]:
        """Return of each place whether its line, and what its task showed, was closed."""
        self.displays.flush(1)
        return [(line.is_closed, shown.is_closed) for line, shown in zip(self.lines, self.outputs, strict=True)]


def made(views: list[View]) -> View:
    views.append(View())
    return views[-1]


def test_what_a_cell_showed_goes_when_it_is_run_again() -> None:
    kernel = Kernel()
    for number in range(3):
        kernel.end(kernel.begin(f"load-{number}"))
    kernel.end(kernel.begin("fit", name="fit"))

    assert kernel.closed() == [(True, True), (True, True), (False, False), (False, False)]
    assert list(kernel.outputs[2].shown) == [PRINTED]


def test_a_retry_has_the_views_of_the_run_before_and_both_go_together() -> None:
    kernel = Kernel()
    kernel.end(kernel.begin("first"))
    kernel.end(kernel.begin("retry", in_place_of="first"))

    assert kernel.closed() == [(False, False)]
    kernel.begin("again")
    assert kernel.closed() == [(True, True), (False, False)]


def test_views_of_a_run_that_goes_on_stay_until_it_has_ended() -> None:
    kernel = Kernel()
    slow = kernel.begin("slow")
    kernel.begin("again")

    assert kernel.closed() == [(False, False), (False, False)]
    kernel.end(slow)
    assert kernel.closed() == [(True, True), (False, False)]
