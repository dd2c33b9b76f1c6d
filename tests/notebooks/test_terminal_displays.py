"""What a terminal prints of the displays of tasks."""

from __future__ import annotations

import pytest

from orchestra_nb.run_display import RUN_MIME
from orchestra_nb.terminal_displays import TerminalDisplays

LINE, OUTPUTS = "orchestra-7", "orchestra-7-outputs"


def line(text: str, *, live: bool) -> dict[str, object]:
    return {RUN_MIME: {"view": "task", "task": {"name": "load"}, "live": live}, "text/plain": text}


def test_a_line_that_was_begun_before_its_display_is_printed_once_when_it_is_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    displays = TerminalDisplays()

    displays.publish(line("▶ load  Running", live=True), LINE, update=False)
    displays.publish({"text/plain": "row"}, OUTPUTS, update=False)
    displays.publish({"text/plain": "row 0\nrow 1"}, OUTPUTS, update=True)
    displays.publish(line("✓ load  Completed", live=False), LINE, update=True)

    printed = ["▶ load  Running", "load: row 0", "load: row 1", "✓ load  Completed"]
    assert capsys.readouterr().out.splitlines() == printed


def test_a_task_that_is_shown_again_is_printed_again_with_what_it_showed(capsys: pytest.CaptureFixture[str]) -> None:
    displays = TerminalDisplays()
    displays.publish(line("○ load  Pending", live=True), LINE, update=False)
    displays.publish({}, OUTPUTS, update=False)
    displays.publish({"text/plain": "row 0"}, OUTPUTS, update=True)
    displays.publish(line("✓ load  Completed", live=False), LINE, update=True)
    capsys.readouterr()

    displays.publish(line("✓ load  Completed", live=False), LINE, update=False)
    displays.publish({"text/plain": "row 0"}, OUTPUTS, update=False)

    assert capsys.readouterr().out.splitlines() == ["✓ load  Completed", "row 0"]
