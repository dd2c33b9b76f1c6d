"""``orchestra deploy`` and ``orchestra deployments``: made, changed, looked at, run by hand, gone back and deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deployed_files import PIPELINE, document, orchestra, printed, process, refusal, write_notebook
from patience import eventually

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.deployments import BACKFILL_TAG, deployed_run, occurrence_key
from orchestra_nb.model.events import (
    DeadLetterAdded,
    DriverStarted,
    RunCreated,
    RunReopened,
    RunStateChanged,
    RunSuspended,
)
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.deployment_run import wait_for_run
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue

TWO_FLOWS = """
from orchestra_nb import flow
from pipeline import load as imported

@flow
def load():
    report()

@flow
def report():
    pass
"""
CRON = ("--cron", "0 7 * * 1-5", "--timezone", "Europe/Berlin")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    write_notebook(
        tmp_path / "report.ipynb", "print(region)", parameters="region: str = 'EU'\nn: int = 1", outputs=True
    )
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "two.py").write_text(TWO_FLOWS)
    (tmp_path / "none.py").write_text("import json\n")
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


def test_a_deployment_is_made_left_alone_and_changed(store: RunStore) -> None:
    words = ("deploy", "report.ipynb", *CRON, "-p", "n", "3", "--tag", "team=sales")

    made, same = printed(*words), printed(*words)
    changed = printed(*words[:-5], "-p", "n", "4", "--concurrency", "2", "--note", "more")

    assert made.startswith(
        "Created the deployment report of report.\nAt 07:00, Monday through Friday, Europe/Berlin.\n\nNext:\n"
    )
    assert len(made.splitlines()) == 7
    assert same.startswith("The deployment report is unchanged: version 1.\n")
    assert changed.splitlines()[:4] == [
        "Changed the deployment report, now version 2:",
        "  parameters.n: 3 -> 4",
        '  tags: {"team": "sales"} is gone',
        "  concurrency: 2 (new)",
    ]
    newest = printed("deployments", "versions", "report").splitlines()[1]
    assert newest.endswith("  parameters.n, tags, concurrency  more")
    versions = document("deployments", "versions", "report")["versions"]
    assert [(one["version"], one["is_present"], one["note"]) for one in versions] == [(2, True, "more"), (1, False, "")]


def test_a_notebook_is_kept_without_what_it_shows(store: RunStore, tmp_path: Path) -> None:
    printed("deploy", "report.ipynb")
    kept = json.loads(DeploymentStore(store.database).version("report", 1).notebook or "")
    write_notebook(tmp_path / "report.ipynb", "print(region)", parameters="region: str = 'EU'\nn: int = 1")
    same = document("deploy", "report.ipynb")
    write_notebook(tmp_path / "report.ipynb", "print(n)", "2", parameters="region: str = 'EU'\nn: int = 1")
    changed = document("deploy", "report.ipynb")

    assert [(cell["outputs"], cell["execution_count"]) for cell in kept["cells"]] == [([], None)] * 2
    assert (same["outcome"], same["version"]) == ("unchanged", 1)
    assert (changed["outcome"], changed["changes"]) == (
        "changed",
        [{"field": "cells", "before": None, "after": "1 cell changed, 1 cell added"}],
    )


@pytest.mark.parametrize(
    ("words", "exit_code", "code", "message"),
    [
        ("none.ipynb", 3, "notebook_not_found", "There is no notebook"),
        ("report.ipynb -p nn 1", 2, "invalid_parameters", "Did you mean 'n'?"),
        ("report.ipynb -p n x", 2, "invalid_parameters", "'n' is declared as int"),
        ("report.ipynb --cron 61|*|*|*|*", 2, "invalid_schedule", "minutes are 0 to 59"),
        ("report.ipynb --cron @daily --timezone Europe/Berlinn", 2, "invalid_schedule", "Europe/Berlin"),
        ("report.ipynb --cron @daily --every 1h", 2, "usage", "--cron and --every were given"),
        ("report.ipynb --timezone UTC", 2, "usage", "--timezone is about a schedule"),
        ("report.ipynb --concurrency 0", 2, "invalid_input", "At least 1 run"),
        ("report.ipynb --on-conflict skip", 2, "invalid_input", "concurrency"),
        ("report.ipynb --retry-delay 10s", 2, "invalid_input", "no retries"),
        ("report.ipynb --retries 2 --retry-delay soon", 2, "invalid_input", "'soon' is no duration"),
        ("report.ipynb --timeout 0", 2, "invalid_input", "--timeout is a time above 0"),
        ("report.ipynb --name a/b", 2, "invalid_input", "is no name of a deployment"),
        ("report.ipynb --tag =x", 2, "invalid_input", "is no tag"),
        ("report.ipynb --pool gpux", 3, "pool_not_found", "there is default. `orchestra pools create gpux` makes it"),
        ("report.ipynb --limit db", 3, "limit_not_found", "Make it: `orchestra concurrency create db --limit 1`"),
        ("report.ipynb --job-variable image=x:1", 2, "invalid_input", "are for pools of the kind docker or kubernetes"),
        ("report.ipynb --job-variable image", 2, "usage", "--job-variable 'image': write NAME=VALUE"),
        ("report.ipynb -o none/out.ipynb", 2, "invalid_input", "does not exist"),
        ("report.ipynb --secret region none", 3, "secret_not_found", "No secret 'none'"),
        ("report.ipynb --secret region -", 2, "invalid_parameters", "orchestra secrets set NAME"),
        ("pipeline.py:none", 3, "code_not_found", "has no flow 'none'"),
        ("pipeline.py:lod", 3, "code_not_found", "Its flows: load. Did you mean load?"),
        ("two.py", 3, "code_not_found", "Name one: `orchestra deploy two.py:load`, `orchestra deploy two.py:report`."),
        ("none.py", 3, "code_not_found", "has no flow"),
        ("pipeline", 3, "notebook_not_found", "`orchestra deploy pipeline.py`"),
        ("pipelin.py:load", 3, "code_not_found", "pipelin.py. Did you mean pipeline.py?"),
        ("none_such_module:load", 3, "code_not_found", "cannot be imported"),
        ("pipeline.py:load -p days x", 2, "invalid_parameters", "days = 'x'"),
        ("pipeline.py:load -p day 1", 2, "invalid_parameters", "Its parameters are: region, days, options."),
        ("pipeline.py:load --cron @daily", 2, "invalid_parameters", "'region', which has no default"),
        ("report.ipynb -p region EU -r region US", 2, "invalid_parameters", "is given 2 values: 'EU' and 'US'"),
        ("pipeline.py:load --cache", 2, "invalid_input", "cache is for notebooks"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_stored(
    store: RunStore, words: str, exit_code: int, code: str, message: str
) -> None:
    refused = refusal("deploy", *(word.replace("|", " ") for word in words.split()))

    assert (refused[:2], message in refused[2]) == ((exit_code, code), True), refused
    assert document("deployments", "ls") == {"deployments": []}


def test_all_that_is_wrong_with_a_command_is_told_at_once(store: RunStore) -> None:
    words = "--name a/b --pool gpux --limit db --limit api --priority 99999999 --timeout 0 --retry-delay 1s --tag =x"

    code, _, told = refusal("deploy", "report.ipynb", *words.split(), "--cron", "61 * * * *", "-p", "n", "x")
    pool = refusal("pools", "create", "a,b", "--kind", "dask", "--cluster", "foo", "--concurrency", "0")
    webhook = refusal("webhooks", "create", "a/b", "--deployment", "gone", "-p", "x={{ a")

    begins = ["A delay before", "--timeout is", "'=x' is no tag", "'a/b' is no name", "A priority", "The minute '61'"]
    begins += ["Parameter 'n'", "There is no pool 'gpux'", "No concurrency limit 'db'", "No concurrency limit 'api'"]
    assert code == 2
    for found, starts in (
        (told, begins),
        (pool[2], ["'a,b' is no name of a pool", "concurrency: 1 to", "cluster: 'foo' is no dotted path"]),
        (webhook[2], ["'a/b' is no name of a webhook", "The template of 'x' cannot", "There is no deployment 'gone'"]),
    ):
        lines = found.splitlines()
        assert len(lines) == len(starts), found
        assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True)), found


def test_a_secret_is_stored_by_its_name_only(store: RunStore, tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "safe.ipynb", "1", parameters="from orchestra_nb.variables import Secret\ntoken: Secret = Secret('')"
    )
    orchestra("secrets", "set", "api", stdin="open sesame")
    (tmp_path / "p.yaml").write_text("token: open sesame\n")

    refused = refusal("deploy", "safe.ipynb", "-f", "p.yaml")
    made = document("deploy", "safe.ipynb", "--secret", "token", "api")

    assert (refused[1], "keeps no secret's text" in refused[2], "sesame" in refused[2]) == (
        "invalid_parameters",
        True,
        False,
    )
    assert made["spec"]["parameters"] == {"token": {"$secret": "api"}}
    assert b"sesame" not in (tmp_path / "orchestra.db").read_bytes()


def test_a_flow_is_deployed_by_its_file_or_its_module(store: RunStore, tmp_path: Path) -> None:
    of_file = document("deploy", "pipeline.py:load", "-p", "region", "007", "-p", "options", '{"a": [1]}')
    of_module = document("deploy", "pipeline:load", "--name", "by-module", "-p", "days", "2")
    of_only_flow = document("deploy", "pipeline.py", "--name", "unnamed")

    assert of_file["spec"] == {
        "name": "etl",
        "flow": f"{tmp_path}/pipeline.py:load",
        "parameters": {"region": "007", "options": {"a": [1]}},
    }
    assert of_module["spec"] == {
        "name": "by-module",
        "flow": "pipeline:load",
        "cwd": str(tmp_path),
        "import_folder": str(tmp_path),
        "parameters": {"days": 2},
    }
    assert of_only_flow["spec"] == {"name": "unnamed", "flow": f"{tmp_path}/pipeline.py:load"}


def test_lists_and_details_say_how_it_stands(store: RunStore) -> None:
    printed("deploy", "report.ipynb", *CRON, "--description", "What was sold")
    printed("deploy", "pipeline.py:load", "--every", "1h", "-p", "region", "EU", "--paused")
    printed("deployments", "run", "report")

    listed = {one["name"]: one for one in document("deployments", "ls")["deployments"]}
    shown = document("deployments", "show", "report")

    assert [(name, one["kind"], one["is_paused"], one["waiting"]) for name, one in listed.items()] == [
        ("etl", "flow", True, 0),
        ("report", "notebook", False, 1),
    ]
    assert (listed["etl"]["next_at"], listed["report"]["last_run"]) == (None, None)
    assert shown["schedules"][0]["words"] == "at 07:00, Monday through Friday, Europe/Berlin"
    assert (len(shown["fire_times"]), len(shown["runs"]), shown["spec"]["description"]) == (3, 1, "What was sold")
    text = printed("deployments", "show", "report")
    assert all(words in text for words in ("version 1  1 waiting, 0 running", "worked off until", "What was sold"))
    assert "It is paused" in printed("deployments", "show", "etl")
    assert refusal("deployments", "show", "reprot")[1:] == (
        "deployment_not_found",
        "There is no deployment 'reprot'. Did you mean report?",
    )
    assert refusal("runs", "ls", "--deployment", "reprot") == refusal("deployments", "show", "reprot")
    assert "Did you mean FAILED? The states are: SCHEDULED, " in refusal("runs", "ls", "--state", "faild")[2]
    assert document("runs", "ls", "--deployment", "etl") == {"runs": []}


def test_a_planned_run_hides_the_last_one_in_no_list_and_is_shown_when_it_is_due_by_the_clock_of_who_reads(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    printed("deploy", "report.ipynb", "--name", "nightly")
    failed = failed_run(store)
    made = document("deployments", "run", "nightly", "--at", "2126-12-24T18:00", "--json")

    (listed,) = document("deployments", "ls")["deployments"]
    (counted,) = document("stats")["deployments"]
    texts = [printed(*words) for words in (("deployments", "ls"), ("stats",), ("deployments", "show", "nightly"))]

    assert made["due_at"] == listed["next_at"] == counted["next_at"] == "2126-12-24T23:00:00Z"
    assert (listed["last_run"]["name"], listed["waiting"]) == (failed.name, 1)
    assert (counted["last_run"]["name"], counted["open"]) == (failed.name, 1)
    assert all("(America/New_York)" in text and "2126-12-24 18:00" in text for text in texts)
    assert all(failed.name in text for text in texts[1:])
    assert "waits for its time, 2126-12-24 18:00:00 EST" in printed("runs", "ls")
    assert "due         2126-12-24 18:00:00 EST" in printed("runs", "show", made["name"])


def test_times_that_differ_in_parameters_only_are_told_apart(store: RunStore) -> None:
    Path("orchestra.yaml").write_text(
        "deployments:\n- name: report\n  notebook: report.ipynb\n  schedules:\n"
        "  - {cron: 0 9 * * *, parameters: {region: EU}}\n  - {cron: 0 9 * * *, parameters: {region: US}}\n"
    )
    printed("apply", "--yes")

    _, shown = printed("deployments", "show", "report").split("Next:\n")

    assert sorted(line.split()[-1] for line in shown.splitlines()[:2]) == ["region=EU", "region=US"]


def test_a_limit_that_deployments_name_is_not_deleted_in_passing(store: RunStore) -> None:
    printed("concurrency", "create", "db", "--limit", "1")
    printed("deploy", "report.ipynb", "--limit", "db")

    refused = refusal("concurrency", "delete", "db")
    printed("concurrency", "delete", "db", "--force")

    assert (refused[:2], "Deployments name the concurrency limit 'db': report." in refused[2]) == (
        (1, "conflict"),
        True,
    )
    assert document("concurrency", "ls") == {"limits": []}


def test_a_service_of_a_pool_that_is_not_there_does_not_begin(store: RunStore) -> None:
    assert orchestra("serve", "--no-server", "--pool", "nosuch").exit_code == 3


def test_a_run_by_hand_waits_with_its_own_parameters(store: RunStore) -> None:
    printed("pools", "create", "gpu")
    printed("deploy", "report.ipynb", "-p", "n", "3", "--tag", "team=sales", "--pool", "gpu", "--priority", "5")

    made = document("deployments", "run", "report", "-p", "region", "007", "--at", "2027-01-01T09:00")

    run = store.get_run(made["run_id"])
    (queued,) = WorkQueue(store.database).waiting()
    assert (run.state, run.parameters, run.tags) == (State.SCHEDULED, {"n": 3, "region": "007"}, {"team": "sales"})
    assert (run.deployment, run.deployment_version, run.occurrence) == ("report", 1, None)
    assert run.due_at == datetime(2027, 1, 1, 9, tzinfo=UTC) == queued.due_at
    assert (queued.pool, queued.priority) == ("gpu", 5)
    shown = document("runs", "show", made["name"])
    assert (shown["deployment"], shown["deployment_version"], shown["due_at"]) == ("report", 1, "2027-01-01T09:00:00Z")
    assert "due         2027-01-01 09:00:00 UTC" in printed("runs", "show", made["name"])
    assert refusal("deployments", "run", "report", "-p", "n", "x")[:2] == (2, "invalid_parameters")
    assert "cannot be the name" in refusal("deployments", "run", "report", "-p", "n=1", "x")[2]


def test_the_notebook_as_it_was_deployed_says_what_parameters_mean(store: RunStore, tmp_path: Path) -> None:
    printed("deploy", "report.ipynb")
    (tmp_path / "report.ipynb").unlink()

    made = document("deployments", "run", "report", "-p", "n", "5")

    assert made["parameters"] == {"n": 5}


def test_a_run_that_waits_can_be_cancelled(store: RunStore) -> None:
    printed("deploy", "report.ipynb")
    made = document("deployments", "run", "report")

    assert document("runs", "cancel", made["name"]) == {"cancelled": made["run_id"]}

    assert store.get_run(made["run_id"]).state is State.CANCELLED
    assert WorkQueue(store.database).waiting() == []


def test_waiting_for_a_run_ends_with_it(store: RunStore) -> None:
    printed("deploy", "report.ipynb")

    def cancel() -> None:
        run_id = eventually(lambda: next((one.run_id for one in WorkQueue(store.database).waiting()), None))
        WorkQueue(store.database).cancel(run_id, "ana", datetime.now(UTC))

    thread = threading.Thread(target=cancel)
    thread.start()
    result = orchestra("deployments", "run", "report", "--wait", "--json")
    thread.join()

    assert (result.exit_code, json.loads(result.stdout)["state"]) == (1, "CANCELLED")


@pytest.mark.parametrize("retries", [0, 1])
def test_waiting_ends_at_once_where_nothing_is_retried_any_more(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    monkeypatch.setattr("orchestra_nb.operations.deployment_run.DECISION_SECONDS", float("inf"))
    printed("deploy", "report.ipynb", "--retries", str(retries))
    service = describe_this_process("service", 3600)
    store.apply([DriverStarted(driver=service)])
    run_id = document("deployments", "run", "report")["run_id"]
    queue, now = WorkQueue(store.database), datetime.now(UTC)
    for epoch in range(1, retries + 2):
        (claimed,) = queue.claim(service.driver_id, ("default",), 1, now)
        store.apply(
            [RunStateChanged(run_id=run_id, state=State.FAILED, at=now, epoch=claimed.epoch, message="no data")]
        )
        if epoch <= retries:
            again = RunReopened(
                run_id=run_id, at=now, epoch=epoch + 1, driver_id=None, actor="retry policy", message="again"
            )
            assert queue.add_again(again, now)

    assert wait_for_run(store, run_id).state is State.FAILED


def test_waiting_goes_on_while_a_run_that_failed_is_retried(store: RunStore) -> None:
    printed("deploy", "report.ipynb", "--retries", "1")
    store.apply([DriverStarted(driver=describe_this_process("service", 3600))])
    queue = WorkQueue(store.database)

    def run_twice() -> None:
        for epoch, state in ((1, State.FAILED), (2, State.COMPLETED)):
            (run,) = eventually(lambda: queue.claim("s", ["default"], 1, datetime.now(UTC)) or None)
            steps = [
                RunStateChanged(run_id=run.run_id, state=one, at=run.created_at, epoch=epoch)
                for one in (State.RUNNING, state)
            ]
            assert store.apply(steps) == [True, True]
            if epoch == 1:
                again = RunReopened(
                    run_id=run.run_id, at=run.created_at, epoch=2, driver_id=None, actor="retry policy", message="again"
                )
                assert queue.add_again(again, run.created_at)

    thread = threading.Thread(target=run_twice)
    thread.start()
    result = orchestra("deployments", "run", "report", "--wait", "--json")
    thread.join()

    assert (result.exit_code, json.loads(result.stdout)["state"]) == (0, "COMPLETED")


def failed_run(store: RunStore) -> Run:
    """Return a run of a deployment that a worker has driven to its failure."""
    run = store.get_run(document("deployments", "run", "nightly", "--json")["run_id"])
    worker = describe_this_process("worker", 600)
    store.apply([DriverStarted(driver=worker)])
    assert WorkQueue(store.database).claim(worker.driver_id, [str(run.pool)], 1, datetime.now(UTC))
    for state, message in ((State.RUNNING, ""), (State.FAILED, "cell 1: NameError")):
        change = RunStateChanged(
            run_id=run.run_id, state=state, at=datetime.now(UTC), message=message, epoch=store.get_run(run.run_id).epoch
        )
        assert store.apply([change]) == [True]
    letter = DeadLetter(
        run_id=run.run_id,
        task_run_id=None,
        epoch=run.epoch,
        name=run.name,
        flow_name=run.flow_name,
        ended_as=State.FAILED,
        attempts=1,
        message="cell 1: NameError",
        created_at=datetime.now(UTC),
    )
    assert store.apply([DeadLetterAdded(letter=letter)]) == [True]
    return store.get_run(run.run_id)


@pytest.mark.parametrize("command", ["runs", "dead-letters"])
def test_a_run_of_a_deployment_that_failed_waits_in_its_pool_again_and_says_for_what(
    store: RunStore, command: str
) -> None:
    orchestra("pools", "create", "gpu")
    orchestra("deploy", "report.ipynb", "--name", "nightly", "--pool", "gpu")
    run = failed_run(store)

    here = refusal(command, "retry", run.run_id, "--here")[:2]  # what the worker ran is on its machine
    retried = orchestra(command, "retry", run.run_id, "--note", "mended it")
    second = refusal(command, "retry", run.run_id)[:2]

    again = store.get_run(run.run_id)
    assert here == (3, "code_not_found")
    assert (retried.exit_code, retried.stdout) == (
        0,
        f"Run {run.name} of nightly waits in the pool gpu to be run again: orchestra runs show {run.name}\n",
    )
    assert retried.stderr == "It waits for a service, and none is up: `orchestra worker --pool gpu` starts one.\n"
    assert (again.state, again.epoch, again.driver_id, again.pool) == (State.SCHEDULED, 2, None, "gpu")
    assert again.message.endswith(": mended it")
    assert document("dead-letters", "ls", "--json")["dead_letters"] == []
    assert second == ((1, "invalid_transition") if command == "runs" else (1, "conflict"))
    assert WorkQueue(store.database).places([run.run_id])[run.run_id].pool == "gpu"


def test_a_retry_for_scripts_says_where_the_run_waits(store: RunStore) -> None:
    orchestra("deploy", "report.ipynb", "--name", "nightly")
    run = failed_run(store)
    orchestra("pools", "pause", "default")

    retried = document("runs", "retry", run.run_id, "--json")

    assert retried == {
        "run_id": run.run_id,
        "name": run.name,
        "state": "SCHEDULED",
        "epoch": 2,
        "pool": "default",
        "message": "waits for the pool default, which is paused: `orchestra pools resume default` has it go on",
    }


def test_a_suspended_run_of_a_deployment_is_resumed_in_its_pool_with_an_answer_that_fits(store: RunStore) -> None:
    orchestra("deploy", "pipeline.py:load", "-p", "region", "EU")
    run = document("deployments", "run", "etl")
    worker = describe_this_process("worker", 600)
    store.apply([DriverStarted(driver=worker)])
    assert WorkQueue(store.database).claim(worker.driver_id, ["default"], 1, datetime.now(UTC))
    ends = {"run_id": run["run_id"], "at": datetime.now(UTC)}
    store.apply([RunStateChanged(state=State.RUNNING, **ends), RunSuspended(message="waits for n", until=None, **ends)])
    question = RunInput(run_id=run["run_id"], key="n", asked_at=datetime.now(UTC), schema={"type": "integer"})
    RunInputStore(store.database).ask(question)

    wrong = refusal("runs", "resume", run["name"], "--input", "three")[:2]
    resumed = document("runs", "resume", run["name"], "--input", "3")

    assert wrong == (2, "invalid_input")
    assert (resumed["state"], resumed["epoch"], resumed["pool"]) == ("SCHEDULED", 2, "default")
    assert resumed["message"] == "waits for a service, and none is up: `orchestra serve` starts one"
    assert [one.value for one in RunInputStore(store.database).of_run(run["run_id"])] == [3]


def test_it_is_paused_and_goes_on(store: RunStore) -> None:
    printed("deploy", "report.ipynb", *CRON)

    paused = document("deployments", "pause", "report")
    still = document("deploy", "report.ipynb", *CRON, "-p", "n", "2")
    resumed = document("deployments", "resume", "report")
    again = document("deploy", "report.ipynb", *CRON, "-p", "n", "2", "--paused")

    assert (paused["is_paused"], still["is_paused"], still["fire_times"]) == (True, True, [])
    assert (resumed["is_paused"], len(resumed["fire_times"])) == (False, 1)
    assert (again["is_paused"], again["version"], again["changes"]) == (
        True,
        2,
        [{"field": "paused", "before": False, "after": True}],
    )


def test_an_update_takes_the_notebook_anew_and_leaves_all_else(store: RunStore, tmp_path: Path) -> None:
    before = document("deploy", "report.ipynb", *CRON, "-p", "n", "3", "--retries", "2", "--retry-delay", "exp:2s:1m")
    same = document("deployments", "update", "report")
    write_notebook(tmp_path / "report.ipynb", "print(n)", parameters="region: str = 'EU'\nn: int = 1")
    changed = document("deployments", "update", "report", "-p", "region", "007", "--note", "other cells")
    lost = orchestra("deploy", "report.ipynb")

    assert (same["outcome"], changed["version"]) == ("unchanged", 2)
    assert [change["field"] for change in changed["changes"]] == ["parameters.region", "cells"]
    assert changed["spec"] == before["spec"] | {"parameters": {"n": 3, "region": "007"}}
    assert "`orchestra deployments rollback report` brings it back" in lost.stderr
    (tmp_path / "report.ipynb").unlink()
    assert refusal("deployments", "update", "report")[1] == "notebook_not_found"


def test_a_flow_that_is_updated_is_checked_again(store: RunStore, tmp_path: Path) -> None:
    printed("deploy", "pipeline:load", "--name", "etl", "-p", "region", "EU")

    assert document("deployments", "update", "etl")["outcome"] == "unchanged"
    (tmp_path / "pipeline.py").write_text(PIPELINE.replace("def load", "def other"))
    assert refusal("deployments", "update", "etl")[1] == "code_not_found"


def test_it_goes_back_to_an_earlier_version(store: RunStore) -> None:
    for number in ("1", "2", "3"):
        printed("deploy", "report.ipynb", "-p", "n", number)

    before = document("deployments", "rollback", "report")
    first = printed("deployments", "rollback", "report", "--to", "1")
    nothing = refusal("deployments", "rollback", "report")
    new = document("deploy", "report.ipynb", "-p", "n", "9")

    assert (before["version"], before["spec"]["parameters"]) == (2, {"n": 2})
    assert first == "report is at version 1 again:\n  parameters.n: 2 -> 1\n"
    assert nothing[1] == "deployment_not_found"
    assert refusal("deployments", "rollback", "report", "--to", "7")[1] == "deployment_not_found"
    assert new["version"] == 4


def test_deleting_it_cancels_what_waits_and_keeps_the_rest(store: RunStore) -> None:
    printed("deploy", "report.ipynb")
    run_id = document("deployments", "run", "report")["run_id"]

    assert document("deployments", "delete", "report") == {"deleted": "report", "cancelled": 1}

    assert store.get_run(run_id).state is State.CANCELLED
    assert [run["run_id"] for run in document("runs", "ls", "--deployment", "report")["runs"]] == [run_id]
    assert document("runs", "ls", "--deployment", "report", "--state", "running") == {"runs": []}
    assert document("deployments", "ls") == {"deployments": []}
    assert [one["is_present"] for one in document("deployments", "versions", "report")["versions"]] == [False]
    assert refusal("deployments", "delete", "report")[1] == "deployment_not_found"


def test_whoever_deploys_is_told_when_nobody_starts_the_runs(store: RunStore) -> None:
    hint = "No service is up that starts its runs: `orchestra serve` starts one.\n"

    alone = orchestra("deploy", "report.ipynb").stderr
    service = describe_this_process("service", 3600)
    store.apply([DriverStarted(driver=service)])
    PoolStore(store.database).serve(service.driver_id, ["default"], "here", 1)
    served = orchestra("deploy", "report.ipynb").stderr

    assert (alone, served) == (hint, "")


def test_a_backfill_makes_what_is_not_there_and_opens_what_was_missed(store: RunStore) -> None:
    printed("deploy", "report.ipynb", "--cron", "0 7 * * *", "--timezone", "Europe/Berlin", "-p", "n", "3")
    deployment = DeploymentStore(store.database).get("report")
    for day, why in ((3, ""), (4, "late")):
        at = datetime(2026, 3, day, 6, tzinfo=UTC)
        run = deployed_run(
            deployment.spec,
            1,
            run_id=f"{day:032x}",
            now=at,
            due_at=at,
            cluster="local",
            occurrence=occurrence_key(at, {}),
            why_missed=why,
        )
        store.apply([RunCreated(run=run)])
    words = ("deployments", "backfill", "report", "--from", "2026-03-01", "--to", "2026-03-05")

    first = document(*words, "--limit", "2")
    rest = document(*words)
    again = printed(*words)

    counts = ("made", "reopened", "present", "has_more")
    assert [first[name] for name in counts] == [2, 0, 1, True]
    assert [rest[name] for name in counts] == [1, 1, 3, False]
    assert again == "0 runs made; 5 there already. They have the priority -10.\n"
    queued = WorkQueue(store.database).waiting()
    assert [(one.due_at.day, one.priority) for one in queued] == [(1, -10), (2, -10), (4, -10), (5, -10)]
    tagged = {run.occurrence: BACKFILL_TAG in run.tags for run in store.list_runs()}
    assert [tagged[occurrence_key(datetime(2026, 3, day, 6, tzinfo=UTC), {})] for day in (1, 2, 3)] == [
        True,
        True,
        False,
    ]
    missed = store.get_run(f"{4:032x}")
    assert (missed.state, missed.epoch, store.state_changes(missed.run_id)[-1].actor[:15]) == (
        State.SCHEDULED,
        2,
        "command line of",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--from 2026-03-02 --to 2026-03-01", "is empty"),
        ("--from 2026-03-02 --to 2026-03-03 --schedule 2", "has no schedule 2: it has 1"),
        ("--from 2020-01-01 --to 2026-03-03", "More than 10,000 runs would be made. Give a limit"),
        ("--from 2199-01-01 --to 2199-01-02", "which is still to come: a backfill makes runs of the past"),
        ("--from x --to 2026-03-03", "cannot be the first time"),
    ],
)
def test_a_backfill_that_cannot_be_meant_is_refused(store: RunStore, words: str, message: str) -> None:
    printed("deploy", "report.ipynb", "--every", "1m")

    refused = refusal("deployments", "backfill", "report", *words.split())

    assert (refused[0], message in refused[2]) == (2, True), refused
    assert WorkQueue(store.database).waiting() == []


def test_the_command_works_as_a_process(store: RunStore, tmp_path: Path) -> None:
    made = process(tmp_path, "deploy", "report.ipynb", "--every", "15m", "--json")
    listed = process(tmp_path, "deployments", "ls")

    assert (made.returncode, json.loads(made.stdout)["outcome"], made.stderr) == (0, "created", "")
    assert (listed.returncode, "every 15 minutes" in listed.stdout) == (0, True)
