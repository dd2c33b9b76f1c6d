"""The stream of one view: only what a page shows, replayed after a lost connection, and little for who reads slowly."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from example_runs import NOON, UPGRADE, run_of, task_of
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.events import (
    CellRunChanged,
    LogsWritten,
    RunCreated,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.runs import CellRun, LogLine, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.stream_views import StreamView
from orchestra_nb.operations.run_changes import MAX_BEHIND, changes_since, last_sequence
from tests.patience import PATIENCE_SECONDS

STREAM = ("orchestra", "api", "v1", "stream")
HERS, HIS = run_of(1, flow_name="train", owner="alice"), run_of(2, flow_name="report", owner="bob", deployment="d")


async def next_message(socket) -> dict:
    text = await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS)
    assert text is not None, "the server closed the stream"
    return json.loads(text)


async def opened(jp_ws_fetch, **params: object):
    """Return a client and the server's first message."""
    socket = await jp_ws_fetch(*STREAM, params=params)
    return socket, await next_message(socket)


def running(run) -> RunStateChanged:
    return RunStateChanged(run_id=run.run_id, state=State.RUNNING, at=NOON)


def events_of(run) -> list[object]:
    """Return an event of each part."""
    task = task_of(run, "load", task_run_id=run.run_id[::-1])
    return [
        running(run),
        TaskRunCreated(task_run=task),
        CellRunChanged(cell=CellRun(run_id=run.run_id, index=0, cell_id="c", state=State.RUNNING)),
        LogsWritten(lines=(LogLine(run_id=run.run_id, at=NOON, message="hello"),)),
    ]


def named(message: dict) -> list[str]:
    return [run["name"] for run in message["runs"]]


@pytest.mark.parametrize(
    ("params", "view"),
    [
        pytest.param({"run": HERS.name}, {"runs": [HERS.run_id]}, id="a run by its name"),
        pytest.param({"run": HERS.run_id}, {"runs": [HERS.run_id]}, id="a run by its id"),
        pytest.param({"flow": "train"}, {"flow": "train"}, id="a flow"),
        pytest.param({"owner": "alice"}, {"owner": "alice"}, id="a user"),
    ],
)
async def test_a_client_is_told_of_its_view_alone(jp_ws_fetch, jp_serverapp, store, params: dict, view: dict) -> None:
    store.apply([RunCreated(run=HERS), RunCreated(run=HIS)])
    socket, hello = await opened(jp_ws_fetch, **params)

    store.apply(events_of(HIS))
    store.apply(events_of(HERS))
    message = await next_message(socket)

    assert hello["view"] == view
    assert (named(message), message["logs"]) == ([HERS.name], [HERS.run_id])
    assert (
        {task["run_id"] for task in message["tasks"]} == {cell["run_id"] for cell in message["cells"]} == {HERS.run_id}
    )
    assert message["sequence"] > hello["sequence"]
    socket.close()


class TestAnyStore:
    """What a view has does not depend on the kind of database."""

    @pytest.fixture
    def store_url(self, any_store_url: str) -> str:
        return any_store_url

    def test_a_view_has_what_its_conditions_say(self, store) -> None:
        child = run_of(3, parent_run_id=HERS.run_id, kind=RunKind.FLOW, flow_name="part")
        store.apply([RunCreated(run=HERS), RunCreated(run=HIS), RunCreated(run=child)])
        begin = last_sequence(store)
        store.apply([event for run in (HERS, HIS, child) for event in events_of(run)])

        def seen(**view: object) -> tuple[list[str], int, int, int]:
            found = changes_since(store, begin, view=StreamView(**view))
            assert found.sequence == last_sequence(store)
            return sorted(run.name for run in found.runs), len(found.tasks), len(found.cells), len(found.logs)

        of_hers = [HERS.name, child.name]
        assert seen() == ([HERS.name, HIS.name, child.name], 3, 3, 3)
        assert seen(runs=(HERS.run_id,)) == (of_hers, 2, 2, 2)
        assert seen(flow="train") == ([HERS.name], 1, 1, 1)
        assert seen(deployment="d") == ([HIS.name], 1, 1, 1)
        assert seen(kind=RunKind.FLOW) == ([child.name], 1, 1, 1)
        assert seen(owner="alice") == (of_hers, 2, 2, 2)  # what a run starts is its owner's
        assert seen(owner="alice", kind=RunKind.NOTEBOOK) == ([HERS.name], 1, 1, 1)
        assert seen(parts=("runs",)) == ([HERS.name, HIS.name, child.name], 0, 0, 0)
        assert seen(parts=("logs",)) == ([], 0, 0, 3)
        assert seen(flow="none") == ([], 0, 0, 0)


async def test_a_list_is_told_of_a_run_anew_when_its_tasks_are_done(jp_ws_fetch, jp_serverapp, store) -> None:
    task = task_of(HERS, "load")
    store.apply([RunCreated(run=HERS), TaskRunCreated(task_run=task)])
    socket, _ = await opened(jp_ws_fetch, parts="runs")

    done = {"run_id": HERS.run_id, "task_run_id": task.task_run_id, "state": State.COMPLETED}
    store.apply([TaskRunStateChanged(**done, at=NOON, attempt=1)])
    message = await next_message(socket)

    assert (message["runs"][0]["tasks"]["done"], message["tasks"]) == (1, [])
    socket.close()


