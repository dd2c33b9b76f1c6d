"""A task's line or a run as an anywidget, for front ends with widgets but without our extension: VS Code, Colab, Voilà.

The widget's drawing code is the extension's own, in a bundle of its own. It asks by messages for log lines, results or
a cancel, which are answered in a thread of their own: also while a cell runs, where the kernel lets us hear of them.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

import msgspec

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE
from orchestra_nb.errors import OrchestraError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

VIEW_MIME: Final = "application/vnd.jupyter.widget-view+json"

#: Written by the build of the extension; absent in a checkout that was not built.
BUNDLE: Final = Path(__file__).parent / "static" / "widget.js"

#: So long after its last use the widget of what has ended may go. A notebook that is saved while it is there has it
#: beside the static HTML, and JupyterLab does not fall back to that when the kernel is gone.
UNUSED_SECONDS: Final = 300.0

#: So often a widget hears that its kernel is alive, while something is live; ``widget/kernelCalls.ts`` knows it, too.
_ALIVE_SECONDS = 10.0
#: So many questions of one widget are remembered, lest one that comes by two ways is answered twice.
_REMEMBERED = 500
#: The key of our messages among others that anywidget may send.
_KEY = "orchestra"

#: Answers a question of a widget; called in a thread of its own.
Answer = Callable[[Mapping[str, Any]], object]

_log = logging.getLogger(__name__)


def needs_widget(shell: InteractiveShell) -> bool:
    """Tell whether the front end of this kernel is one that shows widgets and has no renderer for our type.

    Kernels do not know their front end; VS Code, Colab and Voilà leave marks, a Jupyter server its session's name, and
    our server extension says that the front end has ours. A headless run needs none. Cost: microseconds.
    """
    is_vs_code = "__vsc_ipynb_file__" in shell.user_ns or "VSCODE_PID" in os.environ
    is_plain_jupyter = "JPY_SESSION_NAME" in os.environ and "ORCHESTRA_LABEXTENSION" not in os.environ
    return (
        (is_vs_code or is_voila() or is_plain_jupyter or "google.colab" in sys.modules)
        and RUN_ID_VARIABLE not in os.environ
        and BUNDLE.exists()
        and importlib.util.find_spec("anywidget") is not None
    )


def is_voila() -> bool:
    """Tell whether this is a kernel of Voilà, which shows a notebook to readers who type nothing."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


class WidgetView:
    """One widget; a :class:`~orchestra_nb.live_display.LiveView`. ``update`` may be called from any thread.

    Parameters
    ----------
    answer
        Answers what the widget asks. What it raises is shown there: the message of an :class:`OrchestraError`, or that
        of any other error with its type.
    """

    def __init__(self, answer: Answer) -> None:
        self._widget = _widget_class()(key=secrets.token_hex(8))
        self._answer = answer
        self._used_at = time.monotonic()
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._hearing = threading.Lock()
        self.is_closed = False
        self._widget.on_msg(lambda _, content, buffers: self.hear(content))
        self._hear_at_once()
        _messages().add(self)

    def update(self, output: Mapping[str, object]) -> None:
        """Show this."""
        if self._widget.output.get("live") and not output.get("live"):
            self._used_at = time.monotonic()
        self._widget.output = dict(output)

    def bundle(self) -> Mapping[str, object]:
        """Return what to add to the display's data while the widget is there."""
        return _view_bundle(self._widget.model_id)

    @property
    def is_live(self) -> bool:
        """Whether something may still happen to what it shows."""
        return bool(self._widget.output.get("live"))

    @property
    def is_wanted(self) -> bool:
        """Whether somebody may still use it, although nothing happens any more."""
        return time.monotonic() - self._used_at < UNUSED_SECONDS

    @property
    def is_lasting(self) -> bool:
        """Whether nothing can take its place: Voilà shows displays as they were when the page was made."""
        return is_voila()

    def close(self) -> None:
        """Take the widget and its state away. May be called again."""
        self.is_closed = True
        self._widget.close()
        self._widget.layout.close()  # a widget of its own, with a state of its own

    def hear(self, content: object) -> None:
        """Take a message of the widget; in any thread, and returns at once."""
        if not isinstance(content, Mapping) or content.get(_KEY) != "ask" or not isinstance(content.get("id"), str):
            return
        with self._hearing:
            if content["id"] in self._heard:
                return
            self._heard[content["id"]] = None
            if len(self._heard) > _REMEMBERED:
                self._heard.popitem(last=False)
        self._used_at = time.monotonic()
        _messages().put(self, content)

    def answer(self, content: Mapping[str, Any]) -> None:
        """Answer a question, or say why it cannot be answered."""
        said: dict[str, object] = {_KEY: "answer", "id": content["id"]}
        try:
            # as JSON has it: records as objects, times as texts, no NaN
            answer = self._widget.output if content.get("ask") == "output" else self._answer(content)
            said["answer"] = msgspec.json.decode(msgspec.json.encode(answer))
        except OrchestraError as error:
            said["error"] = str(error)
        except Exception as error:
            _log.exception("A question of a widget could not be answered: %s", content.get("ask"))
            said["error"] = f"{type(error).__name__}: {error}"
        self._send(said)

    def tell_alive(self) -> None:
        """Say that the kernel is there."""
        self._send({_KEY: "alive"})

    def _send(self, content: Mapping[str, object]) -> None:
        if not self.is_closed:
            self._widget.send(content)

    def _hear_at_once(self) -> None:
        """Hear of messages where the kernel sorts them, in a thread that no cell blocks; ipykernel has that since 7.4.

        Elsewhere they are heard when the running cell has ended.
        """
        comm = self._widget.comm
        route = getattr(comm, "_reply_subshell_for", None)
        if route is None:
            return

        def hear(data: object, default: object) -> object:
            if isinstance(data, Mapping) and data.get("method") == "custom":
                self.hear(data.get("content"))
            return route(data, default)

        comm._reply_subshell_for = hear


