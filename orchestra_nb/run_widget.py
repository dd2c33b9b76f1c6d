"""The live line of a task as an anywidget, for front ends that have widgets but not our extension (VS Code, Colab).

The widget's drawing code is the extension's own, in a bundle of its own. A view lives only as long as its task: it is
closed at the end, and the display's static HTML stands for it from then on, so no widget state is left in the notebook.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE
from orchestra_nb.run_display import RUN_MIME, task_bundle

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from orchestra_nb.model.runs import TaskRun

VIEW_MIME: Final = "application/vnd.jupyter.widget-view+json"

#: Written by the build of the extension; absent in a checkout that was not built.
BUNDLE: Final = Path(__file__).parent / "static" / "widget.js"


def needs_widget(shell: InteractiveShell) -> bool:
    """Tell whether the front end of this kernel is one that shows widgets and has no renderer for our type.

    Kernels do not know their front end; VS Code and Colab leave marks, a Jupyter server its session's name, and our
    server extension says that the front end has ours. A headless run needs none. Cost: microseconds.
    """
    is_vs_code = "__vsc_ipynb_file__" in shell.user_ns or "VSCODE_PID" in os.environ
    is_plain_jupyter = "JPY_SESSION_NAME" in os.environ and "ORCHESTRA_LABEXTENSION" not in os.environ
    return (
        (is_vs_code or is_plain_jupyter or "google.colab" in sys.modules)
        and RUN_ID_VARIABLE not in os.environ
        and BUNDLE.exists()
        and importlib.util.find_spec("anywidget") is not None
    )


class WidgetView:
    """The view of one live task. ``update`` may be called from any thread."""

    def __init__(self) -> None:
        self._widget = _widget_class()()

    def update(self, task: TaskRun, cluster: str) -> None:
        """Show this."""
        self._widget.output = task_bundle(task, cluster)[RUN_MIME]

    def bundle(self) -> Mapping[str, object]:
        """Return what to add to the display's data while the task is live."""
        return {VIEW_MIME: {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}}

    def close(self) -> None:
        """Take the widget and its state away. May be called again."""
        self._widget.close()
        self._widget.layout.close()  # a widget of its own, with a state of its own


@cache
def _widget_class() -> Any:
    """Return the widget's class; anywidget costs about 0.1 s, so only who needs a widget pays for it."""
    import anywidget
    import traitlets

    class RunWidget(anywidget.AnyWidget):
        """Draws ``output``, the content of our MIME type."""

        _esm = BUNDLE.read_text(encoding="utf-8")
        output = traitlets.Dict().tag(sync=True)

    return cast(Any, RunWidget)
