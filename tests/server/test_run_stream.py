"""The live stream: what another process writes is seen, nothing is missed, and a slow client costs nothing."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest
from example_runs import NOON, UPGRADE, run_of, task_of
from patience import PATIENCE_SECONDS
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.events import (
    CellRunChanged,
    LogsWritten,
    RunCreated,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.retention import Horizon
from orchestra_nb.model.runs import CellRun, LogLine, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_changes import MAX_BEHIND
from orchestra_nb.services.retention import Retention
from orchestra_nb.version import __version__

STREAM = ("orchestra", "api", "v1", "stream")

#: No test waits so long; a message that does not come is a failure, not a hang.


async def next_message(socket) -> dict:
    text = await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS)
    assert text is not None, "the server closed the stream"
    return json.loads(text)


async def until(socket, is_wanted) -> list[dict]:
    """Return the messages up to the first that is wanted."""
    messages = [await next_message(socket)]
    while not is_wanted(messages[-1]):
        messages.append(await next_message(socket))
    return messages


async def written(writer, *events) -> None:
    """Let the other process write, without stopping the server that shares this thread."""
    await asyncio.to_thread(writer.write, *events)


def task_change(task, state: State, **fields: object) -> TaskRunStateChanged:
    return TaskRunStateChanged(run_id=task.run_id, task_run_id=task.task_run_id, state=state, at=NOON, **fields)


async def test_the_first_message_says_from_where_the_stream_goes_on(jp_ws_fetch, calm_fox) -> None:
    socket = await jp_ws_fetch(*STREAM)

    hello = await next_message(socket)

    assert hello == {"sequence": 3, "hello": True, "version": __version__}
    socket.close()


class TestAnyStore:
    """What is seen does not depend on the kind of database."""

    @pytest.fixture
    def store_url(self, any_store_url: str) -> str:
        return any_store_url

    async def test_what_another_process_writes_is_seen(self, jp_ws_fetch, jp_serverapp, writer) -> None:
        run = run_of(1, kind=RunKind.INTERACTIVE)
        task = task_of(run, "load")
        socket = await jp_ws_fetch(*STREAM)
        await next_message(socket)

        await written(writer, RunCreated(run=run), TaskRunCreated(task_run=task))
        created = await next_message(socket)
        await written(writer, task_change(task, State.RUNNING, attempt=1, worker="w1"))
        running = await next_message(socket)
        await written(writer, LogsWritten(lines=(LogLine(run_id=run.run_id, at=NOON, message="hello"),)))
        logged = await next_message(socket)
        cell = CellRun(run_id=run.run_id, index=2, cell_id="abc", state=State.RUNNING)
        await written(writer, CellRunChanged(cell=cell))
        in_cell = await next_message(socket)

        assert [(record["name"], record["tasks"]["total"]) for record in created["runs"]] == [("calm-fox-1", 1)]
        assert [(record["name"], record["state"]) for record in created["tasks"]] == [("load", "PENDING")]
        (seen,) = running["tasks"]
        assert (seen["state"], seen["attempt"], seen["worker"], seen["expected_seconds"]) == ("RUNNING", 1, "w1", None)
        assert [record["run_id"] for record in running["runs"]] == [run.run_id]
        assert (logged["logs"], logged["tasks"]) == ([run.run_id], [])
        assert [(record["index"], record["cell_id"], record["state"]) for record in in_cell["cells"]] == [
            (2, "abc", "RUNNING")
        ]
        sequences = [message["sequence"] for message in (created, running, logged, in_cell)]
        assert sequences == sorted(set(sequences))
        socket.close()


async def test_a_client_that_comes_back_gets_what_it_missed(jp_ws_fetch, jp_serverapp, writer) -> None:
    run = run_of(1)
    task = task_of(run, "load")
    socket = await jp_ws_fetch(*STREAM)
    await next_message(socket)
    await written(writer, RunCreated(run=run), TaskRunCreated(task_run=task))
    known = (await next_message(socket))["sequence"]
    socket.close()

    await written(writer, task_change(task, State.RUNNING, attempt=1))
    await written(writer, task_change(task, State.COMPLETED, attempt=1))
    socket = await jp_ws_fetch(*STREAM, params={"since": known})
    hello, missed = await next_message(socket), await next_message(socket)
    await written(writer, RunStateChanged(run_id=run.run_id, state=State.RUNNING, at=NOON))
    live = await next_message(socket)

    assert (hello["sequence"], missed["sequence"]) == (known, known + 2)
    assert [record["state"] for record in missed["tasks"]] == ["COMPLETED"]
    assert (live["sequence"], live["runs"][0]["state"]) == (known + 3, "RUNNING")
    socket.close()


async def test_a_burst_of_changes_is_sent_as_few_messages_with_the_newest_records(
    jp_ws_fetch, jp_serverapp, writer
) -> None:
    run = run_of(1)
    tasks = [task_of(run, f"t{number:03}", task_run_id=f"{number:032x}") for number in range(300)]
    socket = await jp_ws_fetch(*STREAM)
    await next_message(socket)

    for start in range(0, 300, 10):
        batch = tasks[start : start + 10]
        created = [TaskRunCreated(task_run=task) for task in batch]
        first = [RunCreated(run=run)] if start == 0 else []
        await written(writer, *first, *created, *(task_change(task, State.RUNNING) for task in batch))
    messages = await until(socket, lambda message: message["sequence"] == 601)

    newest = {record["task_run_id"]: record["state"] for message in messages for record in message["tasks"]}
    assert newest == {task.task_run_id: "RUNNING" for task in tasks}
    assert messages[-1]["runs"][0]["tasks"] == {"total": 300, "done": 0, "failed": 0}
    assert len(messages) <= 30, "30 commits are not more than 30 messages"
    socket.close()


@pytest.mark.parametrize(
    "since", [pytest.param(0, id="too long ago"), pytest.param(10**9, id="in another store's future")]
)
async def test_a_client_that_lags_too_far_is_told_to_read_anew(jp_ws_fetch, jp_serverapp, store, since: int) -> None:
    run = run_of(1)
    tasks = [TaskRunCreated(task_run=task_of(run, f"t{n}", task_run_id=f"{n:032x}")) for n in range(MAX_BEHIND)]
    store.apply([RunCreated(run=run), *tasks])

    socket = await jp_ws_fetch(*STREAM, params={"since": since})
    messages = [await next_message(socket) for _ in range(2)]
    store.apply([RunStateChanged(run_id=run.run_id, state=State.RUNNING, at=NOON)])
    live = await next_message(socket)

    assert messages[1] == {
        "sequence": MAX_BEHIND + 1,
        "reset": True,
        "runs": [],
        "tasks": [],
        "cells": [],
        "logs": [],
        "artifacts": [],
        "inputs": [],
        "lists": [],
    }
    assert (live["sequence"], live["runs"][0]["state"]) == (MAX_BEHIND + 2, "RUNNING")
    socket.close()


async def test_a_client_is_told_to_read_anew_when_retention_has_deleted_what_it_shows(
    jp_ws_fetch, jp_serverapp, store, tmp_path
) -> None:
    store.apply([RunCreated(run=run_of(1, state=State.COMPLETED)), RunCreated(run=run_of(2))])
    socket = await jp_ws_fetch(*STREAM)
    hello = await next_message(socket)
    horizon = Horizon.of(datetime.now(UTC), runs_days=1, logs_days=1, results_days=1)

    cleaned = await asyncio.to_thread(lambda: list(Retention(store.database, horizon, tmp_path).clean(NOON)))
    message = (await until(socket, lambda message: message["reset"]))[-1]
    store.apply([RunStateChanged(run_id=run_of(2).run_id, state=State.RUNNING, at=NOON)])
    live = await next_message(socket)

    assert sum(one.runs for one in cleaned) == 1
    assert (message["sequence"], message["runs"]) == (hello["sequence"] + 1, [])
    assert (live["reset"], live["runs"][0]["state"]) == (False, "RUNNING")
    socket.close()


async def test_a_client_that_does_not_read_holds_up_no_other_and_later_gets_the_newest_in_few_messages(
    jp_ws_fetch, jp_serverapp, store
) -> None:
    slow = await jp_ws_fetch(*STREAM, max_message_size=1 << 30)
    quick = await jp_ws_fetch(*STREAM, max_message_size=1 << 30)
    await next_message(slow)
    await next_message(quick)

    for number in range(1, 31):
        # so large that a few fill the buffers of a socket that nobody reads
        store.apply([RunCreated(run=run_of(number, tags={"filling": "x" * 1_000_000}))])
        await until(quick, lambda message, number=number: message["sequence"] == number)
    messages = await until(slow, lambda message: message["sequence"] == 30)

    assert [int(run["run_id"], 16) for message in messages for run in reversed(message["runs"])] == list(range(1, 31))
    assert len(messages) < 30
    slow.close()
    quick.close()


async def test_nobody_watches_the_store_when_nobody_is_subscribed(jp_ws_fetch, jp_serverapp, calm_fox) -> None:
    def watchers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "orchestra-watch"]

    before = watchers()
    socket = await jp_ws_fetch(*STREAM)
    await next_message(socket)
    (during,) = watchers()
    socket.close()
    await asyncio.to_thread(during.join, PATIENCE_SECONDS)

    assert (before, watchers()) == ([], [])


async def test_stopping_the_server_ends_the_stream_and_every_thread(jp_ws_fetch, jp_serverapp, calm_fox) -> None:
    socket = await jp_ws_fetch(*STREAM)
    await next_message(socket)

    await jp_serverapp.extension_manager.extension_points["orchestra_nb"].app.stop_extension()

    assert await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS) is None
    assert socket.close_code == 1001
    socket.close()
    # threads of displays are those of kernels that other tests have made in this process
    names = {thread.name for thread in threading.enumerate()} - {"orchestra-displays"}
    assert [name for name in names if name.startswith("orchestra")] == []


@pytest.mark.parametrize("since", ["-1", "now", "1.5", "9" * 19, "١"])
async def test_a_bad_sequence_number_is_refused(jp_fetch, since: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(*STREAM, params={"since": since}, headers=dict(UPGRADE))

    assert refused.value.code == 422
