"""Orchestra's figures among those that Jupyter Server gives Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from example_runs import run_of
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, RunCreated, RunReopened, RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations import store_watching
from orchestra_nb.operations.store_watching import OTHERS, StoreWatch, Subject
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue

NOW = datetime.now(UTC)

Sample = tuple[str, tuple[tuple[str, str], ...]]


def ended(run: Run, state: State, seconds: float, *, epoch: int = 1) -> list[RunStateChanged]:
    """Return how a run begins two seconds after it was due, and ends."""
    begun = (run.due_at or run.created_at) + timedelta(seconds=2)
    steps = ((State.PENDING, begun), (State.RUNNING, begun), (state, begun + timedelta(seconds=seconds)))
    return [RunStateChanged(run_id=run.run_id, state=to, at=at, epoch=epoch) for to, at in steps]


def read(text: str) -> dict[Sample, float]:
    """Return our samples of a page, as Prometheus reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("orchestra_")
    }


async def scrape(jp_fetch) -> dict[Sample, float]:
    return read((await jp_fetch("metrics")).body.decode())


def of(name: str, **labels: str) -> Sample:
    return name, tuple(sorted(labels.items()))


async def test_the_figures_are_those_of_the_store(jp_serverapp, jp_fetch, store: RunStore) -> None:
    collector = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app.figures
    before = run_of(1, name="before", flow_name="sales", state=State.SCHEDULED)
    store.apply([RunCreated(run=before), *ended(before, State.COMPLETED, 1)])

    first = await scrape(jp_fetch)
    failed = run_of(2, name="calm-fox", flow_name="sales", state=State.SCHEDULED, deployment="daily", due_at=NOW)
    going_on = run_of(3, name="brisk-otter", flow_name="sales", state=State.RUNNING)
    waiting = run_of(
        4,
        name="late-owl",
        flow_name="sales",
        state=State.SCHEDULED,
        deployment="daily",
        due_at=NOW - timedelta(hours=1),
    )
    store.apply([RunCreated(run=failed), *ended(failed, State.FAILED, 7), RunCreated(run=going_on)])
    letter = DeadLetter(
        run_id=failed.run_id,
        name="sales",
        flow_name="sales",
        ended_as=State.FAILED,
        attempts=1,
        message="no",
        created_at=NOW,
    )
    store.apply([DeadLetterAdded(letter=letter)])
    assert WorkQueue(store.database).add(waiting, "gpu")
    cached = await scrape(jp_fetch)
    collector.forget()
    now = await scrape(jp_fetch)

    daily = {"flow": "sales", "deployment": "daily"}
    assert first[of("orchestra_store_up")] == 1
    assert not [name for name, _ in first if name == "orchestra_runs_total"]  # counting begins with the first scrape
    assert of("orchestra_runs_total", state="FAILED", **daily) not in cached
    assert now[of("orchestra_runs_total", state="FAILED", **daily)] == 1
    assert of("orchestra_runs_total", state="COMPLETED", flow="sales", deployment="") not in now
    assert now[of("orchestra_run_duration_seconds_sum", **daily)] == 7
    assert now[of("orchestra_run_duration_seconds_bucket", le="5.0", **daily)] == 0
    assert now[of("orchestra_run_duration_seconds_bucket", le="15.0", **daily)] == 1
    assert now[of("orchestra_run_duration_seconds_count", **daily)] == 1
    assert now[of("orchestra_run_lateness_seconds_sum", **daily)] == 2
    assert now[of("orchestra_runs_open", state="RUNNING", flow="sales", deployment="")] == 1
    assert now[of("orchestra_runs_open", state="SCHEDULED", **daily)] == 1
    assert now[of("orchestra_queue_runs", pool="gpu")] == now[of("orchestra_queue_due_runs", pool="gpu")] == 1
    assert 3600 <= now[of("orchestra_queue_oldest_wait_seconds", pool="gpu")] < 7200
    assert now[of("orchestra_services_up")] == 0
    assert now[of("orchestra_notifications_waiting")] == 0
    letters = {kind: now[of("orchestra_dead_letters", kind=kind)] for kind in ("run", "notification", "webhook")}
    assert letters == {"run": 1, "notification": 0, "webhook": 0}
    assert now[of("orchestra_figures_age_seconds")] < 60


