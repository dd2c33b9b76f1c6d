"""A server that runs need counts as active, so that nobody ends it for want of use; unless that is switched off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from example_runs import NOON, run_of
from patience import PATIENCE_SECONDS
from traitlets.config import Config

from orchestra_nb.model.events import DriverStarted, RunCreated, RunStateChanged
from orchestra_nb.model.states import State
from orchestra_nb.server.activity_watch import LAST_ACTIVITY
from orchestra_nb.services.driver_guard import describe_this_process


@pytest.fixture
def keeps_server() -> bool:
    return True


@pytest.fixture
def jp_server_config(jp_server_config: Config, keeps_server: bool) -> Config:
    jp_server_config["OrchestraExtension"] |= {"activity_seconds": 0.05, "keeps_server": keeps_server}
    return jp_server_config


async def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def begin_run(store) -> None:
    driver = describe_this_process("kernel", 3600.0)
    run = run_of(1, name="calm-fox", state=State.RUNNING, driver_id=driver.driver_id)
    store.apply([DriverStarted(driver=driver), RunCreated(run=run)])


async def test_a_run_keeps_the_server_until_it_ends(jp_serverapp, jp_fetch, store) -> None:
    begin_run(store)
    app, settings = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app, jp_serverapp.web_app.settings

    await until(jp_serverapp.extension_manager.any_activity)
    reasons, first = app.current_activity(), settings[LAST_ACTIVITY]
    await until(lambda: settings[LAST_ACTIVITY] > first)
    status = json.loads((await jp_fetch("api", "status")).body)
    store.apply([RunStateChanged(run_id=run_of(1).run_id, state=State.COMPLETED, at=NOON)])
    await until(lambda: not jp_serverapp.extension_manager.any_activity())
    last = settings[LAST_ACTIVITY]

    assert reasons == ["run calm-fox goes on"]
    assert status["last_activity"] >= first.isoformat().replace("+00:00", "Z")
    assert jp_serverapp.web_app.last_activity() >= last


async def test_a_store_that_is_not_there_is_not_made(jp_serverapp, store_url) -> None:
    app = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app
    looks: list[object] = []
    jp_serverapp.io_loop.call_later(0.3, lambda: looks.append(app.current_activity()))

    await until(lambda: bool(looks))

    assert looks == [None]
    assert not Path(store_url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("keeps_server", [False])
async def test_it_can_be_switched_off(jp_serverapp, store) -> None:
    begin_run(store)
    app = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app

    await asyncio.sleep(0.3)

    assert app.current_activity() is None
    assert LAST_ACTIVITY not in jp_serverapp.web_app.settings


async def test_nothing_looks_any_more_when_the_extension_has_stopped(jp_serverapp, store) -> None:
    begin_run(store)
    app = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app
    await until(jp_serverapp.extension_manager.any_activity)

    await app.stop_extension()
    left = [task for task in asyncio.all_tasks() if "ActivityWatch" in repr(task)]

    assert left == []
