"""Who hears of which runs: the service at a real store of each kind and a real receiver."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS, eventually
from sqlalchemy import text
from webhook_receiver import PASSWORD, TOKEN, WebhookReceiver, receiving

from orchestra_nb.model.automations import CallWebhook
from orchestra_nb.model.deployments import RETRY_ACTOR, DeploymentSpec, FlowTarget
from orchestra_nb.model.events import RunCreated, RunReopened, RunStateChanged
from orchestra_nb.model.notifications import NotificationRule, Occasion
from orchestra_nb.model.outbox import DeliveryState
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.webhook_signatures import message_id
from orchestra_nb.model.webhooks import WebhookScheme
from orchestra_nb.services.notification_service import NotificationService
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.notification_store import NotificationStore
from orchestra_nb.store.outbox_store import OutboxStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.secret_store import SecretStore
from orchestra_nb.store.work_queue import WorkQueue

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMPLETED, FAILED, CRASHED, MISSED = State.COMPLETED, State.FAILED, State.CRASHED, State.MISSED
PENDING, SENT, DEAD, DISCARDED = DeliveryState

SIGNING = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
#: Eight tries, without waiting for real.
POLICY = RetryPolicy(retries=7, exponential=(30.0, 3600.0))


class Clock:
    """What the services take for the time."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class World:
    """A store, a receiver, a clock that stands still, and services that use all three."""

    def __init__(self, store: RunStore, receiver: WebhookReceiver, key_place: Path) -> None:
        self.store = store
        self.receiver = receiver
        self.key_place = key_place
        self.clock = Clock()
        self.channels = NotificationStore(store.database, load_secret_key(key_place))
        self.outbox = OutboxStore(store.database)
        self.runs = Runs(store)
        self._services: list[NotificationService] = []

    def start(self, store: RunStore | None = None, send_seconds: float = PATIENCE_SECONDS) -> NotificationService:
        service = NotificationService(
            store or self.store,
            self.key_place,
            policy=POLICY,
            send_seconds=send_seconds,
            clock=self.clock,
            chance=lambda: 0.0,
        )
        self._services.append(service)
        return service

    def work(self, service: NotificationService) -> datetime | None:
        """Step until nothing is left that is due now, and return when the service wants to be called next."""
        while True:
            service.step(self.clock.now)
            assert service.wait(PATIENCE_SECONDS)
            due_at = self.outbox.next_look()
            if due_at is None or due_at > self.clock.now:
                return service.step(self.clock.now)

    def add_channel(self, url: str, name: str = "chat", *, may_be_private: bool = True) -> None:
        self.channels.set_channel(name, Secret(url), shown="json://…", may_be_private=may_be_private, at=NOON)

    def add_rule(self, **fields: object) -> None:
        rule = NotificationRule(**{"name": "team", "channels": ("chat",), **fields})  # type: ignore[arg-type]
        self.channels.add_rule(rule, NOON)

    def close(self) -> None:
        self.receiver.release()
        for service in self._services:
            service.close()


@pytest.fixture
def world(any_store_url: str, tmp_path: Path) -> Iterator[World]:
    database = open_database(any_store_url)
    with receiving() as receiver:
        world = World(RunStore(database), receiver, tmp_path / "secret.key")
        yield world
        world.close()
    database.close()


