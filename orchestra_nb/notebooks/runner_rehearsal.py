"""Does once what every runner does, in the process that runners are forked from, so that they find it done.

Python makes much only when it is first wanted: regular expressions, codecs, traits and their classes, caches. What is
made here all forks share; otherwise each would make it while somebody waits for the first cell.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_options import cell_options
from orchestra_nb.notebooks.child_events import ChildEvents
from orchestra_nb.notebooks.execution_record import ExecutionRecord
from orchestra_nb.notebooks.long_messages import read_message
from orchestra_nb.notebooks.runner_messages import (
    Finished,
    FromRunner,
    Prepare,
    Reported,
    RunnerSpec,
    decode_to_runner,
    encode_message,
)

_KEY = "rehearsal"
_SOURCES = ("# Parameters\nalpha = 0", "import sys\n\nalpha + 1")


def rehearse() -> None:
    """Do it. Leaves no thread, no loop and no file behind."""
    with tempfile.TemporaryDirectory(prefix="orchestra-") as folder:
        asyncio.run(_rehearse(Path(folder)))


async def _rehearse(folder: Path) -> None:
    sent: list[bytes] = []

    def send(message: FromRunner) -> None:
        sent.append(encode_message(message))

    prepare = decode_to_runner(encode_message(Prepare(_spec(folder), "{}")))
    assert isinstance(prepare, Prepare)
    spec = prepare.spec
    children = ChildEvents(spec.run_id, lambda event: None, lambda *asked: None, lambda asked: None, lambda ended: None)
    await children.listen(spec.socket_path)
    record = ExecutionRecord(spec, lambda event: send(Reported(event)), lambda: None)
    record.prepare()
    for position in range(len(_SOURCES)):
        cell_options(_SOURCES[position])
        record.current = position
        record.begin_attempt(position, "")
        record.outputs.open_cell(position, f"{position}")
        for message in _messages(f"{position}"):
            record.take_message(message)
        record.write()
        record.end_text(position)
        record.change(position, State.COMPLETED, ended_at=datetime.now(UTC), execution_count=position)
    record.finish(datetime.now(UTC), State.COMPLETED, "", None)
    send(Finished(State.COMPLETED, "", datetime.now(UTC)))
    children.close()


def _messages(parent: str) -> list[dict[str, object]]:
    """Return what a cell shows, as it comes from a kernel."""
    from jupyter_client.manager import AsyncKernelManager

    manager = AsyncKernelManager(connection_file="")
    manager.load_connection_info({"key": _KEY, "signature_scheme": "hmac-sha256", "transport": "ipc", "ip": "k"})
    session = manager.session
    found = []
    for kind, content in (
        ("stream", {"name": "stdout", "text": "1\n"}),
        ("execute_result", {"data": {"text/plain": "1"}, "metadata": {}, "execution_count": 1}),
    ):
        message = session.msg(kind, content, parent={"msg_id": parent})
        read = read_message(session, [_Frame(part) for part in session.serialize(message)])
        assert read is not None
        found.append(dict(read))
    return found


class _Frame:
    """A part of a message, with the face of zmq's."""

    def __init__(self, content: bytes) -> None:
        self.bytes = content
        self.buffer = memoryview(content)

    def __len__(self) -> int:
        return len(self.bytes)


def _spec(folder: Path) -> RunnerSpec:
    cells = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {"tags": []}, "source": source}
        for number, source in enumerate(_SOURCES)
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    return RunnerSpec(
        run_id="rehearsal",
        run_name="rehearsal",
        flow_name="rehearsal",
        kernel_name="python3",
        cwd=str(folder),
        environ={},
        notebook_json=json.dumps(notebook),
        parameters_json="{}",
        input_path=str(folder / "in.ipynb"),
        output_path=str(folder / "out.ipynb"),
        socket_path=str(folder / "s"),
    )
