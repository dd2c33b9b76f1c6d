"""Files that arrive start what waits for them: real listings of memory and of a disk, at a real store."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from patience import PATIENCE_SECONDS

from orchestra_nb.errors import SecretNotFound
from orchestra_nb.model.automations import Absent, Automation, EmitEvent, FileMatch, Happens, Trigger
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.services.file_watch_service import FileWatchService
from orchestra_nb.settings import Settings
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.file_watch_store import FileWatchStore
from orchestra_nb.store.run_store import RunStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CSV = FileMatch(url="memory://inbox/*.csv", settle_seconds=5, every_seconds=30)


class World:
    """A store, a file system in memory, and a clock that stands still."""

    def __init__(self, database: Database) -> None:
        self.now = NOON
        self.database = database
        self.store = RunStore(database)
        self.automations = AutomationStore(database)
        self.watches = FileWatchStore(database)
        self.files = fsspec.filesystem("memory")

    def automate(self, trigger: Trigger, name: str = "auto", **fields: object) -> None:
        action = EmitEvent(event="seen", resource="{{ file.url }}", payload={"size": "{{ file.size }}"})
        one = Automation(name=name, trigger=trigger, actions=(action,), **fields)  # type: ignore[arg-type]
        self.automations.save(one, self.now, may_replace=True)

    def service(self, resolve: object = lambda storage, owner: storage) -> FileWatchService:
        return FileWatchService(
            self.database,
            resolve,  # type: ignore[arg-type]
            clock=lambda: self.now,
            start=lambda look: look(),
        )

    def pass_time(self, seconds: float, *services: FileWatchService) -> None:
        self.now += timedelta(seconds=seconds)
        for service in services or (self.service(),):
            service.step(self.now)

    def arrived(self) -> list[str]:
        events = CustomEventStore(self.database).list_events(event="file.arrived")
        return [event.resource["id"] for _, event in events]

    def seen(self) -> list[tuple[str, object]]:
        AutomationService(self.store, AutomationActions(self.store, Settings()), clock=lambda: self.now).step(self.now)
        events = CustomEventStore(self.database).list_events(event="seen")
        return [(event.resource["id"], event.payload["size"]) for _, event in events]


@pytest.fixture
def world(any_store_url: str) -> Iterator[World]:
    database = open_database(any_store_url)
    yield from _world(database)


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[World]:
    database = open_database(f"sqlite:///{tmp_path / 'orchestra.db'}")
    yield from _world(database)


def _world(database: Database) -> Iterator[World]:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield World(database)
    database.close()
    MemoryFileSystem.store.clear()


def test_each_version_of_a_file_acts_once_with_two_services_and_after_a_restart(world: World) -> None:
    world.files.pipe("/inbox/old.csv", b"there before")
    world.now = datetime.now(UTC) + timedelta(hours=1)  # memory says by the real clock when a file was made
    world.automate(Happens(matches=(CSV,)), condition="file.size > 1")
    one, other = world.service(), world.service()

    world.pass_time(0, one, other)
    world.files.pipe("/inbox/a.csv", b"half")
    world.files.pipe("/inbox/a.txt", b"no csv")
    world.pass_time(30, one, other)
    assert world.arrived() == []  # it may be written still
    world.files.pipe("/inbox/a.csv", b"whole text")
    world.pass_time(5, one, other)
    assert world.arrived() == []
    world.pass_time(5, one, other)
    assert world.seen() == [("memory:///inbox/a.csv", 10)]

    world.pass_time(30, world.service(), world.service())  # both look, one after the other
    world.files.pipe("/inbox/a.csv", b"another text")
    world.pass_time(30, other, one)
    world.pass_time(5, one)
    world.pass_time(30, world.service())

    assert world.seen() == [("memory:///inbox/a.csv", 10), ("memory:///inbox/a.csv", 12)]
    assert world.arrived() == ["memory:///inbox/a.csv"] * 2
    world.automations.delete("auto")
    assert world.watches.next_look_at() is None


def test_of_services_that_look_at_the_same_time_one_writes_and_the_other_sees_it(world: World) -> None:
    world.automate(Happens(matches=(FileMatch(url=CSV.url, settle_seconds=0, has_existing=True),)))
    for number in range(30):
        world.files.pipe(f"/inbox/{number:02}.csv", b"text")
    barrier = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def wait(storage: Mapping[str, object], owner: str | None) -> Mapping[str, object]:
        barrier.wait()  # both have read that nothing is known
        return storage

    (watch,) = world.watches.list_watches()
    threads = [threading.Thread(target=world.service(wait)._look_safely, args=(watch,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert world.arrived() == [f"memory:///inbox/{number:02}.csv" for number in range(30)]


def test_a_place_that_cannot_be_looked_at_is_a_problem_of_its_automation_alone(
    small_world: World, tmp_path: Path
) -> None:
    world = small_world
    world.files.pipe("/inbox/a.csv", b"text")
    now = FileMatch(url=CSV.url, settle_seconds=0, has_existing=True)
    world.automate(Happens(matches=(FileMatch(url=str(tmp_path / "missing" / "*")),)), "missing")
    world.automate(Happens(matches=(FileMatch(url="sftp://127.0.0.1:1/x/*", storage={"password": "hunter2"}),)), "dead")
    world.automate(Happens(matches=(FileMatch(url="memory://x/*", storage={"key": {"$secret": "no"}}),)), "secret")
    world.automate(Happens(matches=(now,)), "well")

    def resolve(storage: Mapping[str, object], owner: str | None) -> Mapping[str, object]:
        if "key" in storage:
            raise SecretNotFound("No secret 'no'.")
        return storage

    world.pass_time(0, world.service(resolve))

    problems = {watch.automation: watch.problem for watch in world.watches.list_watches()}
    assert problems["well"] == ""
    assert problems["missing"] == f"There is no folder {tmp_path}/missing."
    assert problems["secret"] == "No secret 'no'."
    assert problems["dead"].startswith("sftp://127.0.0.1:1/x/* cannot be looked at: ")
    assert world.arrived() == ["memory:///inbox/a.csv"]

    (tmp_path / "missing").mkdir()
    world.pass_time(30, world.service(resolve))
    (tmp_path / "missing" / "new").write_text("text")
    world.pass_time(30, world.service(resolve))
    world.pass_time(5, world.service(resolve))

    assert {watch.automation: watch.problem for watch in world.watches.list_watches()}["missing"] == ""
    assert world.arrived()[1:] == [f"file://{tmp_path}/missing/new"]


def test_a_store_that_does_not_answer_is_told_and_keeps_no_other_waiting(small_world: World) -> None:
    world = small_world
    hanging = threading.Event()
    world.automate(Happens(matches=(FileMatch(url="memory://slow/*", storage={"slow": True}),)), "a-slow")
    world.automate(Happens(matches=(FileMatch(url=CSV.url, settle_seconds=0, has_existing=True),)), "well")
    world.files.pipe("/inbox/a.csv", b"text")
    world.files.pipe("/slow/old.csv", b"text")
    world.pass_time(0, world.service(lambda storage, owner: {}))
    world.pass_time(30, world.service(lambda storage, owner: {}))
    threads: list[threading.Thread] = []

    def resolve(storage: Mapping[str, object], owner: str | None) -> Mapping[str, object]:
        if storage:
            assert hanging.wait(PATIENCE_SECONDS)
        return {}

    def start(look: object) -> None:
        threads.append(threading.Thread(target=look))  # type: ignore[arg-type]
        threads[-1].start()

    service = FileWatchService(world.database, resolve, clock=lambda: world.now, start=start)
    world.files.pipe("/inbox/b.csv", b"text")
    world.pass_time(30, service)
    threads[1].join()
    assert world.arrived()[-1] == "memory:///inbox/b.csv"
    world.pass_time(61, service)
    assert world.watches.list_watches()[0].problem.startswith(
        "memory://slow/* has not answered since 2026-03-01 12:01:00 UTC"
    )
    hanging.set()
    for thread in threads:
        thread.join()
    assert world.watches.list_watches()[0].problem == ""


def test_what_arrives_while_an_automation_rests_is_nothing_to_it_and_a_change_of_it_loses_nothing(
    small_world: World, tmp_path: Path
) -> None:
    world = small_world
    world.now = datetime.now(UTC) - timedelta(hours=1)
    match = FileMatch(url=f"{tmp_path}/*.csv", settle_seconds=5)
    world.automate(Happens(matches=(match,)))
    world.pass_time(0)
    (tmp_path / "a.csv").write_text("first")
    world.pass_time(30)
    world.now = datetime.now(UTC) + timedelta(hours=1)
    world.automate(Happens(matches=(match,)), description="another")  # a.csv has not settled

    world.pass_time(0)
    assert world.arrived() == [f"file://{tmp_path}/a.csv"]
    world.automations.set_active("auto", False, world.now)
    (tmp_path / "b.csv").write_text("while it rests")
    world.automations.set_active("auto", True, world.now)
    world.pass_time(0)
    world.pass_time(30)

    assert world.arrived() == [f"file://{tmp_path}/a.csv"]


def test_a_file_that_does_not_come_is_missed(small_world: World) -> None:
    world = small_world
    spec = DeploymentSpec(name="x", flow_name="x", target=FlowTarget(entrypoint="f:x", working_folder="/"))
    DeploymentStore(world.database).save(spec, notebook=None, actor="ana", at=NOON)
    trigger = Absent(expected=FileMatch(url=CSV.url, settle_seconds=0), within_seconds=3600)
    action = EmitEvent(event="late", resource="inbox")
    one = Automation(name="late", trigger=trigger, actions=(action,))
    world.automations.save(one, world.now, may_replace=False)
    world.pass_time(0)
    world.pass_time(1800)
    world.files.pipe("/inbox/a.csv", b"text")
    world.pass_time(30)
    world.seen()

    world.pass_time(3590)
    world.seen()
    assert not CustomEventStore(world.database).list_events(event="late")
    world.pass_time(20)
    world.seen()

    assert len(CustomEventStore(world.database).list_events(event="late")) == 1
