"""The progress of a run, shown from its first event on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_nb.cli.run_progress import Progress
    from orchestra_nb.model.events import Event


class LateProgress:
    """The progress display, loaded with the run's first event: the kernel is booting by then."""

    def __init__(self, is_shown: bool = True) -> None:
        self._is_shown = is_shown
        self._progress: Progress | None = None

    def take(self, event: Event) -> None:
        """Show an event."""
        if not self._is_shown:
            return
        if self._progress is None:
            from orchestra_nb.cli.run_progress import open_progress

            self._progress = open_progress()
        self._progress.take(event)

    def close(self) -> None:
        """Leave the last picture standing."""
        if self._progress is not None:
            self._progress.close()