class Runs:
    """Makes runs that end."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._count = 0

    def end(self, state: State, *, message: str = "", **fields: object) -> str:
        self._count += 1
        defaults: dict[str, object] = {"flow_name": "train", "kind": RunKind.NOTEBOOK}
        run = Run(
            run_id=f"{self._count:032x}",
            name=f"run-{self._count}",
            state=State.SCHEDULED if state is MISSED else State.PENDING,
            created_at=NOON,
            **{**defaults, **fields},  # type: ignore[arg-type]
        )
        self._store.apply([RunCreated(run=run)])
        self.became(run.run_id, state, message=message)
        return run.run_id

    def waiting(self, number: str) -> Run:
        return Run(
            run_id=number.zfill(32),
            name=f"waiting-{number}",
            flow_name="train",
            kind=RunKind.FLOW,
            state=State.SCHEDULED,
            created_at=NOON,
            deployment="daily",
            due_at=NOON,
        )

    def became(self, run_id: str, state: State, **fields: object) -> None:
        change = RunStateChanged(run_id=run_id, state=state, at=NOON, **fields)  # type: ignore[arg-type]
        assert self._store.apply([change]) == [True]

    def reopen(self, run_id: str, epoch: int) -> None:
        again = RunReopened(run_id=run_id, at=NOON, epoch=epoch, driver_id=None, actor=RETRY_ACTOR, message="")
        assert self._store.apply([again]) == [True]


def test_a_change_of_health_is_told_and_nothing_else(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    service = world.start()

    for state in (COMPLETED, FAILED, CRASHED, State.CANCELLED, COMPLETED, COMPLETED, MISSED):
        world.runs.end(state, message="no rows")
        assert world.work(service) is None

    assert world.receiver.titles == ["train failed", "train recovered", "train missed"]
    failed, recovered, _ = world.receiver.messages
    assert failed["message"].startswith("run-2 of train is FAILED: no rows")
    assert "Before: run-1 was COMPLETED" in failed["message"]
    assert failed["message"].endswith("Look: orchestra runs show run-2")
    assert (failed["type"], recovered["type"]) == ("failure", "success")
    assert "last run-3" in recovered["message"]


def test_a_rule_that_is_paused_tells_nothing_but_knows_what_is_news_when_it_tells_again(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    service = world.start()

    world.channels.set_paused("team", True)
    world.runs.end(FAILED)
    world.work(service)
    while_paused = list(world.receiver.titles)
    world.channels.set_paused("team", False)
    world.runs.end(FAILED)
    world.runs.end(COMPLETED)
    world.work(service)

    assert while_paused == []
    assert world.receiver.titles == ["train recovered"]


def test_a_rule_that_is_changed_keeps_what_it_knows_and_tells_nothing_of_before(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    service = world.start()
    world.runs.end(FAILED)
    world.work(service)

    changed = NotificationRule(name="team", channels=("chat",), title="{{ moment }}!")
    world.channels.add_rule(changed, NOON, may_overwrite=True)
    world.runs.end(FAILED)
    world.runs.end(COMPLETED)
    world.work(service)

    assert world.receiver.titles == ["train failed", "recovered!"]


def test_changes_are_told_after_a_restart_and_only_once(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.runs.end(FAILED, flow_name="before the rule")
    world.add_rule()
    world.runs.end(FAILED, flow_name="before the service")
    world.work(world.start())

    world.runs.end(FAILED, flow_name="before the next service")
    world.work(world.start())
    world.work(world.start())

    assert world.receiver.titles == ["before the service failed", "before the next service failed"]


def test_services_that_work_at_once_tell_each_failure_once(world: World, any_store_url: str) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule(occasion=Occasion.FAILURE)
    databases = [open_database(any_store_url) for _ in range(2)]
    services = [
        NotificationService(RunStore(database), world.key_place, policy=POLICY, clock=world.clock)
        for database in databases
    ]
    is_over = threading.Event()

    def go_on(service: NotificationService) -> None:
        while not is_over.wait(0.005):
            service.step(world.clock.now)

    threads = [threading.Thread(target=go_on, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for number in range(40):
        world.runs.end(FAILED, flow_name=f"flow-{number}")
    eventually(lambda: len(world.outbox.list_deliveries(states=[SENT], limit=100)) == 40 or None)
    is_over.set()
    for thread, service, database in zip(threads, services, databases, strict=True):
        thread.join()
        service.close()
        database.close()

    assert sorted(world.receiver.titles) == sorted(f"flow-{number} failed" for number in range(40))
    assert [delivery.attempts for delivery in world.outbox.list_deliveries(limit=100)] == [1] * 40


def test_each_channel_gets_its_own_message(world: World) -> None:
    world.add_channel(world.receiver.url("one"), "one")
    world.add_channel(world.receiver.url("two"), "two")
    world.add_rule(channels=("one", "two"))

    world.runs.end(FAILED)
    world.work(world.start())

    assert sorted(world.receiver.paths) == [f"/one/{TOKEN}", f"/two/{TOKEN}"]


def test_a_run_that_is_tried_again_by_its_deployment_is_told_of_at_its_last_try(world: World) -> None:
    spec = DeploymentSpec(
        name="daily",
        flow_name="train",
        target=FlowTarget(entrypoint="m:train", working_folder="/"),
        retry=RetryPolicy(retries=1, infrastructure_retries=1),
    )
    DeploymentStore(world.store.database).save(spec, notebook=None, actor="ana", at=NOON)
    world.add_channel(world.receiver.url())
    world.add_rule()
    service = world.start()

    run_id = world.runs.end(FAILED, deployment="daily", deployment_version=1)
    world.work(service)
    world.runs.reopen(run_id, 2)
    world.runs.became(run_id, CRASHED, epoch=2)
    world.work(service)
    assert world.receiver.titles == []
    world.runs.reopen(run_id, 3)
    world.runs.became(run_id, FAILED, epoch=3)
    world.work(service)
    world.runs.reopen(run_id, 4)
    world.runs.became(run_id, State.PENDING, epoch=4)
    world.runs.became(run_id, COMPLETED, epoch=4)
    world.work(service)

    assert world.receiver.titles == ["train failed (deployment daily)", "train recovered (deployment daily)"]
    assert "Attempt: 3" in world.receiver.messages[0]["message"]


def test_a_run_that_waits_too_long_is_told_of_once(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule(late_seconds=600.0)
    service, queue = world.start(), WorkQueue(world.store.database)
    for number in range(3):
        run = world.runs.waiting(f"{number}")
        assert queue.add(run)

    assert world.work(service) == world.clock.now + timedelta(seconds=5)
    assert world.receiver.titles == []
    for _ in range(2):
        world.clock.advance(600)
        world.work(service)
        world.work(world.start())

    assert world.receiver.titles == ["train late (deployment daily)"]
    assert "Due: 2026-03-01 12:00:00 UTC" in world.receiver.messages[0]["message"]
    assert queue.claim("driver", ["default"], 1, world.clock.now)
    world.runs.became(f"{0:032x}", COMPLETED)
    world.work(service)
    assert world.receiver.titles[1:] == ["train recovered (deployment daily)"]


def test_a_receiver_that_is_stuck_delays_nobody(world: World) -> None:
    world.add_channel(world.receiver.url("stuck"), "stuck")
    world.add_channel(world.receiver.url(), "chat")
    world.add_rule(name="slow", channels=("stuck",), occasion=Occasion.FAILURE)
    for _ in range(20):
        world.runs.end(FAILED)
    service = world.start()
    service.step(world.clock.now)
    assert world.receiver.stuck.acquire(timeout=PATIENCE_SECONDS)
    world.add_rule()

    world.runs.end(FAILED, flow_name="load")
    service.step(world.clock.now)

    (sent,) = eventually(lambda: world.outbox.list_deliveries(states=[SENT]) or None)
    assert (sent.channel, sent.title) == ("chat", "load failed")
    assert world.receiver.titles.count("train failed") == 1  # one at a time
    assert not service.wait(0)
    world.receiver.release()


def test_a_receiver_that_is_stuck_is_given_up_in_time(world: World) -> None:
    world.add_channel(world.receiver.url("stuck"))
    world.add_rule()
    world.runs.end(FAILED)

    next_look = world.work(world.start(send_seconds=0.2))

    (delivery,) = world.outbox.list_deliveries()
    assert (delivery.state, delivery.attempts, next_look) == (PENDING, 1, NOON + timedelta(seconds=30))
    assert delivery.error.startswith("It took longer than 0.2 s.")


def test_a_dead_receiver_makes_a_dead_letter_that_can_be_sent_again(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    world.receiver.status = 503
    world.runs.end(FAILED)
    service = world.start()

    delays = []
    while (next_look := world.work(service)) is not None:
        delays.append((next_look - world.clock.now).total_seconds())
        world.clock.now = next_look

    assert delays == [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0]
    (dead,) = world.outbox.list_deliveries(states=[DEAD])
    assert (dead.attempts, len(world.receiver.messages)) == (8, 8)
    assert "error=503" in dead.error

    world.receiver.status = 200
    world.outbox.retry(dead.number, "ana", world.clock.now)
    world.work(service)

    (sent,) = world.outbox.list_deliveries()
    assert (sent.state, sent.attempts, sent.error, sent.closed_by, sent.closed_at) == (
        SENT,
        1,
        "",
        "ana",
        world.clock.now,
    )


def test_a_message_of_a_service_that_died_is_sent_by_another_when_its_lease_has_run_out(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    world.runs.end(FAILED)
    service = world.start()
    service._write_down(world.clock.now)
    lease_until = world.clock.now + timedelta(seconds=60)
    (lost,) = world.outbox.claim("dead", 8, world.clock.now, lease_until, sending={}, most_a_channel=1)

    assert world.work(service) == lease_until
    assert world.receiver.messages == []
    world.clock.advance(60)
    world.work(service)

    assert world.receiver.titles == ["train failed"]
    assert not world.outbox.sent(lost.number, "dead", world.clock.now)
    assert world.outbox.get(lost.number).attempts == 2


def test_a_message_that_ends_each_process_is_a_dead_letter(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    world.runs.end(FAILED)
    service = world.start()
    service._write_down(world.clock.now)
    for number in range(8):
        claimed = world.outbox.claim(
            f"dead-{number}", 8, world.clock.now, world.clock.now, sending={}, most_a_channel=1
        )
        assert len(claimed) == 1

    world.work(service)

    (dead,) = world.outbox.list_deliveries(states=[DEAD])
    assert "ended before it could say how" in dead.error
    assert world.receiver.messages == []


def test_a_call_is_delivered_or_tried_again_until_it_is_a_dead_letter_that_is_driven_again(world: World) -> None:
    secrets = SecretStore(world.store.database, load_secret_key(world.key_place))
    for name, value in (("key", f"Bearer {TOKEN}"), ("signing", SIGNING), ("address", world.receiver.call_url())):
        secrets.set(name, Secret(value), NOON)
    call = CallWebhook(
        url={"$secret": "address"},
        headers={"Authorization": {"$secret": "key"}, "X-Rows": "3"},
        json={"rows": 3, "was": "λ"},
        signed_with="signing",
        private_hosts=("127.0.0.1",),
    )
    service = world.start()
    world.receiver.status, world.receiver.echo = 503, "Authorization"
    for _ in range(2):
        world.outbox.add_call("automation refill", call, run_id="", moment="a1", at=world.clock.now)

    tries = 0
    while (waiting := world.outbox.get(1)).state is PENDING:
        world.work(service)
        tries += 1
        world.clock.now = max(world.clock.now, world.outbox.get(1).next_try_at)
    dead = world.outbox.get(1)
    world.receiver.status = 204
    world.outbox.retry(1, "ana", world.clock.now)
    world.work(service)

    assert (tries, waiting.number) == (8, 1)
    assert (dead.state, dead.attempts, dead.error) == (DEAD, 8, "It answered 503 Service Unavailable: ••••")
    assert (dead.channel, dead.title) == ("secret://address", "POST •••• (secret address)")
    assert TOKEN not in f"{dead}"
    assert (world.outbox.get(1).state, world.outbox.get(1).error) == (SENT, "")
    assert world.receiver.bodies == [b'{"rows": 3, "was": "' + "λ".encode() + b'"}'] * 9
    sent = world.receiver.headers[-1]
    assert [sent[name] for name in ("authorization", "x-rows", "content-type")] == [
        *(f"Bearer {TOKEN}", "3", "application/json"),
    ]
    assert {one["webhook-id"] for one in world.receiver.headers} == {"msg_a1"}
    received = {name.lower(): value for name, value in sent.items()}
    signed = message_id(WebhookScheme.STANDARD, [Secret(SIGNING)], received, world.receiver.bodies[-1], world.clock.now)
    assert signed == "msg_a1"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"private_hosts": ("localhost",)}, 200, "127.0.0.1 is not an address of the open internet. Where that is"),
        (
            {"host": "0x7f.1"},
            200,
            "Refused: the address 127.0.0.1 is not one of the open internet. Where that is meant,",
        ),
        ({}, 302, "It answered 302 Found: redirects are not followed."),
        ({"signed_with": "gone"}, 200, "No secret 'gone'. Set it with `orchestra secrets set gone`."),
        ({"signed_with": "short"}, 200, "The secret is none of Standard Webhooks"),
        ({"headers": {"X-A": {"$secret": "lines"}}}, 200, "The secret of the header X-A has line breaks"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_a_call_that_may_not_be_made_says_why(world: World, fields: dict[str, Any], status: int, error: str) -> None:
    secrets = SecretStore(world.store.database, load_secret_key(world.key_place))
    for name, value in (("short", "whsec_!"), ("lines", f"{TOKEN}\r\nX-B: 1")):
        secrets.set(name, Secret(value), NOON)
    world.receiver.status = status
    url = world.receiver.call_url().replace("127.0.0.1", fields.get("host", "127.0.0.1"))
    said = {name: value for name, value in fields.items() if name != "host"}
    call = CallWebhook(**{"url": url, "text": "words", "private_hosts": ("127.0.0.1",), **said})

    world.outbox.add_call("automation refill", call, run_id="", moment="a1", at=NOON)
    world.work(world.start())

    assert world.outbox.get(1).error.startswith(error)
    assert TOKEN not in world.outbox.get(1).error
    assert world.receiver.messages == ([{"text": "words"}] if status == 302 else [])


def test_a_receiver_of_calls_that_is_stuck_is_given_up_in_time(world: World) -> None:
    call = CallWebhook(url=world.receiver.call_url("stuck"), json={}, private_hosts=("127.0.0.1",))
    world.outbox.add_call("automation refill", call, run_id="", moment="a1", at=NOON)

    world.work(world.start(send_seconds=0.3))

    assert world.outbox.get(1).error == "It took longer than 0.3 s."


def test_private_addresses_are_refused_unless_the_channel_allows_them(world: World) -> None:
    world.add_channel(world.receiver.url().replace("127.0.0.1", "localhost"), may_be_private=False)
    world.add_rule()
    world.runs.end(FAILED)

    world.work(world.start())

    (delivery,) = world.outbox.list_deliveries()
    assert delivery.error.startswith("Refused: the address 127.0.0.1 is not one of the open internet")
    assert world.receiver.messages == []


def test_secrets_of_an_address_are_nowhere_to_be_read(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule(occasion=Occasion.FAILURE)
    service = world.start()

    with caplog.at_level(logging.DEBUG):
        for status in (500, 200):
            world.receiver.status = status
            world.runs.end(FAILED)
            world.work(service)

    with world.store.database.connect() as connection:
        rows = [
            row
            for table in ("notification_channels", "notification_rules", "notification_standings", "notifications")
            for row in connection.execute(text(f"SELECT * FROM {table}")).all()
        ]
    assert "could not be sent" in caplog.text
    assert [secret for secret in (PASSWORD, TOKEN) if secret in f"{rows} {caplog.text}"] == []


def test_another_key_is_told_as_the_reason(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    world.runs.end(FAILED)
    world.key_place.unlink()

    world.work(world.start())

    (delivery,) = world.outbox.list_deliveries()
    assert "The address of the channel 'chat' was encrypted with another key" in delivery.error


def test_a_service_without_rules_writes_nothing_and_waits_for_the_store(world: World) -> None:
    world.runs.end(FAILED)

    assert world.start().step(world.clock.now) is None

    with world.store.database.connect() as connection:
        assert connection.execute(text("SELECT * FROM service_marks")).all() == []


def test_what_many_runs_did_is_told_in_their_order(world: World) -> None:
    world.add_channel(world.receiver.url())
    world.add_rule()
    for _ in range(400):
        world.runs.end(COMPLETED)
    world.runs.end(FAILED)
    world.runs.end(COMPLETED)

    world.work(world.start())

    assert [delivery.moment for delivery in reversed(world.outbox.list_deliveries())] == ["failed", "recovered"]
    assert world.receiver.titles == ["train failed", "train recovered"]
