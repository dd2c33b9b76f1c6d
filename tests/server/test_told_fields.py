"""What answers tell is in the reader's language, by their types: what users gave and their code said stays as it is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from example_runs import NOON, run_of, task_of
from patience import PATIENCE_SECONDS
from sqlalchemy import event as database_events
from sqlalchemy.engine import Engine

from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import LogsWritten, RunCreated, RunStateChanged, TaskRunCreated, TaskRunStateChanged
from orchestra_nb.model.runs import ErrorInfo, LogLine, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_changes import RunChanges
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.server import api_handler, told_fields
from orchestra_nb.server.told_fields import TOLD_FIELDS, records_in, told_in
from orchestra_nb.store.deployment_store import DeploymentStore

API = "orchestra/api/v1"
GERMAN = {"Accept-Language": "de-DE"}

#: Sentences of ours, as users happened to write them.
OURS = {"message": "Cancelled by the user", "reason": "Run it again.", "problem": ["Start a new run."], "name": "x"}
KEPT = ErrorInfo(type="ValueError", message="Run it again.")

#: Names of fields that tell something in some records, and in these have what users, or programs, say.
NOT_TOLD = {
    ("AuditEntry", "outcome"),  # a word for programs, as the next ones
    ("ChangedSchedules", "outcome"),
    ("MadeAutomation", "outcome"),
    ("RolledBack", "outcome"),
    ("Updated", "outcome"),
    ("DeadLetter", "note"),  # of who decided about it
    ("VersionView", "note"),  # of who made it
    ("NumberedLine", "message"),  # of users' code
}


def records_of_answers() -> Iterator[type]:
    """Yield all records that answers and the stream may have in them, each once."""
    seen: set[type] = set()
    open_ = [*(record for endpoint in ENDPOINTS for record in records_in(endpoint.answer_type)), RunChanges]
    while open_:
        if (record := open_.pop()) not in seen:
            seen.add(record)
            yield record
            open_ += [inner for hint in told_fields._hints(record).values() for inner in records_in(hint)]


def test_of_each_field_with_the_name_of_one_that_tells_something_it_is_decided() -> None:
    names = {name for fields in TOLD_FIELDS.values() for name in fields}
    records = set(records_of_answers())

    undecided = [
        (record.__name__, name)
        for record in records
        for name, hint in told_fields._hints(record).items()
        if name in names
        and not list(records_in(hint))
        and name not in TOLD_FIELDS.get(record, {})
        and (record.__name__, name) not in NOT_TOLD
    ]

    assert sorted(undecided) == []
    assert {record.__name__ for record in set(TOLD_FIELDS) - records} == set()
    assert [
        (record.__name__, name)
        for record, fields in TOLD_FIELDS.items()
        for name in fields
        if told_fields._hints(record).get(name) not in (str, str | None, tuple[str, ...])
        and "str" not in str(told_fields._hints(record).get(name))
    ] == []
    assert {name for name, _ in NOT_TOLD} <= {record.__name__ for record in records}


def test_what_tells_nothing_otherwise_is_the_same_object() -> None:
    run = run_of(1, message="waits for its time, noon", parameters=OURS)

    assert told_in(run, None) is run
    assert told_in(run, "en") is run
    assert told_in([run, {"a": run}], "de-DE")[1]["a"].message == "wartet auf seine Zeit, noon"
    assert told_in(run_of(1, parameters=OURS), "de-DE") == run_of(1, parameters=OURS)
    assert told_in({"message": "Run it again."}, "de-DE") == {"message": "Run it again."}


def test_of_errors_only_those_are_translated_that_nobody_raised() -> None:
    died = ErrorInfo(type="KernelDied", message="The kernel died (SIGKILL)", cell="cell 1")
    raised = ErrorInfo(type="KernelDied", message="The kernel died (SIGKILL)", traceback="Traceback …")

    assert told_in(died, "de-DE").message == "Der Kernel ist gestorben (SIGKILL)"
    assert told_in(raised, "de-DE") is raised
    assert told_in(KEPT, "de-DE") is KEPT


def failed_run(store) -> None:
    """Make a run whose user wrote our own sentences wherever they can."""
    run = run_of(1, name="calm-fox", parameters=OURS, tags={"reason": "Run it again."})
    task = task_of(run, "Run it again.")
    line = LogLine(run_id=run.run_id, at=NOON, message="Run it again.", task_run_id=task.task_run_id)
    failed: dict[str, Any] = {"run_id": run.run_id, "state": State.FAILED, "at": NOON}
    store.apply(
        [
            RunCreated(run=run),
            TaskRunCreated(task_run=task),
            RunStateChanged(run_id=run.run_id, state=State.RUNNING, at=NOON),
            TaskRunStateChanged(run_id=run.run_id, task_run_id=task.task_run_id, state=State.RUNNING, at=NOON),
            TaskRunStateChanged(
                task_run_id=task.task_run_id, message="ValueError: Run it again.", error=KEPT, **failed
            ),
            RunStateChanged(message="Task broken failed: ValueError: Run it again. (1 failed)", **failed),
            LogsWritten(lines=(line,)),
        ]
    )


OUR_FRAME = "Aufgabe broken schlug fehl: ValueError: Run it again. (1 failed)"


async def test_what_users_gave_and_their_code_said_stays_as_it_is(
    jp_fetch, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    failed_run(store)

    async def read(path: str, language: dict[str, str] = GERMAN, **request: Any) -> Any:
        answer = await jp_fetch(f"{API}/{path}", headers=dict(language), raise_error=False, **request)
        assert answer.code < 300, answer.body
        return json.loads(answer.body)

    declaring = {
        "cell_type": "code",
        "id": "a",
        "metadata": {"tags": ["parameters"]},
        "source": "given = {}",
        "outputs": [],
        "execution_count": None,
    }
    notebook = {"cells": [declaring], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    schedule = {"cron": "0 9 * * *", "timezone": "UTC", "parameters": {"given": OURS}}
    deployment = {
        "notebook": notebook,
        "parameters": {"given": OURS},
        "description": "Run it again.",
        "schedules": [schedule],
    }
    await read("deployments/train", method="PUT", body=json.dumps(deployment))
    await read("variables/x", method="PUT", body=json.dumps({"value": OURS}))
    shown, tasks, logs = [await read(f"runs/calm-fox{part}") for part in ("", "/tasks", "/logs")]
    plain = await read("runs/calm-fox", {})
    trained = await read("deployments/train")

    assert shown["run"]["message"] == OUR_FRAME
    assert shown["run"]["parameters"] == OURS
    assert shown["run"]["tags"] == {"reason": "Run it again."}
    assert [one["message"] for one in logs["lines"]] == ["Run it again."]
    (task,) = tasks["tasks"]
    assert (task["name"], task["message"]) == ("Run it again.", "ValueError: Run it again.")
    assert task["error"]["message"] == "Run it again."
    assert plain == {**shown, "run": {**shown["run"], "message": plain["run"]["message"]}}
    spec = trained["spec"]
    assert (spec["parameters"], spec["description"]) == ({"given": OURS}, "Run it again.")
    assert [one["parameters"] for one in spec["schedules"]] == [{"given": OURS}]
    assert trained["schedules"][0]["words"] == "um 09:00, täglich, UTC"
    assert (await read("variables/x"))["value"] == OURS


async def test_the_stream_tells_each_in_their_language_and_leaves_what_is_of_users(jp_ws_fetch, store) -> None:
    languages = ("de", "en", None)
    sockets = [
        await jp_ws_fetch("orchestra", "api", "v1", "stream", params={} if one is None else {"language": one})
        for one in languages
    ]
    for socket in sockets:
        assert json.loads(await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS))["hello"]
    await asyncio.to_thread(failed_run, store)
    told = []
    for socket in sockets:
        while True:
            message = json.loads(await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS))
            if any(run["state"] == "FAILED" for run in message["runs"]):
                break
        (run,) = message["runs"]
        assert run["parameters"] == OURS
        (task,) = message["tasks"]
        assert (task["message"], task["error"]["message"]) == ("ValueError: Run it again.", "Run it again.")
        told.append(run["message"])
        socket.close()

    assert told == [OUR_FRAME, *["Task broken failed: ValueError: Run it again. (1 failed)"] * 2]


async def test_clients_that_read_in_one_language_share_the_translation(
    jp_ws_fetch, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated: list[tuple[str, int]] = []
    tell = told_fields.told_in

    def told(answer: Any, language: str | None) -> Any:
        if isinstance(answer, RunChanges) and answer.runs:
            translated.append((str(language), threading.get_ident()))
        return tell(answer, language)

    monkeypatch.setattr(told_fields, "told_in", told)
    sockets = [
        await jp_ws_fetch("orchestra", "api", "v1", "stream", params={"language": one})
        for one in ("de", "de", "de-AT", "en")
    ]
    for socket in sockets:
        await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS)
    await asyncio.to_thread(store.apply, [RunCreated(run=run_of(1, message="Run it again."))])
    messages = [json.loads(await asyncio.wait_for(one.read_message(), PATIENCE_SECONDS)) for one in sockets]
    for socket in sockets:
        socket.close()

    assert [message["runs"][0]["message"] for message in messages] == [
        *["Starten Sie es noch einmal."] * 3,
        "Run it again.",
    ]
    assert [language for language, _ in translated] == ["de-DE"]
    assert threading.get_ident() not in [thread for _, thread in translated]


async def test_an_error_is_translated_beside_the_loop_that_answers_all(
    jp_fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    tell = api_handler.in_language

    def told(text: str, language: str | None) -> str:
        threads.append(threading.get_ident())
        return tell(text, language)

    monkeypatch.setattr(api_handler, "in_language", told)
    body = json.dumps({"name": "x", "kind": "slurm"})
    answer = await jp_fetch(f"{API}/pools", method="POST", body=body, headers=dict(GERMAN), raise_error=False)

    assert "'slurm' ist keines von" in json.loads(answer.body)["detail"]
    assert threads
    assert threading.get_ident() not in threads


async def test_an_answer_that_is_kept_is_told_again_in_the_language_of_who_asks(jp_fetch, store) -> None:
    spec = DeploymentSpec(name="nightly", flow_name="report", target=FlowTarget(entrypoint="f:g", working_folder="/"))
    DeploymentStore(store.database).save(spec, notebook=None, actor="ana", at=NOON)
    of = {"deployment": "nightly", "deployment_version": 1, "kind": RunKind.FLOW, "pool": "default"}
    store.apply([RunCreated(run=run_of(1, name="calm-fox", state=State.FAILED, **of))])

    async def retried(language: str | None) -> tuple[str | None, dict[str, Any]]:
        headers = {"Idempotency-Key": "k", **({} if language is None else {"Accept-Language": language})}
        answer = await jp_fetch(f"{API}/runs/calm-fox/retry", method="POST", body="{}", headers=headers)
        return answer.headers.get("Idempotency-Replayed"), json.loads(answer.body)

    first, second, english = [await retried(language) for language in ("de", "de", None)]

    assert (first[0], second[0], english[0]) == (None, "true", "true")
    assert first[1] == second[1]
    assert first[1]["message"] == "wartet auf einen Dienst, und keiner läuft: `orchestra serve` startet einen"
    assert english[1]["message"] == "waits for a service, and none is up: `orchestra serve` starts one"


async def test_nothing_is_translated_while_others_wait_to_write(
    jp_fetch, jp_serverapp, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    del jp_serverapp
    done: list[str] = []
    told = told_fields.told_in

    def telling(answer: Any, language: str | None) -> Any:
        done.append("told")
        return told(answer, language)

    monkeypatch.setattr(told_fields, "told_in", telling)

    def committed(_connection: object) -> None:
        done.append("committed")

    database_events.listen(Engine, "commit", committed)
    try:
        headers = {**GERMAN, "Idempotency-Key": "k"}
        body = json.dumps({"name": "karten"})
        await jp_fetch(f"{API}/pools", method="POST", body=body, headers=headers)
    finally:
        database_events.remove(Engine, "commit", committed)

    assert done[-2:] == ["committed", "told"]


async def test_a_part_of_an_answer_is_told_in_a_language_and_has_an_etag_of_its_own(jp_fetch, store) -> None:
    store.apply([RunCreated(run=run_of(1, name="calm-fox", message="Run it again."))])

    async def read(**headers: str) -> tuple[str, list[dict[str, Any]]]:
        answer = await jp_fetch(f"{API}/runs", params={"fields": "name,message"}, headers=dict(headers))
        return answer.headers["Etag"], json.loads(answer.body)["runs"]

    german, english = await read(**GERMAN), await read()

    assert german[1] == [{"name": "calm-fox", "message": "Starten Sie es noch einmal."}]
    assert english[1] == [{"name": "calm-fox", "message": "Run it again."}]
    assert german[0] != english[0]
    assert await read(**{"Accept-Language": "*"}) == english
    again = await jp_fetch(
        f"{API}/runs",
        params={"fields": "name,message"},
        headers={**GERMAN, "If-None-Match": german[0]},
        raise_error=False,
    )
    assert again.code == 304
