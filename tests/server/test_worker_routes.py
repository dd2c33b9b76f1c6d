"""The server's part of remote workers, with a client that says what a worker says, and what none would."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from example_runs import task_of
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import TokenRefused
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget, NotebookTarget, deployed_run
from orchestra_nb.model.events import (
    LogsWritten,
    RunClaimed,
    RunCreated,
    RunReopened,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
    encode_event,
)
from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.questions import (
    AcquireSlots,
    AnswerError,
    CreateArtifact,
    EmitEvent,
    GetSecret,
    GetVariable,
    ReleaseSlots,
    RenewSlots,
    SetSecret,
    UpdateArtifact,
    decode_answer,
    encode_question,
)
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.runs import LogLine, Run, RunKind
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.operations.api_tokens import create_token, revoke_token
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.remote_workers import end_worker
from orchestra_nb.operations.shared_variables import set_secret, set_variable
from orchestra_nb.services.recovery import sweep
from orchestra_nb.services.worker_api import WorkerApi
from orchestra_nb.services.worker_messages import WorkerHello
from orchestra_nb.settings import load_settings
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.recorded_value_store import RecordedValueStore
from orchestra_nb.store.slot_store import SlotStore
from orchestra_nb.store.work_queue import WorkQueue

WORKERS = "orchestra/api/v1/workers"
NOW = datetime.now(UTC)
NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


class Client:
    """Calls the routes with one token, as a worker of pool ``gpu``."""

    def __init__(self, fetch, store, *scopes: str, name: str) -> None:
        self.token, text = create_token(store, name, scopes, expires_at=None, actor="me", now=NOW)
        for pool in ("gpu", "cpu"):
            PoolStore(store.database).save(WorkPool(name=pool), NOW)
        self._fetch = fetch
        self.headers = {"Authorization": f"Bearer {text.get()}"}
        self.worker = ""

    async def call(self, path: str, body: object = None, method: str = "POST") -> tuple[int, dict[str, object]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self._fetch(
            f"{WORKERS}{path}", method=method, body=data, headers=self.headers, allow_nonstandard_methods=True
        )
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.code, json.loads(answer.body) if is_json else answer.body

    async def begin(self, *pools: str) -> int:
        hello = {"name": "box", "pools": pools or ["gpu"], "host": "elsewhere", "pid": 1, "room": 2, "version": "0"}
        code, self.welcome = await self.call("", hello)
        self.worker = f"/{self.welcome.get('worker_id')}"
        return code

    async def work(self, room: int = 1, held: list[Run] = [], **more: object) -> dict[str, object]:  # noqa: B006
        runs = [{"run_id": run.run_id, "epoch": run.epoch} for run in held]
        code, given = await self.call(f"{self.worker}/work", {"room": room, "held": runs, **more})
        assert code == 200, given
        return given

    async def tell(self, first: int, *events: object) -> tuple[int, dict[str, object]]:
        told = {
            "numbers": list(range(first, first + len(events))),
            "events": [json.loads(encode_event(event)) for event in events],
        }
        return await self.call(f"{self.worker}/events", told)


@pytest.fixture
def client_of(jp_serverapp, http_server_client, jp_base_url, store):
    def make(*scopes: str, name: str = "box") -> Client:
        async def fetch(path: str, **options: object):
            return await http_server_client.fetch(f"{jp_base_url}{path}", raise_error=False, **options)

        for pool in ("gpu", "cpu"):
            PoolStore(store.database).save(WorkPool(name=pool), NOW)
        return Client(fetch, store, *scopes, name=name)

    return make


def waiting_run(store, pool: str = "gpu", target=None, **more: object) -> Run:
    """Have a run of a deployment wait."""
    target = target or NotebookTarget(path="/nowhere/report.ipynb")
    spec = DeploymentSpec(name=f"of-{pool}", flow_name="report", target=target, pool=pool)
    deployment = DeploymentStore(store.database).save(spec, notebook=NOTEBOOK, actor="me", at=NOW)
    run = deployed_run(
        spec, deployment.version, run_id=fresh_id(NOW), now=NOW, due_at=more.pop("due_at", NOW), cluster="local", **more
    )
    assert WorkQueue(store.database).add(run, pool)
    return run


def changed(run: Run, state: State, **more: object) -> RunStateChanged:
    return RunStateChanged(run_id=run.run_id, state=state, at=datetime.now(UTC), **more)


async def test_a_worker_claims_runs_of_its_pools_and_what_it_tells_is_written_once(client_of, store) -> None:
    other, run = waiting_run(store, "cpu"), waiting_run(store)
    box = client_of("worker:gpu")

    assert await box.begin("gpu", "cpu") == 403
    assert box.welcome["detail"] == "The token 'box' does not have the scope worker:cpu."
    assert await box.begin() == 201
    [claimed] = (await box.work())["claimed"]
    assert (claimed["run"]["run_id"], claimed["version"]["notebook"]) == (run.run_id, NOTEBOOK)
    # the answer was lost, so it comes again; and once it has arrived it does not
    [again] = (await box.work())["claimed"]
    assert again["run"] == claimed["run"]
    assert (await box.work(held=[run])) == {"claimed": [], "cancels": [], "lost": []}

    task = task_of(run, "load")
    line = LogLine(run_id=run.run_id, task_run_id=None, at=NOW, level=20, logger="print", message="once")
    events = [changed(run, State.RUNNING), TaskRunCreated(task_run=task), LogsWritten(lines=(line,))]
    assert await box.tell(1, *events) == (200, {"until": 3, "lost": []})
    assert await box.tell(1, *events, changed(run, State.COMPLETED)) == (200, {"until": 4, "lost": []})
    seen = store.get_run(run.run_id)
    assert (seen.state, seen.driver_id) == (State.COMPLETED, box.worker[1:])
    assert [line.message for _, line in store.log_lines(run.run_id)] == ["once"]
    assert [one.name for one in store.task_runs(run.run_id)] == ["load"]
    assert store.get_run(other.run_id).state is State.SCHEDULED


async def test_a_worker_is_told_that_its_token_is_none_that_the_server_knows(
    client_of, jp_http_port, jp_base_url
) -> None:
    api = WorkerApi(f"http://localhost:{jp_http_port}{jp_base_url}", Secret("no token of ours"))
    hello = WorkerHello(name="box", pools=("gpu",), host="elsewhere", pid=1, version="0", room=1)

    with pytest.raises(TokenRefused, match="does not know the token"):
        await asyncio.to_thread(api.register, hello)
    api.close()


async def test_a_worker_changes_nothing_of_what_is_not_its(client_of, store) -> None:
    mine, theirs = waiting_run(store), waiting_run(store, "cpu")
    box, rival = client_of("worker:gpu"), client_of("worker", name="rival")
    await box.begin()
    await rival.begin("cpu")
    await box.work()
    await rival.work()
    task = task_of(theirs, "load")
    await rival.tell(1, changed(theirs, State.RUNNING), TaskRunCreated(task_run=task))
    child = msgspec.structs.replace(
        theirs,
        run_id=fresh_id(NOW),
        kind=RunKind.FLOW,
        state=State.PENDING,
        parent_run_id=mine.run_id,
        deployment="of-cpu",
        occurrence="x",
    )
    escaping = msgspec.structs.replace(child, run_id="../../x")
    line = LogLine(run_id=theirs.run_id, task_run_id=None, at=NOW, level=20, logger="print", message="false")

    code, taken = await box.tell(
        1,
        changed(theirs, State.FAILED),
        TaskRunStateChanged(run_id=mine.run_id, task_run_id=task.task_run_id, state=State.FAILED, at=NOW),
        LogsWritten(lines=(line,)),
        RunClaimed(run_id=theirs.run_id, at=NOW, driver_id=box.worker[1:], from_driver_id=rival.worker[1:]),
        RunReopened(run_id=theirs.run_id, at=NOW, epoch=2, driver_id=box.worker[1:], actor="x", message="x"),
        RunCreated(run=escaping),
        RunCreated(run=child),
        changed(child, State.RUNNING),
    )

    assert (code, taken["lost"]) == (200, [{"run_id": theirs.run_id, "epoch": 1}])
    assert store.get_run(theirs.run_id).state is State.RUNNING
    assert [one.state for one in store.task_runs(theirs.run_id)] == [task.state]
    assert store.log_lines(theirs.run_id) == []
    [seen] = store.children(mine.run_id)
    assert (seen.run_id, seen.state, seen.driver_id) == (child.run_id, State.RUNNING, box.worker[1:])
    assert (seen.deployment, seen.occurrence, seen.pool) == (None, None, None)
    notebook = f"{rival.worker}/runs/{theirs.run_id}/notebook?epoch=1"
    for path, method in ((notebook, "PUT"), (f"{rival.worker}/work", "POST"), (rival.worker, "DELETE")):
        code, problem = await box.call(path, {"room": 1}, method)
        assert (code, problem["detail"]) == (404, "This token has no such worker.")
    code, problem = await box.call(f"{box.worker}/runs/{theirs.run_id}/notebook?epoch=1", b"{}", "PUT")
    assert (code, problem["code"]) == (409, "not_this_workers")
    code, problem = await box.call(f"{box.worker}/runs/{mine.run_id}/notebook?epoch=2", b"{}", "PUT")
    assert code == 409
    code, problem = await client_of("runs:read", name="reader").call("", {})
    assert problem["detail"] == "The token 'reader' does not have the scope worker."


async def test_a_call_for_work_waits_until_there_is_some_is_due_or_a_cancel_comes(client_of, store) -> None:
    box = client_of("worker:gpu")
    await box.begin()

    waiting = asyncio.ensure_future(box.work(room=0, wait_seconds=15))
    while not waiting.done():
        await box.work(room=0)  # what was asked before says too little now
    soon = waiting_run(store, due_at=datetime.now(UTC) + timedelta(seconds=0.5))
    later = asyncio.ensure_future(box.work(room=1, wait_seconds=15))
    [claimed] = (await later)["claimed"]
    assert claimed["run"]["run_id"] == soon.run_id

    waiting = asyncio.ensure_future(box.work(held=[soon], wait_seconds=15))
    await asyncio.to_thread(store.request_cancel, soon.run_id, None, "me", NOW)
    [cancel] = (await waiting)["cancels"]
    assert (cancel["run_id"], cancel["actor"]) == (soon.run_id, "me")
    assert (await box.work(held=[soon], heard=cancel["sequence"]))["cancels"] == []


async def test_what_a_worker_has_not_begun_waits_again_when_it_ends_and_what_it_has_is_crashed(
    client_of, store
) -> None:
    begun, unbegun, unwanted = waiting_run(store), waiting_run(store), waiting_run(store)
    box, next_box = client_of("worker:gpu"), client_of("worker:gpu", name="next")
    await box.begin()
    await box.work(room=3)
    await box.tell(1, changed(begun, State.RUNNING))
    store.request_cancel(unwanted.run_id, None, "ana", NOW)

    assert (await box.call(box.worker, method="DELETE"))[0] == 200

    waiting = store.get_run(unbegun.run_id)
    assert (waiting.state, waiting.driver_id, waiting.epoch) == (State.SCHEDULED, None, 1)
    assert waiting.message == "The remote worker (pid 1 on elsewhere) ended before it began this, which waits again."
    assert [store.get_run(run.run_id).state for run in (begun, unwanted)] == [State.CRASHED, State.CANCELLED]
    await next_box.begin()
    [claimed] = (await next_box.work(room=3))["claimed"]
    assert claimed["run"]["run_id"] == unbegun.run_id


async def test_a_worker_whose_runs_cannot_be_given_back_has_not_ended(client_of, store) -> None:
    run, box = waiting_run(store), client_of("worker:gpu")
    await box.begin()
    await box.work()
    worker_id = box.worker.removeprefix("/")
    with store.database.write() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON queued_runs BEGIN SELECT RAISE(ABORT, 'no room'); END")
        )

    with pytest.raises(IntegrityError, match="no room"):
        end_worker(store, box.token, worker_id, NOW)

    assert sweep(store, NOW) == []  # nothing to be ended is left by a worker that has
    assert store.get_run(run.run_id).state is State.PENDING
    with store.database.write() as connection:
        connection.execute(text("DROP TRIGGER full"))
    assert (await box.call(box.worker, method="DELETE"))[0] == 200
    assert store.get_run(run.run_id).state is State.SCHEDULED


async def test_a_call_that_waits_claims_nothing_once_its_token_is_revoked(jp_serverapp, client_of, store) -> None:
    box = client_of("worker:gpu")
    await box.begin()
    asked = {"room": 1, "wait_seconds": 15}
    calling = asyncio.ensure_future(box.call(f"{box.worker}/work", asked))
    access = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app.access
    while box.worker[1:] not in access.waiting_workers:
        await asyncio.sleep(0.01)

    await asyncio.to_thread(revoke_token, store, "box", actor="me", now=datetime.now(UTC))
    run = await asyncio.to_thread(waiting_run, store)

    code, problem = await calling
    assert (code, problem["detail"]) == (
        401,
        "The token 'box' was revoked. `orchestra tokens create` makes another one.",
    )
    assert store.get_run(run.run_id).state is State.SCHEDULED


async def test_a_run_that_others_have_ended_is_told_to_be_lost_and_one_that_its_worker_forgot_is_ended(
    client_of, store
) -> None:
    run = waiting_run(store)
    box = client_of("worker:gpu")
    await box.begin()
    await box.work()
    await box.tell(1, changed(run, State.RUNNING))

    await box.work(room=0)  # asked before it began, and arrived after
    assert store.get_run(run.run_id).state is State.RUNNING
    await box.work(room=0, told=1)

    ended = store.get_run(run.run_id)
    assert (ended.state, ended.message) == (State.CRASHED, "Its worker does not know it any more.")
    assert (await box.work(held=[run]))["lost"] == [{"run_id": run.run_id, "epoch": 1}]


async def test_a_worker_without_a_sign_of_life_is_dead_once_a_sweeper_has_waited_for_it(client_of, store) -> None:
    run = waiting_run(store)
    box = client_of("worker:gpu")
    await box.begin()
    await box.work()
    part = {
        "cells": [{"cell_type": "code", "source": "", "metadata": {"papermill": {"status": "running"}}}],
        "metadata": {"papermill": {}, "orchestra": {}},
    }
    _, kept = await box.call(f"{box.worker}/runs/{run.run_id}/notebook?epoch=1", part, "PUT")
    [driver] = Leases(store.database).drivers_without_end()
    assert (driver.driver_id, driver.host, driver.boot_id) == (box.worker[1:], "elsewhere", "")
    lease = driver.lease_until - driver.heartbeat_at
    over = driver.lease_until + lease + timedelta(seconds=1)

    assert sweep(store, over) == sweep(store, over, watching_since=over - timedelta(seconds=2)) == []
    [ended] = sweep(store, over, watching_since=driver.heartbeat_at - timedelta(seconds=2))

    assert (ended.run_id, ended.state) == (run.run_id, State.CRASHED)
    assert ended.message.startswith("The remote worker (pid 1 on elsewhere) died: no sign of life since")
    settled = json.loads(Path(str(kept["url"])).read_text())
    assert (settled["metadata"]["orchestra"]["state"], settled["cells"][0]["metadata"]["papermill"]["exception"]) == (
        "CRASHED",
        True,
    )
    for path, body in (("work", {"room": 1}), ("events", {"numbers": [], "events": []})):
        code, problem = await box.call(f"{box.worker}/{path}", body)
        assert (code, problem["code"]) == (409, "not_this_workers")


async def test_files_of_a_run_are_kept_where_the_server_says(client_of, store, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    wanted = tmp_path / "out" / "report.ipynb"
    run = waiting_run(store, target=NotebookTarget(path="/nowhere/report.ipynb", output_path=str(wanted)))
    box = client_of("worker:gpu")
    await box.begin()
    await box.work()
    of_run = f"{box.worker}/runs/{run.run_id}"
    value = b'{"rows": 3}'
    digest = hashlib.sha256(value).hexdigest()

    code, part = await box.call(f"{of_run}/notebook?epoch=1", b'{"cells": []}', "PUT")
    assert (code, store.get_run(run.run_id).output_path) == (200, part["url"])
    assert Path(str(part["url"])).read_text() == '{"cells": []}'
    code, whole = await box.call(f"{of_run}/notebook?epoch=1&is_whole=true", NOTEBOOK.encode(), "PUT")
    assert (code, whole["url"], wanted.read_text()) == (200, str(wanted), NOTEBOOK)

    wrong = [f"{'0' * 64}?epoch=1&serializer=json", f"{digest}?epoch=1&serializer=pickle"]
    assert [(await box.call(f"{of_run}/values/{path}", value, "PUT"))[0] for path in wrong] == [422, 422]
    code, kept = await box.call(f"{of_run}/values/{digest}?epoch=1&serializer=json", value, "PUT")
    assert (code, Path(str(kept["url"])).read_bytes()) == (200, value)
    reference = ResultReference(
        url="/etc/passwd", digest=digest, serializer="json", size_bytes=len(value), created_at=NOW
    )
    recorded = RecordedValue(run_id=run.run_id, name="rows", type="dict", recorded_at=NOW, reference=reference)
    unsent = msgspec.structs.replace(
        recorded, name="unsent", reference=msgspec.structs.replace(reference, digest="0" * 64)
    )
    await box.tell(1, ValueRecorded(value=recorded), ValueRecorded(value=unsent))
    [first, second] = RecordedValueStore(store.database).of_run(run.run_id)
    assert first.reference is not None
    assert first.reference.url == kept["url"]
    assert (second.reference, second.unreadable != "") == (None, True)
    code, _ = await box.call(f"{of_run}/questions", b"x" * 17_000_000)
    assert code == 413


async def test_an_output_that_arrives_after_its_run_is_somebody_elses_is_not_kept(
    jp_http_port, jp_base_url, client_of, store, tmp_path: Path
) -> None:
    wanted = tmp_path / "report.ipynb"
    wanted.write_text("of the next one")
    run = waiting_run(store, target=NotebookTarget(path="/nowhere/report.ipynb", output_path=str(wanted)))
    box = client_of("worker:gpu")
    await box.begin()
    await box.work()
    path = f"{jp_base_url}{WORKERS}{box.worker}/runs/{run.run_id}/notebook?epoch=1&is_whole=true"
    head = {**box.headers, "Host": "localhost", "Content-Length": str(len(NOTEBOOK)), "Connection": "close"}
    lines = [f"PUT {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", NOTEBOOK[:9]]
    reader, writer = await asyncio.open_connection("localhost", jp_http_port)
    writer.write("\r\n".join(lines).encode())
    while not list(attempts_folder().glob(".received.*")):
        await asyncio.sleep(0.01)

    again = RunReopened(run_id=run.run_id, at=NOW, epoch=2, driver_id=None, actor="me", message="again")
    store.apply([changed(run, State.CRASHED), again])
    writer.write(NOTEBOOK[9:].encode())
    answer = (await reader.read()).decode()
    writer.close()

    assert (answer.split()[1], "not_this_workers" in answer) == ("409", True), answer
    assert wanted.read_text() == "of the next one"
    assert not list(attempts_folder().glob(f"*{run.run_id}*"))


async def test_code_of_a_run_gets_the_secrets_that_its_parameters_name_and_no_others(client_of, store) -> None:
    key_place = load_settings().secret_key_place
    for name in ("db", "other"):
        set_secret(store, name, Secret(f"{name}-text"), key_place, NOW)
    set_variable(store, "region", "EU", tags=(), may_overwrite=False, now=NOW)
    target = FlowTarget(entrypoint="m:f", working_folder="/nowhere")
    run = waiting_run(store, target=target, parameters={"password": {"$secret": "db"}})
    box, trusted = client_of("worker:gpu"), client_of("worker:gpu", "secrets", name="trusted")
    await box.begin()
    await box.work()

    async def ask(client: Client, question: object, of: Run = run):
        answer = await client.call(f"{client.worker}/runs/{of.run_id}/questions", encode_question(question))
        return decode_answer(answer[1])

    assert (await ask(box, GetVariable(name="region"))).value_json == '"EU"'
    assert (await ask(box, GetSecret(name="db"))).text == "db-text"
    refused = [await ask(box, GetSecret(name="other")), await ask(box, SetSecret(name="db", text="x"))]
    assert [answer.code for answer in refused] == ["ScopeMissing", "ScopeMissing"]
    assert "lacks the scope secrets" in refused[0].message
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    running = changed(run, State.RUNNING)
    await box.tell(1, running, msgspec.structs.replace(changed(run, State.COMPLETED), at=long_ago))
    over = encode_question(GetSecret(name="db"))
    code, problem = await box.call(f"{box.worker}/runs/{run.run_id}/questions", over)
    assert (code, "it asks no more" in problem["detail"]) == (409, True)
    of_trusted = waiting_run(store, target=target)
    await trusted.begin()
    await trusted.work()
    assert (await ask(trusted, GetSecret(name="other"), of_trusted)).text == "other-text"


async def test_code_of_a_run_reaches_no_slots_artifacts_and_tasks_of_other_workers(client_of, store) -> None:
    SlotStore(store.database).create_limit(ConcurrencyLimit(name="db", limit=4), NOW)
    mine, theirs = waiting_run(store), waiting_run(store, "cpu")
    box, rival = client_of("worker:gpu"), client_of("worker:cpu", name="rival")
    await box.begin()
    await rival.begin("cpu")
    await box.work()
    await rival.work()
    task = task_of(theirs, "load")
    await rival.tell(1, changed(theirs, State.RUNNING), TaskRunCreated(task_run=task))

    async def ask(client: Client, of: Run, question: object, task: str = ""):
        path = f"{client.worker}/runs/{of.run_id}/questions{task and f'?task={task}'}"
        return await client.call(path, encode_question(question))

    def taking(holder: str) -> AcquireSlots:
        return AcquireSlots(names=("db",), occupy=1, holder=holder, lease_seconds=60)

    for client, run in ((box, mine), (rival, theirs)):
        assert (await ask(client, run, taking(client.worker)))[0] == 200
    made = decode_answer((await ask(rival, theirs, CreateArtifact(type="markdown", data_json='"old"')))[1])
    own = decode_answer((await ask(box, mine, CreateArtifact(type="markdown", data_json='"old"')))[1])

    refused = [
        await ask(box, mine, question)
        for question in (
            taking(rival.worker),
            RenewSlots(holder=rival.worker, lease_seconds=9_999),
            ReleaseSlots(holder=rival.worker),
            UpdateArtifact(artifact_id=made.id, data_json='"new"'),
            EmitEvent(event="orchestra.api-token.revoked", resource={"id": "x"}, event_id="a" * 32, occurred_at=NOW),
        )
    ]

    assert [decode_answer(answer).code for _, answer in refused] == ["ScopeMissing"] * 5
    assert (await ask(box, mine, GetVariable(name="x"), task.task_run_id))[0] == 409
    for question in (ReleaseSlots(holder=box.worker), UpdateArtifact(artifact_id=own.id, data_json='"new"')):
        assert not isinstance(decode_answer((await ask(box, mine, question))[1]), AnswerError)
    [state] = SlotStore(store.database).limits(NOW)
    assert [held.holder for held in state.held] == [rival.worker]
    assert ArtifactStore(store.database).get(made.id).data == "old"
    assert ArtifactStore(store.database).get(own.id).data == "new"
