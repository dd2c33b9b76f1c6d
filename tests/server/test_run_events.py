"""The states of runs as events of the Jupyter server, for whoever collects them: a handler, or a listener."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta

import jupyter_events.yaml
import pytest
from example_runs import NOON, run_of
from jsonschema import Draft7Validator
from patience import PATIENCE_SECONDS
from traitlets.config import Config

from orchestra_nb.model.events import LogsWritten, RunCreated, RunStateChanged
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.states import State
from orchestra_nb.server import run_events
from orchestra_nb.server.run_events import RUN_STATE

RUN = run_of(1, owner="alice", deployment="nightly", deployment_version=3, parameters={"password": "hunter2"})


class Collected(logging.Handler):
    """What a handler of the server is given, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    async def until(self, count: int) -> list[dict]:
        """Return the events of runs, once there are so many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found := [line for line in self.lines if line["__schema__"] == RUN_STATE]) < count:
                await asyncio.sleep(0.01)
        return found


@pytest.fixture
def handler() -> Collected:
    return Collected()


@pytest.fixture
def jp_server_config(jp_server_config: Config) -> Config:
    jp_server_config.OrchestraExtension.events_seconds = 0.01
    return jp_server_config


async def first_event(handler: Collected, store) -> None:
    """Have runs made until one is told of: what happened before anybody collected is not."""
    number = 1_000
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not handler.lines:
            number += 1
            store.apply([RunCreated(run=run_of(number, name="warm-up"))])
            await asyncio.sleep(0.05)


async def settled(handler: Collected, store) -> int:
    """Return how many events there are once all that has happened is told."""
    await first_event(handler, store)
    store.apply([RunCreated(run=run_of(999, name="last"))])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while handler.lines[-1]["name"] != "last":
            await asyncio.sleep(0.01)
    return len(handler.lines)


async def test_each_state_of_a_run_is_an_event_with_what_those_who_collect_need(
    jp_serverapp, store, handler: Collected
) -> None:
    jp_serverapp.event_logger.register_handler(handler)
    known = await settled(handler, store)

    store.apply([RunCreated(run=RUN)])
    store.apply([RunStateChanged(run_id=RUN.run_id, state=State.RUNNING, at=NOON)])
    store.apply([LogsWritten(lines=(LogLine(run_id=RUN.run_id, at=NOON, message="hunter2"),))])
    end = NOON + timedelta(seconds=90)
    store.apply([RunStateChanged(run_id=RUN.run_id, state=State.FAILED, at=end, message="hunter2", actor="user bob")])
    events = (await handler.until(known + 3))[known:]

    assert [(one["from_state"], one["state"], one["is_terminal"], one["seconds"]) for one in events] == [
        (None, "PENDING", False, None),
        ("PENDING", "RUNNING", False, None),
        ("RUNNING", "FAILED", True, 90.0),
    ]
    last = events[-1]
    assert {name: last[name] for name in ("name", "flow_name", "kind", "epoch", "actor", "owner", "deployment")} == {
        "name": RUN.name,
        "flow_name": "report",
        "kind": "notebook",
        "epoch": 1,
        "actor": "user bob",
        "owner": "alice",
        "deployment": "nightly",
    }
    assert (last["at"], last["__schema_version__"]) == (end.isoformat(), "1")
    assert sorted({one["sequence"] for one in events}) == [one["sequence"] for one in events]
    assert "hunter2" not in json.dumps(events)
    schema = jupyter_events.yaml.load(run_events._SCHEMA)
    for one in events:
        Draft7Validator({**schema, "additionalProperties": False}).validate(
            {name: value for name, value in one.items() if not name.startswith("__") and name != "taskName"}
        )


async def test_a_listener_such_as_an_open_front_end_gets_them_too(jp_serverapp, jp_ws_fetch, store) -> None:
    socket = await jp_ws_fetch("api", "events", "subscribe")
    number = 0

    async def make_runs() -> None:
        nonlocal number
        while True:
            number += 1
            store.apply([RunCreated(run=run_of(number))])
            await asyncio.sleep(0.05)

    making = asyncio.create_task(make_runs())
    event = json.loads(await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS))
    making.cancel()

    assert (event["schema_id"], event["state"], event["flow_name"]) == (RUN_STATE, "PENDING", "report")
    socket.close()


async def test_a_modifier_of_the_server_may_leave_names_out(jp_serverapp, store, handler: Collected) -> None:
    def anonymous(schema_id: str, data: dict) -> dict:
        return {**data, "owner": None, "actor": None}

    jp_serverapp.event_logger.add_modifier(schema_id=RUN_STATE, modifier=anonymous)
    jp_serverapp.event_logger.register_handler(handler)
    await first_event(handler, store)
    store.apply([RunCreated(run=RUN)])

    async with asyncio.timeout(PATIENCE_SECONDS):
        while handler.lines[-1]["name"] != RUN.name:
            await asyncio.sleep(0.01)
    assert (handler.lines[-1]["owner"], handler.lines[-1]["deployment"]) == (None, "nightly")


async def test_a_modifier_that_breaks_loses_its_event_and_no_other(jp_serverapp, store, handler: Collected) -> None:
    def breaks(schema_id: str, data: dict) -> dict:
        if data["name"] == "bad":
            raise ValueError("a bad one")
        return data

    jp_serverapp.event_logger.add_modifier(schema_id=RUN_STATE, modifier=breaks)
    jp_serverapp.event_logger.register_handler(handler)
    await first_event(handler, store)
    store.apply([RunCreated(run=run_of(1, name="bad")), RunCreated(run=run_of(2, name="good"))])

    async with asyncio.timeout(PATIENCE_SECONDS):
        while handler.lines[-1]["name"] != "good":
            await asyncio.sleep(0.01)
    assert "bad" not in [line["name"] for line in handler.lines]


async def test_nothing_is_read_while_nobody_collects(jp_serverapp, tmp_path) -> None:
    """The store is not even made: several looks later there is still no file."""
    extension = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app
    for _ in range(20):
        await asyncio.sleep(0.01)

    assert not (tmp_path / "store").exists()
    assert extension._access._store is None


class TestSwitchedOff:
    """Where events are not wanted there is no schema of them."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.OrchestraExtension.emits_events = False
        return jp_server_config

    async def test_the_schema_is_not_registered(self, jp_serverapp) -> None:
        assert RUN_STATE not in jp_serverapp.event_logger.schemas


def test_the_schema_says_what_each_field_is() -> None:
    schema = jupyter_events.yaml.load(run_events._SCHEMA)

    assert schema["$id"] == RUN_STATE
    assert all(field.get("description") for field in schema["properties"].values())
    assert set(schema["required"]) <= set(schema["properties"])
