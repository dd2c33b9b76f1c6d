"""Ten thousand schedules are due in one second: each has its run, and whoever reads the store meanwhile does not wait."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import CronSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.patience import PATIENCE_SECONDS
from tests.store.deployment_examples import spec_of

_NUMBER = 10_000
_ROOM = 16
_BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_SERVICE = """
import sys, time
from datetime import datetime
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.store.database import open_database
from orchestra_nb.store.schedule_store import ScheduleStore
database = open_database(sys.argv[1])
service, now = ScheduleService(ScheduleStore(database), "local"), datetime.fromisoformat(sys.argv[2])
begin = time.perf_counter()
while (look := service.step(now)) is not None and look <= now:
    pass
print(time.perf_counter() - begin)
"""


@pytest.mark.soak
def test_ten_thousand_schedules_due_at_once_have_one_run_each_while_others_read_and_start(any_store_url: str) -> None:
    database = open_database(any_store_url)
    deployments, store, queue = DeploymentStore(database), RunStore(database), WorkQueue(database)
    schedules = (DeploymentSchedule(schedule=CronSchedule(expression="0 * * * *")),)
    for number in range(_NUMBER):
        spec = spec_of(f"d{number}", schedules=schedules, concurrency=1, on_conflict="queue")
        deployments.save(spec, notebook="{}", actor="ana", at=_BEGIN)
    due = _BEGIN + timedelta(hours=1)
    service = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, any_store_url, due.isoformat()], stdout=subprocess.PIPE, text=True
    )

    took: list[float] = []
    while service.poll() is None:
        begin = time.perf_counter()
        store.list_runs(limit=50)
        took.append(time.perf_counter() - begin)
        time.sleep(0.05)
    said, _ = service.communicate(timeout=PATIENCE_SECONDS)

    assert service.returncode == 0
    assert float(said) < 30
    assert statistics.quantiles(took, n=20)[-1] < 0.3
    runs = store.list_runs(limit=2 * _NUMBER)
    assert set(Counter(run.deployment for run in runs).values()) == {1}
    assert len(runs) == _NUMBER
    assert {(run.due_at, run.state) for run in runs} == {(due, State.SCHEDULED)}
    assert ScheduleStore(database).next_look() == due + timedelta(hours=1)
    assert len(queue.claim("service", ("default",), _ROOM, due)) == _ROOM
    assert len(queue.waiting(limit=2 * _NUMBER)) == _NUMBER - _ROOM
    print(f"{float(said):.1f} s, list p95 {1000 * statistics.quantiles(took, n=20)[-1]:.0f} ms of {len(took)}")
    database.close()
