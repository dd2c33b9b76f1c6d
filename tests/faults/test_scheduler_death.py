"""F07: the Dask scheduler is killed while tasks run and wait."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from orchestra_nb import flow, task
from orchestra_nb.errors import TaskCrashed
from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.states import State
from tests.engine.attempt_bodies import wait_for
from tests.engine.conftest import FlowWorld
from tests.faults.dask_cluster import running_cluster, wait_for_workers
from tests.faults.invariants import nothing_is_left
from tests.patience import eventually


def test_what_ran_on_a_lost_scheduler_crashes_and_a_late_result_of_it_is_refused(
    world: FlowWorld, tmp_path: Path
) -> None:
    @task
    def hold(number: int) -> int:
        (tmp_path / f"begun-{number}").touch()
        if number < 2:
            wait_for(tmp_path / "never")
        return number

    @task
    def after(numbers: list[int]) -> int:
        return sum(numbers)

    @flow
    def lost() -> list[object]:
        futures = [hold.submit(0), *hold.map(range(1, 4))]
        waiting = after.submit(futures)
        going_on = after.submit(futures[2:])
        eventually(lambda: True if {future.state.name for future in futures[:2]} == {"Running"} else None)
        wait_for(tmp_path / "begun-0")
        wait_for(tmp_path / "begun-1")
        os.kill(cluster.pid, signal.SIGKILL)
        return [future.result(raise_on_failure=False) for future in [*futures, going_on, waiting]]

    @task
    def warm_up() -> None:
        pass

    @flow
    def ready() -> None:
        warm_up.submit().result()

    ready()
    wait_for_workers(2)
    cluster = running_cluster()
    results = lost()

    assert [type(result) for result in results[:2]] == [TaskCrashed, TaskCrashed]
    records = {record.name: record for record in world.tasks("lost")}
    for name in ("hold-0", "hold-1"):
        assert (records[name].state, records[name].attempt) == (State.CRASHED, 1)
        assert records[name].message.startswith(f"lost the Dask scheduler (attempt 1 of {name} on worker-")
    assert records["after-0"].state is State.UPSTREAM_FAILED
    # what had not begun is no attempt: it is run on the cluster that takes the other's place
    assert results[2:-1] == [2, 3, 5]
    late = TaskRunStateChanged(
        run_id=records["hold-0"].run_id,
        task_run_id=records["hold-0"].task_run_id,
        state=State.COMPLETED,
        at=datetime.now(UTC),
        attempt=1,
    )
    assert world.store.apply([late]) == [False]
    world.run("lost")
    nothing_is_left([cluster.pid, *(worker.pid for worker in cluster.workers)])
    ready()
