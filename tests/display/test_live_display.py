"""A display with a view in it changes only where nobody looks at the view."""

from __future__ import annotations

from collections.abc import Mapping

from orchestra_nb.live_display import Bundle, LiveDisplay
from orchestra_nb.run_display import RUN_MIME


class View:
    """A view that notes what it is shown."""

    def __init__(self) -> None:
        self.outputs: list[object] = []
        self.is_wanted = True
        self.is_closed = False
        self.is_lasting = False

    def update(self, output: Mapping[str, object]) -> None:
        self.outputs.append(output["number"])

    def bundle(self) -> Mapping[str, object]:
        return {"view": 1}

    def close(self) -> None:
        self.is_closed = True


class FrontEnd:
    """Notes what is displayed."""

    def __init__(self) -> None:
        self.shown: list[tuple[object, bool, bool]] = []

    def __call__(self, bundle: Bundle, display_id: str, *, update: bool) -> None:
        data = bundle[0]
        output = data[RUN_MIME]
        assert isinstance(output, dict)
        self.shown.append((output["number"], "view" in data, update))


def data(number: int, live: bool) -> dict[str, object]:
    return {RUN_MIME: {"number": number, "live": live}, "text/plain": str(number)}


def test_without_a_view_each_change_is_displayed() -> None:
    front_end = FrontEnd()
    display = LiveDisplay(front_end, "x")

    display.open(data(1, True))
    display.update(data(2, True))
    display.look()

    assert front_end.shown == [(1, False, False), (2, False, True)]


def test_the_display_around_a_view_changes_when_nothing_more_happens() -> None:
    front_end, view = FrontEnd(), View()
    display = LiveDisplay(front_end, "x", view)

    display.open(data(1, True))
    display.update(data(2, True))
    display.update(data(3, False))
    display.update(data(4, True))

    assert front_end.shown == [(1, True, False), (3, True, True)]
    assert view.outputs == [1, 2, 3, 4]


def test_static_data_stand_for_a_view_that_nobody_uses_any_more() -> None:
    front_end, view = FrontEnd(), View()
    display = LiveDisplay(front_end, "x", view)
    display.open(data(1, True))
    view.is_wanted = False
    display.look()
    assert display.has_view  # it is live
    view.is_wanted = True
    display.update(data(2, False))
    display.look()
    assert display.has_view

    view.is_wanted = False
    display.look()
    display.update(data(3, False))

    assert (display.has_view, view.is_closed) == (False, True)
    assert front_end.shown == [(1, True, False), (2, True, True), (2, False, True), (3, False, True)]


def test_the_last_data_of_a_task_stand_for_themselves() -> None:
    front_end, view = FrontEnd(), View()
    display = LiveDisplay(front_end, "x", view)
    display.open(data(1, True))

    display.end(data(2, False))

    assert (front_end.shown[-1], view.is_closed) == ((2, False, True), True)


def test_a_view_whose_front_end_shows_no_changes_of_displays_stays() -> None:
    front_end, view = FrontEnd(), View()
    view.is_lasting, view.is_wanted = True, False
    display = LiveDisplay(front_end, "x", view)
    display.open(data(1, True))

    display.end(data(2, False))
    display.look()

    assert (view.outputs, view.is_closed, display.has_view) == ([1, 2], False, True)