async def test_after_a_lost_connection_a_view_is_replayed_from_where_it_was(jp_ws_fetch, jp_serverapp, store) -> None:
    store.apply([RunCreated(run=HERS), RunCreated(run=HIS)])
    socket, _ = await opened(jp_ws_fetch, run=HERS.name)
    store.apply([running(HERS)])
    known = (await next_message(socket))["sequence"]

    socket.protocol.stream.close()  # no farewell: as when a cable is pulled
    assert await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS) is None
    store.apply([running(HIS)])
    store.apply([LogsWritten(lines=(LogLine(run_id=HERS.run_id, at=NOON, message="missed"),))])
    store.apply([RunStateChanged(run_id=HERS.run_id, state=State.COMPLETED, at=NOON + timedelta(minutes=1))])
    again, hello = await opened(jp_ws_fetch, run=HERS.name, since=known)
    missed = await next_message(again)

    assert (hello["sequence"], missed["sequence"]) == (known, last_sequence(store))
    assert [(run["name"], run["state"]) for run in missed["runs"]] == [(HERS.name, "COMPLETED")]
    assert (missed["logs"], missed["reset"]) == ([HERS.run_id], False)
    again.close()
    socket.close()


def written_often(store, run, times: int) -> None:
    """Have a run log so often, each time as a change of its own."""
    line = LogLine(run_id=run.run_id, at=NOON, message="x")
    for start in range(0, times, 1_000):
        with store.database.together():
            for _ in range(min(1_000, times - start)):
                store.apply([LogsWritten(lines=(line,))])


async def test_a_run_is_replayed_however_much_else_has_happened_and_read_anew_when_it_is_too_much(
    jp_ws_fetch, jp_serverapp, store
) -> None:
    store.apply([RunCreated(run=HERS), RunCreated(run=HIS)])
    known = last_sequence(store)
    written_often(store, HIS, MAX_BEHIND + 10)
    store.apply([running(HERS)])

    of_hers, _ = await opened(jp_ws_fetch, run=HERS.name, since=known)
    of_his, _ = await opened(jp_ws_fetch, run=HIS.name, since=known)
    of_all, _ = await opened(jp_ws_fetch, since=known)
    messages = [await next_message(socket) for socket in (of_hers, of_his, of_all)]

    assert [message["reset"] for message in messages] == [False, True, True]
    assert [named(message) for message in messages] == [[HERS.name], [], []]
    assert {message["sequence"] for message in messages} == {last_sequence(store)}
    for socket in (of_hers, of_his, of_all):
        socket.close()


async def test_who_does_not_read_costs_no_more_than_a_message_and_is_told_to_read_anew(
    jp_ws_fetch, jp_serverapp, store
) -> None:
    large = [run_of(number, flow_name="large", tags={"x": "y" * 1_000_000}) for number in range(10, 40)]
    slow = await jp_ws_fetch(*STREAM, params={"flow": "large"}, max_message_size=1 << 30)
    quick = await jp_ws_fetch(*STREAM, params={"flow": "large", "parts": "runs"}, max_message_size=1 << 30)
    await next_message(quick)

    for run in large:  # more than the buffers of a socket hold, so what is sent to the slow one waits
        store.apply([RunCreated(run=run)])
        while named(await next_message(quick))[-1] != run.name:
            pass
    written_often(store, large[0], MAX_BEHIND + 10)
    messages = [await next_message(slow)]
    while not messages[-1].get("reset"):
        messages.append(await next_message(slow))
    store.apply([running(large[0])])
    live = await next_message(slow)

    assert messages[-1]["sequence"] == last_sequence(store) - 1
    assert max(len(json.dumps(message)) for message in messages) < 8_000_000
    assert [(run["name"], run["state"]) for run in live["runs"]] == [(large[0].name, "RUNNING")]
    slow.close()
    quick.close()


async def test_a_message_is_split_where_it_would_be_too_large(jp_ws_fetch, jp_serverapp, store) -> None:
    runs = [run_of(number, tags={"x": "y" * 1_000_000}) for number in range(10, 22)]
    store.apply([RunCreated(run=run) for run in runs])

    socket = await jp_ws_fetch(*STREAM, params={"since": 0}, max_message_size=1 << 30)
    messages = [await next_message(socket)]
    while messages[-1]["sequence"] < len(runs):
        messages.append(await next_message(socket))

    assert sorted(name for message in messages[1:] for name in named(message)) == [run.name for run in runs]
    assert max(len(json.dumps(message)) for message in messages) < 5_000_000
    socket.close()


async def test_a_quiet_view_is_told_now_and_then_how_far_the_stream_is(jp_ws_fetch, jp_serverapp, store) -> None:
    store.apply([RunCreated(run=HERS), RunCreated(run=HIS)])
    socket, hello = await opened(jp_ws_fetch, run=HERS.name)

    written_often(store, HIS, 2_500)
    message = await next_message(socket)

    assert message["sequence"] >= hello["sequence"] + 1_000
    assert (message["runs"], message["logs"], message["reset"]) == ([], [], False)
    socket.close()


@pytest.mark.parametrize(
    ("params", "status"),
    [
        pytest.param({"run": "nobody"}, 404, id="no such run"),
        pytest.param({"run": ",".join(str(number) for number in range(51))}, 422, id="too many runs"),
        pytest.param({"parts": "runs,wurst"}, 422, id="no such part"),
        pytest.param({"kind": "wurst"}, 422, id="no such kind"),
        pytest.param({"flow": ""}, 422, id="no name"),
        pytest.param({"filter": "x"}, 422, id="no such parameter"),
    ],
)
async def test_a_view_that_there_is_not_is_refused(jp_fetch, jp_serverapp, params: dict, status: int) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(*STREAM, params=params, headers=dict(UPGRADE))

    assert refused.value.code == status
