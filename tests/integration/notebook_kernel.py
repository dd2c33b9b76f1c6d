"""A real kernel, driven as a notebook front end drives it: cells with ids, displays followed after their cell."""

from __future__ import annotations

import os
import queue
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from jupyter_client.manager import KernelManager
from patience import PATIENCE_SECONDS

RUN_MIME = "application/vnd.orchestra.run.v1+json"


@dataclass
class Cell:
    """A cell that was run: how it ended, and what stands under it now (displays are updated later, too)."""

    kernel: NotebookKernel
    message_id: str
    reply: dict[str, Any] = field(default_factory=dict)
    is_idle: bool = False
    streams: dict[str, str] = field(default_factory=dict)
    #: the text of each message of a stream, as (name, text)
    pieces: list[tuple[str, str]] = field(default_factory=list)
    displays: list[str] = field(default_factory=list)
    plain: list[dict[str, Any]] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether the kernel has answered and said all that it said while the cell ran."""
        return bool(self.reply) and self.is_idle

    @property
    def error(self) -> str | None:
        """``"ValueError: no"``, or None."""
        if self.reply.get("status") != "error":
            return None
        return f"{self.reply['ename']}: {self.reply['evalue']}"

    @property
    def traceback(self) -> str:
        """What a front end shows of the error, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(self.reply.get("traceback", ())))

    @property
    def output(self) -> str:
        """What the cell itself printed."""
        return self.streams.get("stdout", "")

    @property
    def task(self) -> dict[str, Any]:
        """The newest data of the task line under the cell."""
        for display_id in self.displays:
            data = self.kernel.displays[display_id].get(RUN_MIME)
            if data is not None and data["view"] == "task":
                task: dict[str, Any] = data["task"]
                return task
        raise AssertionError(f"no task line under this cell: {self.displays}")

    @property
    def shown(self) -> dict[str, Any]:
        """The newest data of what the task showed."""
        for display_id in self.displays:
            if display_id.endswith("-outputs"):
                return self.kernel.displays[display_id]
        raise AssertionError("no place for outputs under this cell")

    def wait_for(self, *states: str) -> dict[str, Any]:
        """Wait until the task line shows one of these states, and what it showed has come."""
        self.kernel.wait_until(lambda: self.task["state"] in states)
        return self.task

    def wait_for_output(self, fragment: str) -> dict[str, Any]:
        """Wait until what the task showed holds this text."""
        self.kernel.wait_until(lambda: fragment in str(self.shown))
        return self.shown


