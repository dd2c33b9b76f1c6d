"""Two services on one store work off an hour of schedules, one is killed: each occurrence once, none missing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import AnySchedule, CronSchedule, IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.patience import PATIENCE_SECONDS
from tests.store.deployment_examples import spec_of

_BEGIN = datetime(2026, 3, 28, 12, tzinfo=UTC)
#: A schedule, and how often it is due in the hour.
_SCHEDULES: dict[str, tuple[AnySchedule, int]] = {
    "ticks": (IntervalSchedule(every_seconds=5, start_at=_BEGIN), 720),
    "minutes": (CronSchedule(expression="* * * * *", timezone="Europe/Berlin"), 60),
    "quarters": (CronSchedule(expression="*/15 * * * *", timezone="Asia/Kolkata"), 4),
}
#: A service whose clock goes through the hour in steps of half a minute, as that of another one does at the same time.
_SERVICE = """
import sys
from datetime import datetime, timedelta
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.store.database import open_database
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.work_queue import WorkQueue
url, begin = sys.argv[1], datetime.fromisoformat(sys.argv[2])
database = open_database(url)
service, queue = ScheduleService(ScheduleStore(database), "local"), WorkQueue(database)
for second in range(30, 3601, 30):
    now = begin + timedelta(seconds=second)
    while (look := service.step(now)) is not None and look <= now:
        pass
    for run in queue.claim(sys.argv[3], ("default",), 4, now):
        print(run.run_id)
print("done")
"""


@pytest.mark.soak
def test_an_hour_of_schedules_has_one_run_for_each_occurrence_though_one_service_is_killed(any_store_url: str) -> None:
    database = open_database(any_store_url)
    for name, (schedule, _) in _SCHEDULES.items():
        spec = spec_of(name, schedules=(DeploymentSchedule(schedule=schedule),))
        DeploymentStore(database).save(spec, notebook="{}", actor="ana", at=_BEGIN)

    services = [
        subprocess.Popen(
            [sys.executable, "-c", _SERVICE, any_store_url, _BEGIN.isoformat(), name], stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "other")
    ]
    assert services[0].stdout is not None
    for _ in range(150):
        services[0].stdout.readline()
    services[0].kill()
    said = [service.communicate(timeout=PATIENCE_SECONDS)[0].split() for service in services]
    assert said[1][-1] == "done"

    runs = RunStore(database).list_runs(limit=10_000)
    due = Counter((run.deployment, run.due_at) for run in runs)
    assert set(due.values()) == {1}
    assert Counter(name for name, _ in due) == {name: number for name, (_, number) in _SCHEDULES.items()}
    for name, (_, number) in _SCHEDULES.items():
        times = sorted(at for of, at in due if of == name and at is not None)
        assert times == [times[0] + timedelta(hours=1) / number * place for place in range(number)]
    claimed = Counter(word for words in said for word in words if word != "done")
    assert set(claimed.values()) == {1}
    waiting = {queued.run_id for queued in WorkQueue(database).waiting(limit=10_000)}
    assert waiting.isdisjoint(claimed)
    begun = {run.run_id for run in runs if run.state is State.PENDING}
    assert begun >= set(claimed)
    database.close()
