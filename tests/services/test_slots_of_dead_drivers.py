"""A driver that is killed holds no slots: whoever finds it dead frees them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.questions import SlotsAcquired, SlotsRefused
from orchestra_nb.services.recovery import sweep
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.slot_store import SlotStore

_DRIVER = """
import sys
from orchestra_nb.engine.services import set_answerer
from orchestra_nb.engine.slot_leases import concurrency
from orchestra_nb.model.events import DriverStarted
from orchestra_nb.operations.run_services import RunServices
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

store = RunStore(open_database(sys.argv[1]))
driver = describe_this_process("script", 15.0)
store.apply([DriverStarted(driver=driver)])
set_answerer(lambda: RunServices(lambda: store, driver_id=driver.driver_id))
with concurrency("db"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_the_slots_of_a_killed_driver_are_free_when_it_is_found_dead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'orchestra.db'}"
    database = open_database(url)
    slots = SlotStore(database)
    slots.create_limit(ConcurrencyLimit(name="db", limit=1), datetime.now(UTC))
    with subprocess.Popen(
        [sys.executable, "-c", _DRIVER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        sweep(RunStore(database), datetime.now(UTC))
        alive = slots.acquire(["db"], 1, "me", datetime.now(UTC), 60)

        os.kill(driver.pid, signal.SIGKILL)
    sweep(RunStore(database), datetime.now(UTC))
    dead = slots.acquire(["db"], 1, "me", datetime.now(UTC), 60)
    database.close()

    assert isinstance(alive, SlotsRefused)
    assert dead == SlotsAcquired()