class NotebookKernel:
    """A kernel with a notebook's manners, as a context manager."""

    def __init__(self, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._environ = {**os.environ, "JPY_SESSION_NAME": str(folder / "work.ipynb"), **(environ or {})}
        self._environ.setdefault("ORCHESTRA_LABEXTENSION", "1")
        self.displays: dict[str, dict[str, Any]] = {}
        self.cells: dict[str, Cell] = {}
        #: the state of each open widget, by its comm's id
        self.widgets: dict[str, dict[str, Any]] = {}
        #: what open widgets sent beside their state, by their comm's id
        self.widget_messages: dict[str, list[dict[str, Any]]] = {}
        #: whether something was waited for in vain: later waits then fail at once, lest each takes all its patience
        self.is_lost = False

    def __enter__(self) -> NotebookKernel:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=self._environ, cwd=str(self.folder))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE_SECONDS)
        loaded = self.run("%load_ext orchestra_nb")
        assert loaded.error is None, loaded.reply["traceback"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel()

    @property
    def pid(self) -> int:
        """The kernel's process."""
        pid = self.manager.provisioner.pid
        assert pid is not None
        return pid

    def start(self, code: str, cell_id: str | None = None) -> Cell:
        """Send a cell and return at once."""
        message = self.client.session.msg(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
            metadata={"cellId": cell_id} if cell_id else {},
        )
        self.client.shell_channel.send(message)
        cell = self.cells[message["header"]["msg_id"]] = Cell(self, message["header"]["msg_id"])
        return cell

    def run(self, code: str, cell_id: str | None = None) -> Cell:
        """Run a cell to its end; the tasks that it submitted go on."""
        cell = self.start(code, cell_id)
        self.wait_until(lambda: cell.has_ended)
        return cell

    def widget(self, **state: object) -> str | None:
        """Return the id of the open widget that has these values in its state; None where there is none."""
        return next(
            (key for key, have in self.widgets.items() if all(have.get(name) == state[name] for name in state)), None
        )

    def wait_for_widget(self, **state: object) -> str:
        """Wait for a widget with these values in its state, and return its id."""
        self.wait_until(lambda: self.widget(**state) is not None)
        found = self.widget(**state)
        assert found is not None
        return found

    def use_widget(self, widget: str, **state: object) -> None:
        """Do what a front end does when somebody uses a widget: set parts of its state, or without any, click it."""
        data: dict[str, Any] = {"method": "custom", "content": {"event": "click"}}
        if state:
            data = {"method": "update", "state": state, "buffer_paths": []}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": widget, "data": data}))

    def ask_by_widget(self, widget: str, ask: str, **fields: object) -> dict[str, Any]:
        """Ask the kernel what the widget of a run asks it, and return its message with the answer."""
        question = {"orchestra": "ask", "id": secrets.token_hex(4), "ask": ask, **fields}
        data = {"method": "custom", "content": question}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": widget, "data": data}))

        def answers() -> list[dict[str, Any]]:
            return [one for one in self.widget_messages.get(widget, ()) if one.get("id") == question["id"]]

        self.wait_until(lambda: bool(answers()))
        (answer,) = answers()
        return answer

    def value(self, expression: str) -> str:
        """Return the ``repr`` of an expression, evaluated in a cell."""
        cell = self.run(f"print(repr(({expression})))")
        assert cell.error is None, "\n".join(cell.reply["traceback"])
        return cell.output.strip()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Take messages until the condition holds."""
        assert not self.is_lost, "a wait in vain before has left this kernel useless"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            self._take_messages()
            self.is_lost = time.monotonic() >= deadline
            assert not self.is_lost, f"waited in vain; displays: {self.displays}"

    def _take_messages(self) -> None:
        """Take the messages that have come, waiting a little for the first."""
        for take, seconds in ((self.client.get_iopub_msg, 0.02), (self.client.get_shell_msg, 0)):
            while True:
                try:
                    message = take(timeout=seconds)
                except queue.Empty:
                    break
                seconds = 0
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        cell = self.cells.get(message["parent_header"].get("msg_id", ""))
        display_id = content.get("transient", {}).get("display_id") if isinstance(content, dict) else None
        if message["msg_type"] == "update_display_data":
            self.displays[display_id] = content["data"]
        elif message["msg_type"].startswith("comm_"):
            self._take_comm(message["msg_type"], content)
        elif cell is None:
            return
        elif message["msg_type"] == "execute_reply":
            cell.reply = content
        elif message["msg_type"] == "status":
            cell.is_idle = content["execution_state"] == "idle"
        elif message["msg_type"] == "display_data" and display_id is not None:
            self.displays[display_id] = content["data"]
            cell.displays.append(display_id)
        elif message["msg_type"] in ("display_data", "execute_result"):
            cell.plain.append(content["data"])
        elif message["msg_type"] == "stream":
            cell.pieces.append((content["name"], content["text"]))
            cell.streams[content["name"]] = cell.streams.get(content["name"], "") + content["text"]

    def _take_comm(self, kind: str, content: dict[str, Any]) -> None:
        key, data = content["comm_id"], content.get("data", {})
        if kind == "comm_open" and content["target_name"] == "jupyter.widget":
            self.widgets[key] = dict(data["state"])
        elif kind == "comm_msg" and data.get("method") in ("update", "echo_update") and key in self.widgets:
            self.widgets[key].update(data["state"])
        elif kind == "comm_msg" and data.get("method") == "custom":
            self.widget_messages.setdefault(key, []).append(data["content"])
        elif kind == "comm_close":
            self.widgets.pop(key, None)


def without_colours(text: str) -> str:
    """Return text without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
