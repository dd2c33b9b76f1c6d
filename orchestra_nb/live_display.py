"""One display that is kept up to date, in a front end with our renderer or with a widget in its place.

Where there is a widget the display itself changes only when nothing more happens for now: front ends draw a widget anew
with each change of the display that holds it, and what somebody looks at would be gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from orchestra_nb.run_display import RUN_MIME

Bundle = tuple[Mapping[str, object], Mapping[str, object]]


class Publish(Protocol):
    """Sends a display, or an update of one, to the front end; may be called from any thread."""

    def __call__(self, bundle: Bundle, display_id: str, *, update: bool) -> None:
        """Send this display."""


class LiveView(Protocol):
    """What shows a run or a task in front ends without our extension."""

    def update(self, output: Mapping[str, object]) -> None:
        """Show this content of our MIME type."""

    def bundle(self) -> Mapping[str, object]:
        """Return what to add to the display's data while the view is there."""

    @property
    def is_wanted(self) -> bool:
        """Whether somebody may still use it, although nothing happens any more."""

    @property
    def is_lasting(self) -> bool:
        """Whether nothing can take its place, because the front end does not follow changes of displays."""

    def close(self) -> None:
        """Take it away: the static display stands for itself from now on. May be called again."""


class OutputsView(Protocol):
    """What shows a task's outputs in front ends that do not follow changes of displays."""

    def update(self, outputs: Sequence[Mapping[str, object]]) -> None:
        """Show these, as the notebook format has them."""

    def bundle(self) -> Mapping[str, object]:
        """Return what to add to the display's data."""

    def close(self) -> None:
        """Take it away, with what it shows."""


class LiveDisplay:
    """A display of a task or a run. Not thread-safe.

    Parameters
    ----------
    view
        None where the front end has our renderer, or shows text only.
    """

    def __init__(self, publish: Publish, display_id: str, view: LiveView | None = None) -> None:
        self.display_id = display_id
        self._publish = publish
        self._view = view
        #: what the display itself shows
        self._shown: Mapping[str, object] = {}

    @property
    def has_view(self) -> bool:
        """Whether a view stands in it."""
        return self._view is not None

    def open(self, bundle: Mapping[str, object]) -> None:
        """Show it under the cell that is running now."""
        self._send(bundle, update=False)

    def replace(self, bundle: Mapping[str, object]) -> None:
        """Show it where another display of this id stands."""
        self._send(bundle, update=True)

    def update(self, bundle: Mapping[str, object]) -> None:
        """Show newer data."""
        if self._view is None or not _is_live(bundle):
            self._send(bundle, update=True)
        else:
            self._view.update(_output(bundle))

    def look(self) -> None:
        """Let static data stand for a view that nobody uses any more."""
        view = self._view
        if view is not None and not (_is_live(self._shown) or view.is_wanted or view.is_lasting):
            self.close()

    def close(self) -> None:
        """Let the static data stand for itself, from now on."""
        if self._view is not None:
            self.end(self._shown)

    def end(self, bundle: Mapping[str, object]) -> None:
        """Show the last data, which stand for themselves from now on."""
        if self._view is not None and self._view.is_lasting:
            self._send(bundle, update=True)
            return
        view, self._view = self._view, None
        self._send(bundle, update=True)
        if view is not None:
            view.close()

    def _send(self, bundle: Mapping[str, object], *, update: bool) -> None:
        self._shown = bundle
        if self._view is not None:
            self._view.update(_output(bundle))
            bundle = {**bundle, **self._view.bundle()}
        self._publish((bundle, {}), self.display_id, update=update)


def _output(bundle: Mapping[str, object]) -> Mapping[str, Any]:
    output = bundle.get(RUN_MIME)
    return output if isinstance(output, Mapping) else {}


def _is_live(bundle: Mapping[str, object]) -> bool:
    return bool(_output(bundle).get("live"))
