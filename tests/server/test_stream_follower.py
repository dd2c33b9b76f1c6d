"""The stream from a program of one's own: typed changes, over lost connections, and errors that say what is wrong."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from example_runs import NOON, run_of, task_of
from patience import PATIENCE_SECONDS

from orchestra_nb.client import Client
from orchestra_nb.errors import InvalidInput, RunNotFound, ScopeMissing, StoreUnavailable, TokenRefused
from orchestra_nb.model.events import RunCreated, RunStateChanged, TaskRunCreated
from orchestra_nb.model.states import State
from orchestra_nb.operations.api_tokens import create_token, revoke_token
from orchestra_nb.operations.run_changes import RunChanges, last_sequence

RUN = run_of(1, flow_name="train")


class Following:
    """Takes changes in a thread of its own, as a program would."""

    def __init__(self, changes: Iterator[RunChanges]) -> None:
        self._changes = changes
        self._loop = asyncio.get_running_loop()
        self._taken: asyncio.Queue[RunChanges | BaseException] = asyncio.Queue()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    async def next(self) -> RunChanges:
        taken = await asyncio.wait_for(self._taken.get(), PATIENCE_SECONDS)
        if isinstance(taken, BaseException):
            raise taken
        return taken

    async def until(self, is_wanted) -> RunChanges:
        while not is_wanted(changes := await self.next()):
            pass
        return changes

    async def refused(self, store) -> BaseException:
        """Have the token revoked, and something happen until the server says so; return the error."""
        revoke_token(store, "ci", actor="test", now=datetime.now(UTC))
        async with asyncio.timeout(PATIENCE_SECONDS):
            for number in itertools.count(100):  # whether a token holds is asked once a second
                if not self._thread.is_alive():
                    break
                store.apply([RunCreated(run=run_of(number, flow_name="train", parent_run_id=RUN.run_id))])
                await asyncio.sleep(0.1)
        try:
            while True:
                await self.next()
        except TokenRefused as error:
            return error

    def _take(self) -> None:
        try:
            for changes in self._changes:
                self._loop.call_soon_threadsafe(self._taken.put_nowait, changes)
        except Exception as error:
            self._loop.call_soon_threadsafe(self._taken.put_nowait, error)


class Cable:
    """A connection between a client and the server that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self.connections = 0

    @asynccontextmanager
    async def plugged_in(self) -> AsyncIterator[int]:
        """Give the port of this end."""
        server = await asyncio.start_server(self._carry, "localhost", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("localhost", self._port)
        self._writers += [writer, far_writer]
        await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:  # it was cut
        pass
    writer.close()


def token_of(store, *scopes: str) -> str:
    return create_token(store, "ci", scopes, expires_at=None, actor="test", now=datetime.now(UTC))[1].get()


async def test_a_run_is_followed_over_a_lost_connection_and_nothing_is_missed(
    jp_serverapp, http_server, jp_http_port, jp_base_url, store
) -> None:
    store.apply([RunCreated(run=RUN), RunCreated(run=run_of(2))])
    token = token_of(store, "runs:read")
    cable = Cable(jp_http_port)
    async with cable.plugged_in() as port:
        client = Client(f"http://localhost:{port}{jp_base_url}", token)
        following = Following(client.follow(runs=[RUN.name], since=last_sequence(store)))

        store.apply([RunStateChanged(run_id=RUN.run_id, state=State.RUNNING, at=NOON)])
        begun = await following.until(lambda changes: changes.runs)
        cable.cut()
        store.apply([RunStateChanged(run_id=run_of(2).run_id, state=State.RUNNING, at=NOON)])
        store.apply([TaskRunCreated(task_run=task_of(RUN, "load"))])
        store.apply([RunStateChanged(run_id=RUN.run_id, state=State.COMPLETED, at=NOON)])
        ended = await following.until(lambda changes: changes.runs and changes.runs[0].state.is_terminal)

        assert [(run.name, run.state) for run in begun.runs] == [(RUN.name, State.RUNNING)]
        assert [(run.name, run.state) for run in ended.runs] == [(RUN.name, State.COMPLETED)]
        assert [task.name for task in ended.tasks] == ["load"]
        assert cable.connections == 2
        assert "ended the stream" in str(await following.refused(store))


async def test_a_list_is_followed_by_its_parts(jp_serverapp, http_server, store) -> None:
    client = Client(jp_serverapp.connection_url, token_of(store, "runs:read"))
    store.apply([RunCreated(run=RUN)])
    following = Following(client.follow(flow="train", parts=["runs"], since=0))

    changes = await following.next()

    assert ([run.name for run in changes.runs], changes.tasks, changes.reset) == ([RUN.name], (), False)
    await following.refused(store)


@pytest.mark.parametrize(
    ("scope", "asked", "error", "words"),
    [
        pytest.param("runs:read", {"runs": ["nobody"]}, RunNotFound, "No run 'nobody'", id="no such run"),
        pytest.param("runs:read", {"parts": ["wurst"]}, InvalidInput, "'wurst' is nothing", id="no such part"),
        pytest.param("runs:write", {}, ScopeMissing, "does not have the scope runs:read", id="no such scope"),
    ],
)
async def test_a_refusal_says_what_is_wrong(jp_serverapp, http_server, store, scope, asked, error, words) -> None:
    client = Client(jp_serverapp.connection_url, token_of(store, scope))

    with pytest.raises(error, match=words):
        await asyncio.to_thread(next, client.follow(**asked))


async def test_nobody_at_all_and_a_wrong_token_are_told_apart(jp_serverapp, http_server, unused_tcp_port) -> None:
    with pytest.raises(TokenRefused):
        await asyncio.to_thread(next, Client(jp_serverapp.connection_url, "orc_0").follow())
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await asyncio.to_thread(next, Client(f"http://localhost:{unused_tcp_port}").follow())
