"""When this happens, that is done: the service at a real store of each kind, with the actions of real services."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from patience import eventually

from orchestra_nb.errors import AutomationNotFound, NameTaken, StoreUnavailable
from orchestra_nb.model.automation_decisions import hops_of_event, tags_of
from orchestra_nb.model.automation_log import FiringState, LoggedAction, LoggedFiring
from orchestra_nb.model.automations import (
    Absent,
    Automation,
    CancelRun,
    EmitEvent,
    EventMatch,
    Happens,
    Metric,
    MoveDeployment,
    Notify,
    PauseDeployment,
    PausePool,
    Repeated,
    ResumeDeployment,
    ResumePool,
    RetryRun,
    RunDeployment,
    RunMatch,
)
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import DeadLetterAdded, RunCreated, RunReopened, RunStateChanged, ValueRecorded
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.services.automation_service import AutomationService, Perform
from orchestra_nb.settings import Settings
from orchestra_nb.store.audit_store import AuditStore
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.happenings import happenings_since
from orchestra_nb.store.notification_store import NotificationStore
from orchestra_nb.store.outbox_store import OutboxStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import waiting_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMPLETED = RunMatch(states=(State.COMPLETED,), deployments=("load",))
IMPORTED = Happens(matches=(EventMatch(names=("orders.*",)),))


class World:
    """A store with deployments `load` and `refill`, and a clock that stands still."""

    def __init__(self, database: Database) -> None:
        self.now = NOON
        self.store = RunStore(database)
        self.automations = AutomationStore(database)
        self.events = CustomEventStore(database)
        self.deployments = DeploymentStore(database)
        self.outbox = OutboxStore(database)
        self.queue = WorkQueue(database)
        self._count = 0
        for name in ("load", "refill"):
            target = FlowTarget(entrypoint=f"flows:{name}", working_folder="/")
            spec = DeploymentSpec(
                name=name,
                flow_name=name,
                target=target,
                tags={"team": "a"},
                retry=RetryPolicy(retries=1),
                limits=("db",),
            )
            self.deployments.save(spec, notebook=None, actor="ana", at=NOON)

    def automate(self, trigger: object, *actions: object, name: str = "auto", **fields: object) -> None:
        one = Automation(name=name, trigger=trigger, actions=actions, **fields)  # type: ignore[arg-type]
        self.automations.save(one, self.now, may_replace=False)

    def service(
        self, perform: Perform | None = None, store: RunStore | None = None, most_kept: int = 1_000
    ) -> AutomationService:
        used = store or self.store
        actions = perform or AutomationActions(used, Settings())
        return AutomationService(used, actions, clock=lambda: self.now, most_kept=most_kept)

    def emit(self, name: str, **fields: object) -> None:
        self._count += 1
        event = CustomEvent(
            event_id=f"e{self._count}",
            event=name,
            resource={"id": "eu"},
            occurred_at=self.now,
            **fields,  # type: ignore[arg-type]
        )
        assert self.events.add(event)

    def run(self, *states: State, returned: str | None = None, deployment: str = "load") -> Run:
        self._count += 1
        run = waiting_run(f"{self._count:032x}", deployment=deployment, deployment_version=1, name=f"run-{self._count}")
        assert self.queue.add(run)
        self.became(run.run_id, *states, returned=returned)
        return self.store.get_run(run.run_id)

    def became(self, run_id: str, *states: State, returned: str | None = None) -> None:
        epoch = self.store.get_run(run_id).epoch
        for state in states:
            if state.is_terminal and returned is not None:
                value = RecordedValue(run_id=run_id, name="rows", type="int", recorded_at=self.now, data=returned)
                self.store.apply([ValueRecorded(value=value, epoch=epoch)])
            change = RunStateChanged(run_id=run_id, state=state, at=self.now, epoch=epoch)
            assert self.store.apply([change]) == [True]

    def runs_of(self, deployment: str) -> list[Run]:
        return [run for run in self.store.list_runs() if run.deployment == deployment]

    def states(self) -> list[FiringState]:
        return [firing.state for firing in self.automations.list_firings()]

    def outcomes(self) -> list[tuple[bool | None, str]]:
        return [(action.is_done, action.outcome) for action in self.automations.list_firings()[0].actions]


@pytest.fixture
def world(any_store_url: str) -> Iterator[World]:
    database = open_database(any_store_url)
    yield World(database)
    database.close()


ENDED = (State.PENDING, State.RUNNING, State.COMPLETED)


def test_a_run_that_returned_nothing_starts_another_deployment_with_parameters_of_its_own(world: World) -> None:
    world.automate(
        Happens(matches=(COMPLETED,)),
        RunDeployment(deployment="refill", parameters={"why": "{{ run.name }}", "rows": "{{ rows }}"}),
        condition="rows == 0",
    )
    service = world.service()

    for rows in ("3", "0", "7"):
        world.run(*ENDED, returned=rows)
        assert service.step(world.now) is None

    (started,) = world.runs_of("refill")
    assert started.parameters == {"why": "run-2", "rows": 0}
    assert started.tags == {"team": "a", "orchestra.automation": "auto", "orchestra.hops": "1"}
    assert (started.state, started.due_at) == (State.SCHEDULED, NOON)
    assert "db" in world.queue.places([started.run_id])[started.run_id].limits
    (firing,) = world.automations.list_firings()
    assert (firing.state, firing.about, firing.hops) == (FiringState.DONE, "run-2 of load is COMPLETED", 1)
    assert world.outcomes() == [(True, f"run {started.name} of deployment refill")]


def test_a_condition_on_what_was_not_returned_is_logged_and_nothing_is_done(world: World) -> None:
    world.automate(Happens(matches=(COMPLETED,)), RunDeployment(deployment="refill"), condition="rows == 0")

    world.run(*ENDED)
    world.service().step(world.now)

    (firing,) = world.automations.list_firings()
    assert (firing.state, firing.actions) == (FiringState.REFUSED, ())
    assert "'rows' is undefined" in firing.message
    assert world.runs_of("refill") == []


def test_each_action_does_what_it_says_and_one_that_fails_keeps_none_from_being_done(
    world: World, tmp_path: Path
) -> None:
    NotificationStore(world.store.database, load_secret_key(tmp_path / "secret.key")).set_channel(
        "chat", Secret("json://example.org"), shown="json://…", may_be_private=False, at=NOON
    )
    failed = world.run(State.PENDING, State.RUNNING, State.FAILED)
    letter = DeadLetter(
        run_id=failed.run_id,
        task_run_id=None,
        epoch=1,
        name="",
        flow_name="",
        ended_as=State.FAILED,
        attempts=1,
        message="",
        created_at=NOON,
    )
    world.store.apply([DeadLetterAdded(letter=letter)])
    waiting = world.run(deployment="refill")
    world.automate(
        IMPORTED,
        RunDeployment(deployment="no-such"),
        PauseDeployment(deployment="load"),
        ResumeDeployment(deployment="refill"),
        RetryRun(run=failed.run_id),
        CancelRun(run="{{ event.payload.run }}"),
        Notify(channel="chat", body="{{ event.name }}", severity="warning"),
        Notify(channel="nobody"),
        EmitEvent(event="seen", resource="{{ event.resource.id }}", payload={"n": "{{ event.payload.n + 1 }}"}),
    )

    world.emit("orders.new", payload={"run": waiting.name, "n": 1})
    world.service().step(world.now)

    assert [is_done for is_done, _ in world.outcomes()] == [False, True, True, True, True, True, False, True]
    assert "no-such" in world.outcomes()[0][1]
    assert world.states() == [FiringState.FAILED]
    assert world.deployments.get("load").is_paused
    again = world.store.get_run(failed.run_id)
    assert (again.state, again.epoch) == (State.SCHEDULED, 2)
    assert "db" in world.queue.places([failed.run_id])[failed.run_id].limits
    assert DeadLetterStore(world.store.database).list_letters(state=LetterState.OPEN) == []
    assert world.store.state_changes(failed.run_id)[-1].actor == "automation auto"
    assert world.store.get_run(waiting.run_id).state is State.CANCELLED
    (message,) = world.outbox.list_deliveries()
    assert (message.rule, message.title, message.body) == ("automation auto", "auto: orders.new of eu", "orders.new")
    (event,) = world.events.newest_events(event="seen")
    assert (event.resource, event.payload) == ({"id": "eu"}, {"n": 2})


def test_what_happened_before_an_automation_was_made_or_while_it_rested_is_nothing_to_it(world: World) -> None:
    world.emit("orders.before")
    world.automate(IMPORTED, EmitEvent(event="seen", resource="{{ event.name }}"))
    service = world.service()
    world.emit("orders.first")
    service.step(world.now)
    world.automations.set_active("auto", False, world.now)
    world.emit("orders.resting")
    service.step(world.now)
    world.automations.set_active("auto", True, world.now)
    world.emit("orders.last")
    service.step(world.now)
    world.service().step(world.now)

    seen = [event.resource["id"] for event in world.events.newest_events(event="seen")]
    assert seen == ["orders.last", "orders.first"]


def test_what_happened_while_no_service_was_up_is_seen_by_the_next_one_and_once(world: World) -> None:
    world.automate(IMPORTED, EmitEvent(event="seen", resource="x"))
    for _ in range(3):
        world.emit("orders.new")

    for _ in range(2):
        world.service().step(world.now)

    assert len(world.events.newest_events(event="seen")) == 3


def test_services_that_work_at_once_act_once_on_each_thing(world: World, any_store_url: str) -> None:
    world.automate(
        Happens(matches=(COMPLETED,)), RunDeployment(deployment="refill", parameters={"of": "{{ run.name }}"})
    )
    world.automate(
        Repeated(match=COMPLETED, count=5, within_seconds=60), EmitEvent(event="five", resource="x"), name="count"
    )
    databases = [open_database(any_store_url) for _ in range(2)]
    services = [world.service(store=RunStore(database)) for database in databases]
    is_over = threading.Event()

    def go_on(service: AutomationService) -> None:
        while not is_over.wait(0.002):
            service.step(world.now)

    threads = [threading.Thread(target=go_on, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    names = [world.run(*ENDED).name for _ in range(30)]
    eventually(lambda: world.states().count(FiringState.DONE) == 36 or None)
    is_over.set()
    for thread, database in zip(threads, databases, strict=True):
        thread.join()
        database.close()

    assert sorted(str(run.parameters["of"]) for run in world.runs_of("refill")) == sorted(names)
    assert len(world.events.newest_events(event="five")) == 6
    assert {firing.attempts for firing in world.automations.list_firings()} == {1}


def test_what_a_service_did_not_do_before_it_died_is_done_by_the_next_one_once(world: World) -> None:
    world.automate(
        IMPORTED, RunDeployment(deployment="refill"), EmitEvent(event="seen", resource="x"), RetryRun(run="run-1")
    )
    world.run(State.PENDING, State.RUNNING, State.FAILED)
    really = AutomationActions(world.store, Settings())

    def dies_after(firing: LoggedFiring, action: LoggedAction, now: datetime) -> str:
        really(firing, action, now)
        if isinstance(action.action, RetryRun):
            raise StoreUnavailable("the service dies here")
        return ""

    world.emit("orders.new")
    with pytest.raises(StoreUnavailable):
        world.service(dies_after).step(world.now)
    assert world.states() == [FiringState.PENDING]
    next_one = world.service()
    look_at = next_one.step(world.now)
    assert look_at == NOON + timedelta(seconds=60)
    assert world.states() == [FiringState.PENDING]
    world.now = look_at
    next_one.step(world.now)

    assert world.states() == [FiringState.DONE]
    assert world.automations.list_firings()[0].attempts == 2
    assert len(world.runs_of("refill")) == 1
    assert len(world.events.newest_events(event="seen")) == 1
    assert world.store.get_run("run-1").epoch == 2


def test_a_firing_that_kills_each_service_is_given_up(world: World) -> None:
    world.automate(IMPORTED, EmitEvent(event="seen", resource="x"))

    def dies(firing: LoggedFiring, action: LoggedAction, now: datetime) -> str:
        raise StoreUnavailable("the service dies here")

    world.emit("orders.new")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            world.service(dies).step(world.now)
        world.now += timedelta(seconds=60)
    world.service(dies).step(world.now)

    assert world.states() == [FiringState.FAILED]
    assert "Each time" in world.automations.list_firings()[0].message


def test_two_deployments_that_start_each_other_stop_after_ten_hops(world: World) -> None:
    for one, other in (("load", "refill"), ("refill", "load")):
        match = RunMatch(states=(State.COMPLETED,), deployments=(one,))
        world.automate(Happens(matches=(match,)), RunDeployment(deployment=other), name=f"after-{one}")
    service = world.service()
    world.run(*ENDED)

    for _ in range(30):
        service.step(world.now)
        for run in world.store.list_runs():
            if run.state is State.SCHEDULED:
                world.became(run.run_id, *ENDED)

    assert len(world.store.list_runs()) == 11
    firings = world.automations.list_firings()
    assert [firing.state for firing in firings] == [FiringState.REFUSED, *[FiringState.DONE] * 10]
    assert "10 hops" in firings[0].message


def test_events_and_retries_that_automations_cause_come_to_an_end_too(world: World) -> None:
    world.automate(IMPORTED, EmitEvent(event="orders.again", resource="x"), name="echo")
    world.automate(
        Happens(matches=(RunMatch(states=(State.FAILED,), has_retried=True),)),
        RetryRun(run="{{ run.run_id }}"),
        name="retry",
    )
    service = world.service()
    world.emit("orders.new")
    run = world.run(State.PENDING, State.RUNNING, State.FAILED)

    for _ in range(30):
        service.step(world.now)
        if world.store.get_run(run.run_id).state is State.SCHEDULED:
            world.became(run.run_id, State.PENDING, State.RUNNING, State.FAILED)

    assert len(world.events.newest_events(event="orders.again", limit=100)) == 10
    assert world.store.get_run(run.run_id).epoch == 11
    assert world.states().count(FiringState.REFUSED) == 2


def test_hops_are_handed_on_to_runs_that_runs_start_and_to_what_these_emit(world: World) -> None:
    world.automate(IMPORTED, EmitEvent(event="seen", resource="x"))
    first = waiting_run("a" * 32, tags=tags_of("other", 7))
    child = msgspec.structs.replace(first, run_id="b" * 32, tags={}, parent_run_id=first.run_id)
    grandchild = msgspec.structs.replace(child, run_id="c" * 32, parent_run_id=child.run_id)
    world.store.apply([RunCreated(run=run) for run in (first, child, grandchild)])

    world.emit("orders.new", run_id=grandchild.run_id)
    world.service().step(world.now)

    (firing,) = world.automations.list_firings()
    assert (firing.hops, firing.run_id) == (8, grandchild.run_id)
    (event,) = world.events.newest_events(event="seen")
    assert hops_of_event(event) == 8


def test_absence_is_noticed_when_its_time_has_come(world: World) -> None:
    world.automate(Absent(expected=COMPLETED, within_seconds=600), EmitEvent(event="silent", resource="load"))
    service = world.service()

    assert service.step(world.now) == NOON + timedelta(seconds=602)  # what came in time may be committed later
    world.now += timedelta(seconds=500)
    world.run(*ENDED)
    assert service.step(world.now) == NOON + timedelta(seconds=1102)
    world.now = NOON + timedelta(seconds=1101)
    service.step(world.now)
    assert world.states() == []
    world.now = NOON + timedelta(seconds=1102)
    for _ in range(2):
        assert world.service().step(world.now) is None

    assert world.states() == [FiringState.DONE]


def test_a_figure_is_counted_over_restarts_and_a_failure_that_is_tried_again_counts_for_nothing(world: World) -> None:
    match = RunMatch(deployments=("load",))
    world.automate(Metric(figure="success_rate", match=match, over=2, below=0.6), PauseDeployment(deployment="load"))

    for states in (ENDED, (State.PENDING, State.RUNNING, State.FAILED), (State.CANCELLED,), ENDED):
        run = world.run(*states)
        world.service().step(world.now)
    assert world.states() == []
    run = world.run(State.PENDING, State.RUNNING, State.FAILED)
    again = RunReopened(run_id=run.run_id, at=NOON, epoch=2, driver_id=None, actor="retry policy", message="")
    assert world.queue.add_again(again, NOON)
    world.became(run.run_id, State.PENDING, State.RUNNING, State.FAILED)
    world.service().step(world.now)

    assert world.states() == [FiringState.DONE]
    assert world.deployments.get("load").is_paused


def test_an_automation_is_kept_replaced_and_deleted_with_what_it_did(world: World) -> None:
    one = Automation(name="auto", trigger=IMPORTED, actions=(EmitEvent(event="seen", resource="x"),))

    assert world.automations.save(one, NOON, may_replace=False) == "created"
    assert world.automations.save(one, NOON, may_replace=True) == "unchanged"
    with pytest.raises(NameTaken):
        world.automations.save(one, NOON, may_replace=False)
    world.emit("orders.new")
    world.service().step(world.now)
    assert world.automations.last_firings(["auto"])["auto"].key == "event/e1"
    other = msgspec.structs.replace(one, description="changed")
    assert world.automations.save(other, NOON, may_replace=True) == "changed"
    resting = msgspec.structs.replace(other, is_active=False)
    assert world.automations.save(resting, NOON, may_replace=True, keeps_active=True) == "unchanged"
    with pytest.raises(NameTaken, match="'auto' already, which is no trigger of the deployment 'load'"):
        world.automations.save(resting, NOON, may_replace=True, trigger_of="load")
    assert [stored.automation for stored in world.automations.list_automations()] == [other]
    assert world.automations.delete("auto")
    assert not world.automations.delete("auto")

    assert world.automations.list_firings() == []
    with pytest.raises(AutomationNotFound):
        world.automations.get("auto")


def test_the_last_entries_of_a_log_are_kept(world: World) -> None:
    world.automate(IMPORTED, EmitEvent(event="seen", resource="x"))
    world.automate(IMPORTED, EmitEvent(event="seen", resource="x"), name="other")
    service = world.service(most_kept=10)

    for _ in range(7):
        for _ in range(4):
            world.emit("orders.new")
        service.step(world.now)

    for name in ("auto", "other"):
        keys = [firing.key for firing in world.automations.list_firings(name)]
        assert keys == [f"event/e{number}" for number in range(28, 18, -1)]


def test_a_pool_is_paused_and_resumed(world: World) -> None:
    pools = PoolStore(world.store.database)
    for event, action in (("orders.full", PausePool(pool="default")), ("orders.done", ResumePool(pool="default"))):
        world.automate(Happens(matches=(EventMatch(names=(event,)),)), action, PausePool(pool="no"), name=event)
    seen = []

    for event in ("orders.full", "orders.done"):
        world.emit(event)
        world.service().step(world.now)
        seen.append((pools.get("default").is_paused, *world.outcomes()[0]))

    assert seen == [(True, True, "paused pool default"), (False, True, "resumed pool default")]
    assert (world.outcomes()[1][0], "'no'" in world.outcomes()[1][1]) == (False, True)


def test_a_deployment_is_moved_to_another_pool_with_its_runs_that_wait(world: World) -> None:
    PoolStore(world.store.database).create(WorkPool(name="gpu"), world.now)
    world.automate(IMPORTED, MoveDeployment(deployment="load", pool="{{ event.payload.pool }}"))
    waiting = [world.run(), world.run()]
    other = world.run(deployment="refill")

    for _ in range(2):
        world.emit("orders.new", payload={"pool": "gpu"})
        world.service().step(world.now)

    places = world.queue.places([run.run_id for run in (*waiting, other)])
    assert [places[run.run_id].pool for run in (*waiting, other)] == ["gpu", "gpu", "default"]
    version = world.deployments.version("load", world.deployments.get("load").version)
    assert (version.version, version.spec.pool, version.note) == (2, "gpu", "moved to pool gpu")
    logged = [firing.actions[0].outcome for firing in world.automations.list_firings()]
    assert logged == ["moved deployment load to pool gpu", "moved deployment load to pool gpu, and 2 runs that wait"]


def test_what_happened_is_read_up_to_a_bound_and_goes_on_from_there(world: World) -> None:
    def looked_at(since: datetime) -> list[tuple[datetime, str | None]]:
        found = happenings_since(world.store.database, since, lambda one: one.event is None, most_rows=500)
        return [(at, None if one is None else one.key) for at, one in found]

    world.run()
    world.now += timedelta(hours=1)
    with world.store.database.together():
        for _ in range(500):
            world.emit("orders.new")
    until, world.now = world.now, world.now + timedelta(hours=1)
    world.run(State.PENDING)

    before, after = looked_at(NOON - timedelta(days=1)), looked_at(until + timedelta(seconds=1))

    assert before[-1] == (until, None)
    assert all(key is not None for _, key in before[:-1])
    assert [key is None for _, key in after] == [False]


def test_what_an_automation_does_is_in_the_audit_trail(world: World) -> None:
    world.automate(IMPORTED, PauseDeployment(deployment="load"), RunDeployment(deployment="refill"))
    world.automate(IMPORTED, PauseDeployment(deployment="gone"), name="broken")
    world.emit("orders.imported")

    world.service().step(world.now)

    [run] = world.runs_of("refill")
    entries = [
        (entry.actor, entry.via.value, entry.action, entry.target, entry.outcome.value, entry.code, entry.run_id)
        for entry in AuditStore(world.store.database).list_entries()
    ]
    assert sorted(entries, key=str)[:2] == [
        ("automation auto", "service", "pause_deployment", "load", "done", "", None),
        ("automation auto", "service", "run_deployment", "refill", "done", "", run.run_id),
    ]
    assert {entry[2:6] for entry in entries if entry[0] == "automation broken"} == {
        ("pause_deployment", "gone", "failed", "deployment_not_found")
    }
