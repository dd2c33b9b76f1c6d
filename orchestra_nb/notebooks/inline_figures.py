"""matplotlib in a task cell: figures are shown as in a notebook, and the style of one cell does not reach the next.

matplotlib is never imported here; what is done waits until a cell has imported it.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

_BACKEND = "module://matplotlib_inline.backend_inline"
#: What drawing into the notebook needs: not taken back, but set again.
_KEPT = ("backend", "interactive")


class InlineFigures:
    """Figures of one cell."""

    def prepare(self) -> None:
        """See to it that figures are drawn without a screen; call it when the cell's environment is set."""
        os.environ.setdefault("MPLBACKEND", _BACKEND)
        matplotlib: Any = sys.modules.get("matplotlib")
        self._settings = None if matplotlib is None else dict.copy(matplotlib.rcParams)

    def show_open(self) -> None:
        """Show the figures that the cell has drawn and not shown."""
        backend: Any = sys.modules.get("matplotlib_inline.backend_inline")
        if backend is not None and sys.modules.get("matplotlib.pyplot") is not None:
            backend.flush_figures()

    def restore(self) -> None:
        """Close all figures and put matplotlib's settings back. May be called twice."""
        matplotlib: Any = sys.modules.get("matplotlib")
        if matplotlib is None or not hasattr(matplotlib, "rcParams"):
            return
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None and pyplot.get_fignums():
            pyplot.close("all")
        before = self._settings if self._settings is not None else dict.copy(matplotlib.rcParamsOrig)
        settings = matplotlib.rcParams
        changed = {key: value for key, value in before.items() if key not in _KEPT and dict.get(settings, key) != value}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # settings on their way out warn when they are set
            settings.update(changed)
            if pyplot is not None and dict.get(settings, "backend") != _BACKEND:
                pyplot.switch_backend(_BACKEND)
            if pyplot is not None:
                matplotlib.interactive(True)
