"""Messages of webhooks on each kind of database: each starts one run, whoever takes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import WebhookNotFound
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget, deployed_run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhooks import Receipt, ReceiptState, Webhook
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.webhook_receipts import Outcome, WebhookReceipts
from orchestra_nb.store.webhook_store import WebhookStore
from orchestra_nb.store.work_queue import QueuedRun

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
KEY = Fernet.generate_key()
SPEC = DeploymentSpec(name="etl", flow_name="etl", target=NotebookTarget(path="/nowhere/etl.ipynb"))


@pytest.fixture
def receipts(database: Database) -> WebhookReceipts:
    WebhookStore(database, KEY).add(Webhook(name="orders", deployment="etl"), Secret("secret"), NOW)
    return WebhookReceipts(database, KEY)


def accepted() -> Outcome:
    run = deployed_run(SPEC, 1, run_id=fresh_id(NOW), now=NOW, due_at=NOW, cluster="local")
    return Outcome(state=ReceiptState.ACCEPTED, run=run, queued=QueuedRun.of(run))


def test_servers_that_take_a_message_at_once_start_one_run_and_say_the_same(
    any_store_url: str, receipts: WebhookReceipts, store: RunStore
) -> None:
    def take(number: int) -> Receipt:
        with closing(open_database(any_store_url)) as database:
            return WebhookReceipts(database, KEY).settle("orders", "msg_1", accepted(), NOW)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(16)))

    [run] = store.list_runs(limit=100)
    assert set(map(str, taken)) == {str(receipts.find("orders", "msg_1"))}
    assert (taken[0].run_id, taken[0].run_name) == (run.run_id, run.name)


def test_a_dead_letter_keeps_its_message_until_it_is_settled(receipts: WebhookReceipts, store: RunStore) -> None:
    message = Secret("body \udc80 \0")
    dead = Outcome(state=ReceiptState.DEAD, reason="it failed \0", message=message)

    first = receipts.settle("orders", "msg_1", dead, NOW)
    kept = receipts.get_message(first.number)
    second = receipts.settle("orders", "msg_1", accepted(), NOW, "me")
    third = receipts.settle("orders", "msg_1", accepted(), NOW)

    assert (first.state, first.run_id, kept) == (ReceiptState.DEAD, None, message)
    assert (second.number, second.state, second.reason, second.closed_by) == (1, ReceiptState.ACCEPTED, "", "me")
    assert third == second
    assert receipts.get_message(first.number) is None
    assert [run.run_id for run in store.list_runs(limit=10)] == [second.run_id]


def test_a_webhook_that_was_deleted_meanwhile_starts_nothing(
    receipts: WebhookReceipts, database: Database, store: RunStore
) -> None:
    receipts.settle("orders", "msg_1", accepted(), NOW)
    assert WebhookStore(database).delete("orders")

    with pytest.raises(WebhookNotFound):
        receipts.settle("orders", "msg_2", accepted(), NOW)

    assert receipts.list_receipts() == []
    assert len(store.list_runs(limit=10)) == 1


def test_of_a_name_that_is_not_there_or_a_secret_that_cannot_be_read_nobodys_secret_is_given(
    receipts: WebhookReceipts, database: Database
) -> None:
    nobodys = Secret("nobody's")

    right = WebhookStore(database, KEY).find_with_secrets("orders", nobodys, NOW)
    absent = WebhookStore(database, KEY).find_with_secrets("absent", nobodys, NOW)
    unreadable = WebhookStore(database, Fernet.generate_key()).find_with_secrets("orders", nobodys, NOW)

    assert right[0] is not None
    assert (right[0].webhook.name, right[1]) == ("orders", [Secret("secret"), nobodys])
    assert absent == unreadable == (None, [nobodys, nobodys])
