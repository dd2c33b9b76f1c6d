"""The progress of a run, shown from its first event on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestra_nb.model.events import Event


class ProgressDisplay(Protocol):
    """What shows events of a run."""

    def take(self, event: Event) -> None:
        """Show an event."""

    def close(self) -> None:
        """Leave the terminal, with the last picture standing."""


def _open_run_progress() -> ProgressDisplay:
    from orchestra_nb.cli.run_progress import open_progress

    return open_progress()


class LateProgress:
    """A progress display that is opened with the first event: the kernel is booting by then, and nothing was refused.

    Parameters
    ----------
    open_display
        Called once; by default it loads what shows one run.
    is_shown
        False for no display at all.
    """

    def __init__(
        self, open_display: Callable[[], ProgressDisplay] = _open_run_progress, *, is_shown: bool = True
    ) -> None:
        self._open_display = open_display
        self._is_shown = is_shown
        self._display: ProgressDisplay | None = None

    def take(self, event: Event) -> None:
        """Show an event."""
        if not self._is_shown:
            return
        if self._display is None:
            self._display = self._open_display()
        self._display.take(event)

    def close(self) -> None:
        """Leave the last picture standing."""
        if self._display is not None:
            self._display.close()