class OutputsWidget:
    """What a task showed, as a widget; a :class:`~orchestra_nb.live_display.OutputsView`. For any thread."""

    def __init__(self) -> None:
        import ipywidgets

        self._widget = ipywidgets.Output()

    def update(self, outputs: Sequence[Mapping[str, object]]) -> None:
        """Show these."""
        self._widget.outputs = tuple(dict(output) for output in outputs)

    def bundle(self) -> Mapping[str, object]:
        """Return what to add to the display's data."""
        return _view_bundle(self._widget.model_id)

    def close(self) -> None:
        """Take the widget and its outputs away."""
        self._widget.close()
        self._widget.layout.close()  # a widget of its own, with a state of its own


class _Messages:
    """The thread that answers widgets, one question after another, and tells those that are live that it is there."""

    def __init__(self) -> None:
        self._views: WeakSet[WidgetView] = WeakSet()
        self._queue: queue.SimpleQueue[tuple[WidgetView, Mapping[str, Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, view: WidgetView) -> None:
        with self._lock:
            self._views.add(view)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="orchestra-widgets", daemon=True)
                self._thread.start()

    def put(self, view: WidgetView, content: Mapping[str, Any]) -> None:
        self._queue.put((view, content))

    def _run(self) -> None:
        try:
            self._answer_and_tell()
        finally:  # whatever ends it: the next widget has a thread again
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _answer_and_tell(self) -> None:
        """Return when there is no widget any more."""
        told_at = time.monotonic()
        while True:
            left = told_at + _ALIVE_SECONDS - time.monotonic()
            try:
                view, content = self._queue.get(timeout=max(0.0, left))
            except queue.Empty:
                told_at = time.monotonic()
            else:
                _try_to_send(partial(view.answer, content))
                continue
            views = self._open_views()
            if not views:
                return
            for view in views:
                if view.is_live:
                    _try_to_send(view.tell_alive)

    def _open_views(self) -> list[WidgetView]:
        """Return the widgets that are there; where there are none, the thread is no longer the one that answers."""
        with self._lock:
            views = [view for view in self._views if not view.is_closed]
            if not views:
                self._thread = None
            return views


def _view_bundle(model_id: str) -> Mapping[str, object]:
    return {VIEW_MIME: {"version_major": 2, "version_minor": 0, "model_id": model_id}}


def _try_to_send(send: Callable[[], None]) -> None:
    try:
        send()
    except Exception:  # its channel to the front end is closed: the kernel ends, or only this widget does
        _log.debug("A widget could not be reached.", exc_info=True)


@cache
def _messages() -> _Messages:
    return _Messages()


@cache
def _widget_class() -> Any:
    """Return the widget's class; anywidget costs about 0.1 s, so only who needs a widget pays for it."""
    import anywidget
    import traitlets

    class RunWidget(anywidget.AnyWidget):
        """Draws ``output``, the content of our MIME type."""

        _esm = BUNDLE.read_text(encoding="utf-8")
        output = traitlets.Dict().tag(sync=True)
        #: by it a page knows a widget again that it draws anew
        key = traitlets.Unicode().tag(sync=True)

    return cast(Any, RunWidget)