async def test_who_has_no_token_gets_no_figures(jp_serverapp, http_server_client, jp_base_url, store) -> None:
    with pytest.raises(HTTPClientError, match="403"):
        await http_server_client.fetch(f"{jp_base_url}metrics")


async def test_there_are_no_figures_of_a_store_that_is_not_there_and_none_is_made(
    jp_serverapp, jp_fetch, store_url: str
) -> None:
    found = await scrape(jp_fetch)

    assert not [name for name, _ in found if name != "orchestra_own_service_up"]
    assert not Path(store_url.removeprefix("sqlite:///")).exists()


async def test_a_store_that_cannot_be_read_is_down(jp_serverapp, jp_fetch, store_url: str) -> None:
    path = Path(store_url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)

    assert (await scrape(jp_fetch)) == {of("orchestra_store_up"): 0}


def test_a_run_that_is_opened_again_ends_twice_and_is_timed_once_each(tmp_path: Path) -> None:
    store = RunStore(open_database(f"sqlite:///{tmp_path / 'orchestra.db'}"))
    watch, run = StoreWatch(), run_of(1, flow_name="sales", state=State.SCHEDULED, due_at=NOW)
    store.apply([RunCreated(run=run)])
    watch.read(store, NOW)

    store.apply(ended(run, State.FAILED, 7))
    watch.read(store, NOW)
    store.apply([RunReopened(run_id=run.run_id, at=NOW, epoch=2, driver_id=None, actor="me", message="again")])
    store.apply(ended(run, State.COMPLETED, 3, epoch=2))
    watched = watch.read(store, NOW)
    store.apply([RunReopened(run_id=run.run_id, at=NOW, epoch=3, driver_id=None, actor="me", message="again")])
    store.apply(ended(run, State.CRASHED, 1, epoch=3))
    store.apply([RunReopened(run_id=run.run_id, at=NOW, epoch=4, driver_id=None, actor="retry policy", message="")])
    retried = watch.read(store, NOW)
    store.database.close()

    subject = Subject("sales", "")
    assert (subject, State.CRASHED) not in retried.ended  # it goes on: nobody has to hear of it
    assert watched.ended == {(subject, State.FAILED): 1, (subject, State.COMPLETED): 1}
    assert watched.durations[subject].sum == 10
    assert watched.latenesses[subject].sum == 2  # only the first time says how late it was


def test_flows_and_pools_that_are_too_many_are_counted_together_and_a_reading_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watching, "_MOST_SUBJECTS", 3)
    monkeypatch.setattr(store_watching, "_MOST_POOLS", 2)
    monkeypatch.setattr(store_watching, "_CHANGES_A_READING", 8)
    store = RunStore(open_database(f"sqlite:///{tmp_path / 'orchestra.db'}"))
    watch = StoreWatch()
    watch.read(store, NOW)
    runs = [run_of(number, name=f"r{number}", flow_name=f"flow-{number}", state=State.SCHEDULED) for number in range(5)]
    store.apply([event for run in runs for event in (RunCreated(run=run), *ended(run, State.COMPLETED, 1))])

    for number, pool in enumerate(("a", "b", "c", "d")):
        waiting = run_of(10 + number, flow_name="flow-0", state=State.SCHEDULED, due_at=NOW - timedelta(minutes=number))
        WorkQueue(store.database).add(waiting, pool)

    readings = [watch.read(store, NOW) for _ in range(3)]
    store.database.close()

    assert [sum(one.ended.values()) for one in readings] == [2, 4, 5]
    assert readings[-1].ended[Subject(OTHERS, OTHERS), State.COMPLETED] == 2
    assert len(readings[-1].ended) == 4
    assert sorted(readings[0].queues) == [OTHERS, "a", "b"]
    together = readings[0].queues[OTHERS]
    assert (together.waiting, together.due, together.oldest_due_at) == (2, 2, NOW - timedelta(minutes=3))
