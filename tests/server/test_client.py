"""The Python client: a method for each endpoint, answers and errors as the program's own records and classes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from example_runs import NOON, run_of

from orchestra_nb.client import Client
from orchestra_nb.errors import (
    InvalidInput,
    InvalidSetting,
    NameTaken,
    RunNotFound,
    StoreUnavailable,
    TokenRefused,
    VariableNotFound,
)
from orchestra_nb.model.events import RunCreated, RunStateChanged
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def client(jp_serverapp, http_server_client) -> Client:
    return Client(jp_serverapp.connection_url, jp_serverapp.identity_provider.token)


def test_its_calls_are_what_the_endpoints_say() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/write_client_calls.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


async def test_runs_are_listed_page_by_page_and_waited_for(client, writer) -> None:
    runs = [run_of(number, state=State.RUNNING) for number in range(1, 6)]
    writer.write(*(RunCreated(run=run) for run in runs))
    last = runs[-1].run_id

    listed = await asyncio.to_thread(client.list_runs, limit=2, state=[State.RUNNING, State.FAILED])
    everything = await asyncio.to_thread(lambda: [run.run_id for run in client.iterate_runs(limit=2)])
    with pytest.raises(TimeoutError, match="RUNNING"):
        await asyncio.to_thread(client.wait_for_run, last, timeout_seconds=0.1)
    waiting = asyncio.create_task(asyncio.to_thread(client.wait_for_run, last))
    writer.write(RunStateChanged(run_id=last, state=State.COMPLETED, at=NOON + timedelta(hours=1)))

    assert [run.run_id for run in listed.runs] == [runs[4].run_id, runs[3].run_id]
    assert listed.runs[0].created_at == runs[4].created_at
    assert everything == [run.run_id for run in reversed(runs)]
    assert (await waiting).state is State.COMPLETED
    none = await asyncio.to_thread(client.list_runs, kind=RunKind.NOTEBOOK, state=[State.RUNNING], since=NOON)
    assert none.runs == ()


async def test_what_it_sets_is_what_it_reads(client) -> None:
    value = {"regions": ["EU", "ü"], "limit": None}

    await asyncio.to_thread(client.set_variable, "a ü b", value=value)
    pool = await asyncio.to_thread(client.create_pool, name="gpu", concurrency=2)
    changed = await asyncio.to_thread(client.update_pool, "gpu", {"concurrency": None})

    assert (await asyncio.to_thread(client.get_variable, "a ü b")).value == value
    assert (pool.summary.concurrency, changed.summary.concurrency) == (2, None)
    assert (await asyncio.to_thread(client.unset_variable, "a ü b")).deleted == "a ü b"


async def test_errors_are_those_of_the_program(client, jp_serverapp) -> None:
    address = jp_serverapp.connection_url
    refused = {
        RunNotFound: lambda: client.show_run("calm-fix"),
        VariableNotFound: lambda: client.get_variable("none"),
        InvalidInput: lambda: client.list_runs(limit=0),
        TokenRefused: lambda: Client(address, "orc_none").list_runs(),
    }
    for kind, call in refused.items():
        with pytest.raises(kind):
            await asyncio.to_thread(call)
    await asyncio.to_thread(client.create_pool, name="gpu")
    with pytest.raises(NameTaken):
        await asyncio.to_thread(client.create_pool, name="gpu")
    with pytest.raises(InvalidInput, match="is no JSON"):
        await asyncio.to_thread(client.set_variable, "x", value={1, 2}.__iter__())
    with pytest.raises(InvalidInput) as refused_field:
        await asyncio.to_thread(client.create_pool, name="fpga", concurrency="two")
    assert list(refused_field.value.at) == ["/concurrency"]
    with pytest.raises(StoreUnavailable, match="is no Orchestra"):
        await asyncio.to_thread(Client(f"{address}nowhere", client._headers["Authorization"][7:]).list_runs)


def test_an_address_that_is_none_or_where_nobody_is_says_so(monkeypatch) -> None:
    monkeypatch.delenv("ORCHESTRA_API_URL", raising=False)
    with pytest.raises(InvalidSetting, match="ORCHESTRA_API_URL"):
        Client()
    with pytest.raises(InvalidSetting, match="no address"):
        Client("localhost:8888")
    with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        Client("http://127.0.0.1:9").list_runs()


def test_it_is_made_without_what_only_its_calls_need() -> None:
    program = "import sys, orchestra_nb.client as c; c.Client('http://localhost:1'); print('sqlalchemy' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
