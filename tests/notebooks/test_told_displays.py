"""What a log gets of the displays of tasks: each line once, and how the task ended."""

from __future__ import annotations

from orchestra_nb.notebooks.told_displays import ToldDisplays

LINE, OUTPUTS = "orchestra-7", "orchestra-7-outputs"
RUN_MIME = "application/vnd.orchestra.run.v1+json"


def line(text: str, *, live: bool) -> dict[str, object]:
    return {RUN_MIME: {"view": "task", "task": {"name": "load"}, "live": live}, "text/plain": text}


def test_a_task_tells_its_whole_lines_as_they_come_and_then_its_end_once() -> None:
    told = ToldDisplays()

    said = [
        told.shown(LINE, line("○ load  Pending", live=True)),
        told.shown(OUTPUTS, {}),
        told.changed(LINE, line("▶ load  Running", live=True)),
        told.changed(OUTPUTS, {"text/plain": "row 0\nro"}),
        told.changed(OUTPUTS, {"text/plain": "row 0\nrow 1\n[0, 1]"}),
        told.changed(LINE, line("✓ load  Completed", live=False)),
        told.changed(LINE, line("✓ load  Completed", live=False)),
    ]

    assert said == ["", "", "", "load: row 0", "load: row 1", "load: [0, 1]\n✓ load  Completed", ""]


def test_what_comes_after_the_end_is_told_too() -> None:
    told = ToldDisplays()
    told.shown(LINE, line("✓ load  Completed", live=False))

    assert told.shown(OUTPUTS, {"text/plain": "late"}) == "load: late"


def test_what_was_cleared_and_shown_anew_is_told_anew() -> None:
    told = ToldDisplays()
    told.shown(LINE, line("○", live=True))
    told.changed(OUTPUTS, {"text/plain": "50 %\n"})

    assert told.changed(OUTPUTS, {"text/plain": "100 %\n"}) == "load: 100 %"


def test_displays_of_the_users_are_told_when_they_come_and_not_when_they_change() -> None:
    told = ToldDisplays()

    assert told.shown(None, {"text/plain": "a", "text/html": "<b>a</b>"}) == "a"
    assert told.shown("bar", {"text/plain": "0 %"}) == "0 %"
    assert told.changed("bar", {"text/plain": "50 %"}) == ""
    assert told.shown(None, {"image/png": "…"}) == ""
