"""What is too old goes, in small transactions; what somebody may still need stays. On both kinds of database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from fsspec.core import url_to_fs
from sqlalchemy import Table, func, select, update

from orchestra_nb.cli.main import main
from orchestra_nb.engine.result_files import write_file
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.assets import Materialization
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    DriverEnded,
    DriverStarted,
    LogsWritten,
    RunCodeRecorded,
    RunCreated,
    RunReopened,
    TaskRunCreated,
    ValueRecorded,
)
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.retention import KEPT_CHANGES, Cleaned, Horizon
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import CellRun, Driver, LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_changes import changes_since, last_sequence
from orchestra_nb.services.retention import Retention, RetentionService
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.code_tables import artifacts, custom_events, dead_letters, materializations, run_codes
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import open_database
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.event_log import EventLog
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.old_records import OldRecords
from orchestra_nb.store.old_runs import OldRuns
from orchestra_nb.store.result_index import ResultIndex
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import cell_runs, changes, drivers, log_lines, recorded_values, runs, task_runs
from orchestra_nb.store.service_tables import (
    automation_firings,
    deployment_versions,
    doomed_files,
    kept_answers,
    notifications,
    queued_runs,
)
from orchestra_nb.store.work_queue import WorkQueue

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=100), NOW - timedelta(days=1)
#: When it is cleaned: after all files of a test were written.
LATER = NOW + timedelta(hours=1)
HORIZON = Horizon.of(NOW, runs_days=90, logs_days=30, results_days=365)


@pytest.fixture
def store(any_store_url: str) -> Iterator[RunStore]:
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


def run_of(number: int, at: datetime = OLD, **fields: object) -> Run:
    defaults: dict[str, object] = {
        "run_id": new_id(at, number),
        "name": f"run-{number}",
        "flow_name": "train",
        "kind": RunKind.NOTEBOOK,
        "state": State.COMPLETED,
        "created_at": at,
        "started_at": at,
        "ended_at": at,
    }
    return Run(**{**defaults, **fields})  # type: ignore[arg-type]


def add(store: RunStore, *records: Run) -> None:
    store.apply([RunCreated(run=run) for run in records])


def names(store: RunStore) -> list[str]:
    return sorted(run.name for run in store.list_runs(limit=500))


def clean(store: RunStore, outputs: Path, horizon: Horizon = HORIZON) -> Cleaned:
    return sum(Retention(store.database, horizon, outputs).clean(LATER), Cleaned())


def count(store: RunStore, table: Table) -> int:
    with store.database.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def make_run_with_everything(store: RunStore, number: int, at: datetime, **fields: object) -> Run:
    """Add a run with a row in each table that has rows of runs."""
    run = run_of(number, at, state=State.RUNNING, ended_at=None, **fields)
    add(store, run)
    task_id = f"task-{number}"
    ArtifactStore(store.database).create(
        StoredArtifact(
            artifact_id=f"a{number}", type="markdown", data="x", created_at=at, updated_at=at, run_id=run.run_id
        )
    )
    task = TaskRun(task_run_id=task_id, run_id=run.run_id, name="fit", state=State.COMPLETED, created_at=at)
    cell = CellRun(run_id=run.run_id, index=0, cell_id="c", state=State.COMPLETED)
    store.apply(
        [
            TaskRunCreated(task_run=task),
            CellRunChanged(cell=cell),
            LogsWritten(lines=(LogLine(run_id=run.run_id, task_run_id=task_id, at=at, message="hello"),)),
            ValueRecorded(value=RecordedValue(run_id=run.run_id, name="auc", type="float", recorded_at=at, data="1")),
        ]
    )
    with store.database.write() as connection:
        ended = {"state": State.COMPLETED.value, "ended_at": at}
        connection.execute(update(runs).where(runs.c.run_id == run.run_id).values(ended))
    return run


def test_an_old_run_goes_with_all_that_belongs_to_it(store: RunStore, outputs: Path, tmp_path: Path) -> None:
    old = make_run_with_everything(store, 1, OLD)
    young = make_run_with_everything(store, 2, YOUNG)
    for run in (old, young):
        for ending in ("1.ipynb", "source.ipynb", "source.json", "1.log"):
            (outputs / f"{run.run_id}.{ending}").write_text("12345")
    (outputs / old.run_id).mkdir()
    (outputs / old.run_id / "stdin.ipynb").write_text("{}")

    expected = Retention(store.database, HORIZON, outputs).count()
    cleaned = clean(store, outputs)

    assert names(store) == ["run-2"]
    of_runs = (runs, task_runs, cell_runs, log_lines, recorded_values, artifacts)
    assert [count(store, table) for table in of_runs] == [1] * len(of_runs)
    assert {path.name.partition(".")[0] for path in outputs.iterdir()} == {young.run_id}
    assert cleaned == Cleaned(runs=1, log_lines=1, artifacts=1, files=5, file_bytes=22)
    assert expected == Cleaned(runs=1, log_lines=1, files=5, file_bytes=22)
    assert [change.run_id for change in store.state_changes(old.run_id)] == []
    assert store.state_changes(young.run_id)[0].to_state is State.RUNNING


def test_what_somebody_may_still_need_stays(store: RunStore, outputs: Path) -> None:
    sweep, child = run_of(1, kind=RunKind.SWEEP, flow_name="sweep"), run_of(2, flow_name="point")
    add(
        store,
        run_of(10, flow_name="nightly"),  # the newest of its flow
        run_of(11, deployment="weekly"),  # the newest of its deployment
        run_of(12, state=State.RUNNING, ended_at=None),
        run_of(13, state=State.FAILED),  # has an open dead letter
        run_of(14, state=State.FAILED),  # waits for its retry
        run_of(15, ended_at=YOUNG),
        run_of(16, YOUNG),
        run_of(20),
        run_of(21, deployment="weekly", run_id=new_id(OLD - timedelta(days=1), 21)),
        sweep,
        msgspec.structs.replace(child, parent_run_id=sweep.run_id),  # the newest of its flow
        run_of(3, flow_name="sweep", kind=RunKind.SWEEP, run_id=new_id(YOUNG, 3)),
    )
    letter = DeadLetter(
        run_id=run_of(13).run_id,
        epoch=1,
        name="run-13",
        flow_name="train",
        ended_as=State.FAILED,
        attempts=1,
        message="",
        created_at=OLD,
    )
    store.apply([DeadLetterAdded(letter=letter)])
    again = RunReopened(run_id=run_of(14).run_id, at=NOW, epoch=2, driver_id=None, actor="ana", message="")
    assert WorkQueue(store.database).add_again(again, NOW)

    cleaned = clean(store, outputs)

    assert names(store) == [f"run-{number}" for number in (1, 10, 11, 12, 13, 14, 15, 16, 2, 3)]
    assert cleaned.runs == 2
    assert count(store, queued_runs) == 1


def test_a_run_goes_together_with_those_that_it_started(store: RunStore, outputs: Path) -> None:
    sweep = run_of(1, kind=RunKind.SWEEP, flow_name="sweep")
    child = run_of(2, parent_run_id=sweep.run_id)
    grandchild = run_of(3, parent_run_id=child.run_id, flow_name="point")
    orphan = run_of(4, parent_run_id="gone")
    add(store, sweep, child, grandchild, orphan)
    for number, flow in enumerate(("sweep", "train", "point"), 5):
        add(store, run_of(number, YOUNG, flow_name=flow))

    assert clean(store, outputs).runs == 4
    assert names(store) == ["run-5", "run-6", "run-7"]


def test_a_run_that_is_opened_again_meanwhile_stays(store: RunStore) -> None:
    add(store, run_of(1, state=State.FAILED), run_of(2, YOUNG))
    old = OldRuns(store.database, NOW - timedelta(days=90))
    (group,) = old.groups()
    store.apply([RunReopened(run_id=run_of(1).run_id, at=NOW, epoch=2, driver_id="d", actor="ana", message="")])

    assert list(old.delete(group, NOW)) == []
    assert names(store) == ["run-1", "run-2"]


def test_a_long_run_is_deleted_in_many_small_transactions(store: RunStore) -> None:
    add(store, run_of(1), run_of(2, YOUNG))
    line = LogLine(run_id=run_of(1).run_id, at=OLD, message="hello")
    store.apply([LogsWritten(lines=(line,) * 450)])
    old = OldRuns(store.database, NOW - timedelta(days=90), rows_at_once=100)
    (group,) = old.groups()

    left = [(deleted.log_lines, deleted.runs, count(store, log_lines)) for deleted in old.delete(group, NOW)]

    assert left == [(100, 0, 350), (100, 0, 250), (100, 0, 150), (100, 0, 50), (50, 1, 0)]


def test_old_log_lines_go_before_their_runs_but_not_those_of_open_runs(store: RunStore, outputs: Path) -> None:
    add(store, run_of(1, NOW - timedelta(days=60)), run_of(2, state=State.RUNNING, ended_at=None))
    at = NOW - timedelta(days=40)
    store.apply(
        [
            LogsWritten(
                lines=(
                    LogLine(run_id=run_of(2).run_id, at=at, message="open"),
                    LogLine(run_id=run_of(1, NOW - timedelta(days=60)).run_id, at=at, message="old"),
                    LogLine(run_id=run_of(1, NOW - timedelta(days=60)).run_id, at=YOUNG, message="young"),
                )
            )
        ]
    )

    assert clean(store, outputs).log_lines == 1
    with store.database.connect() as connection:
        assert connection.execute(select(log_lines.c.message)).scalars().all() == ["open", "young"]


def test_zero_days_keep_everything(store: RunStore, outputs: Path) -> None:
    make_run_with_everything(store, 1, OLD)
    add(store, run_of(2, YOUNG))
    for_ever = Horizon.of(NOW, runs_days=0, logs_days=0, results_days=0)

    assert clean(store, outputs, for_ever) == Retention(store.database, for_ever, outputs).count() == Cleaned()
    assert names(store) == ["run-1", "run-2"]


def test_a_live_view_that_lags_behind_deleted_changes_is_told_to_reset(store: RunStore, outputs: Path) -> None:
    old = make_run_with_everything(store, 1, OLD)
    add(store, run_of(2, YOUNG))
    behind, up_to_date = 1, last_sequence(store)
    before = changes_since(store, behind)

    clean(store, outputs)

    newest = last_sequence(store)
    assert (before.reset, [run.run_id for run in before.runs][-1]) == (False, old.run_id)
    assert changes_since(store, behind) == msgspec.structs.replace(before, sequence=newest, reset=True, **_NOTHING)
    # also one that has seen all: what it shows may be gone
    assert changes_since(store, up_to_date).reset
    assert not changes_since(store, newest).reset
    add(store, run_of(3, YOUNG))
    after = changes_since(store, newest)
    assert (after.reset, [run.name for run in after.runs]) == (False, ["run-3"])


_NOTHING = dict.fromkeys(("runs", "tasks", "cells", "logs", "artifacts", "inputs"), ())


def test_a_view_at_the_end_is_not_disturbed_when_nothing_was_deleted(store: RunStore, outputs: Path) -> None:
    add(store, run_of(1))
    seen = last_sequence(store)

    clean(store, outputs)

    assert changes_since(store, seen) == changes_since(store, last_sequence(store))
    assert not changes_since(store, 0).reset


def test_old_news_goes_and_the_history_of_runs_stays(store: RunStore, outputs: Path) -> None:
    run = run_of(1, YOUNG)
    add(store, run)
    news = {"subject": "logs", "run_id": run.run_id, "task_run_id": None}
    with store.database.write() as connection:
        insert_many(connection, changes, tuple(news), [news] * (KEPT_CHANGES + 1_500))
    newest = last_sequence(store)

    cleaned = clean(store, outputs)
    again = clean(store, outputs)

    assert (cleaned.changes, again.changes) == (1_500, 0)
    assert [change.to_state for change in store.state_changes(run.run_id)] == [State.COMPLETED]
    assert EventLog(store.database).deleted_until() == newest - KEPT_CHANGES
    assert not changes_since(store, newest - 10).reset


def test_what_else_is_old_goes_without_the_newest_of_each_name(store: RunStore, outputs: Path) -> None:
    database = store.database
    events, kept_artifacts = CustomEventStore(database), ArtifactStore(database)
    for number, at in enumerate((OLD, YOUNG)):
        events.add(CustomEvent(event_id=str(number), event="made", resource={"id": "x"}, occurred_at=at))
    for id_, key, at in (("1", "report", OLD), ("2", "report", OLD), ("3", None, OLD), ("4", None, YOUNG)):
        kept_artifacts.create(
            StoredArtifact(artifact_id=id_, key=key, type="markdown", data="x", created_at=at, updated_at=at)
        )
    made = [Materialization(asset_key="s3://a", at=at) for at in (OLD, OLD)]
    with database.write() as connection:
        for one in made:
            connection.execute(materializations.insert().values(msgspec.structs.asdict(one) | {"upstream": []}))
    letters = DeadLetterStore(database)
    for epoch in (1, 2):
        letter = DeadLetter(
            run_id="gone",
            epoch=epoch,
            name="n",
            flow_name="train",
            ended_as=State.FAILED,
            attempts=1,
            message="",
            created_at=OLD,
        )
        store.apply([DeadLetterAdded(letter=letter)])
    letters.close(DeadLetter.id_of("gone", None, 1), LetterState.DISCARDED, "ana", OLD)
    for driver_id, ended_at in (("ended", OLD), ("drives", OLD), ("young", YOUNG), ("alive", None)):
        driver = Driver(
            driver_id=driver_id,
            kind="shell",
            host="h",
            boot_id="b",
            pid=1,
            process_started_at=1.0,
            heartbeat_at=OLD,
            lease_until=OLD,
        )
        store.apply([DriverStarted(driver=driver)])
        if ended_at is not None:
            store.apply([DriverEnded(driver_id=driver_id, at=ended_at)])
    add(store, run_of(1, state=State.RUNNING, ended_at=None, driver_id="drives"))
    with database.write() as connection:
        common = {"rule": "r", "run_id": "gone", "epoch": 1, "severity": "info", "title": "", "body": "", "error": ""}
        common |= {"attempts": 1, "next_try_at": OLD, "created_at": OLD}
        for channel, state, closed_at in (("a", "SENT", OLD), ("b", "DEAD", None), ("c", "SENT", YOUNG)):
            row = {"channel": channel, "state": state, "closed_at": closed_at, "moment": ""}
            connection.execute(notifications.insert().values(common | row))

        for key, state, decided_at in (("a", "DONE", OLD), ("b", "PENDING", OLD), ("c", "DONE", YOUNG)):
            row = {"automation": "x", "at": OLD, "about": "", "hops": 1, "message": "", "actions": [], "attempts": 1}
            values = {"key": key, "state": state, "decided_at": decided_at}
            connection.execute(automation_firings.insert().values(row | values))
        for key, hours in (("old", 24.1), ("young", 23.9)):
            row = {"caller": "ana", "fingerprint": "", "status": 201, "answer": "{}"}
            at = NOW - timedelta(hours=hours)
            connection.execute(kept_answers.insert().values(row | {"key": key, "at": at}))

    expected = Retention(database, HORIZON, outputs).count()
    cleaned = clean(store, outputs)

    assert count(store, automation_firings) == 2
    assert cleaned == Cleaned(
        events=1,
        artifacts=2,
        materializations=1,
        dead_letters=1,
        notifications=1,
        automation_firings=1,
        drivers=1,
        kept_answers=1,
    )
    assert expected == cleaned
    assert count(store, kept_answers) == 1
    tables = (custom_events, artifacts, materializations, dead_letters, notifications, drivers)
    assert [count(store, table) for table in tables] == [1, 2, 1, 1, 2, 3]
    assert kept_artifacts.get("report").version == 2


def test_versions_of_deployments_go_that_no_run_refers_to(store: RunStore, outputs: Path) -> None:
    deployments = DeploymentStore(store.database)

    def save(description: str) -> None:
        spec = DeploymentSpec(
            name="daily", flow_name="train", target=NotebookTarget(path="/x.ipynb"), description=description
        )
        deployments.save(spec, notebook=None, actor="ana", at=OLD)

    for number in range(1, 6):
        save(f"version {number}")
    deployments.go_back("daily", 3, NOW)
    add(store, run_of(1, YOUNG, deployment="daily", deployment_version=1))

    cleaned = clean(store, outputs)
    save("version 6")

    assert cleaned.deployment_versions == 2
    assert [version.version for version in deployments.versions("daily")] == [6, 5, 3, 1]
    assert count(store, deployment_versions) == 4


def test_old_results_and_values_go_with_their_files(store: RunStore, outputs: Path, tmp_path: Path) -> None:
    index = ResultIndex(store.database)
    ancient = NOW - timedelta(days=400)

    def reference_of(name: str, at: datetime) -> ResultReference:
        digest = name * 64
        path = tmp_path / f"{digest}.json"
        path.write_text("1")
        return ResultReference(url=str(path), digest=digest, serializer="json", size_bytes=1, created_at=at)

    old, shared, young = (reference_of(*one) for one in (("a", ancient), ("b", ancient), ("c", YOUNG)))
    value, named = reference_of("d", OLD), tmp_path / "latest.json"
    named.write_text("1")
    index.put("old", old, task_name="t")
    index.put("shared", shared, task_name="t")
    index.put("named", msgspec.structs.replace(old, url=str(named)), task_name="t")
    index.put("shared too", msgspec.structs.replace(shared, created_at=YOUNG), task_name="t")
    index.put("young", young, task_name="t")
    run = run_of(1, state=State.RUNNING)
    add(store, run, run_of(2, YOUNG))
    recorded = RecordedValue(run_id=run.run_id, name="table", type="DataFrame", recorded_at=OLD, reference=value)
    store.apply([ValueRecorded(value=recorded)])
    task = TaskRun(run_id=run.run_id, task_run_id="task", name="t", state=State.COMPLETED, created_at=OLD)
    store.apply([TaskRunCreated(task_run=task)])
    of_run, of_task, of_both = (reference_of(name, OLD) for name in "efg")
    young_run = new_id(YOUNG, 2)
    kept = ((run.run_id, of_run), ("task", of_task), ("task-2", of_both), (young_run, of_both))
    store.apply([RunCodeRecorded(code=RunCode(run_id=id_, pickle=pickle)) for id_, pickle in kept])
    other = TaskRun(run_id=run.run_id, task_run_id="task-2", name="t", state=State.COMPLETED, created_at=OLD)
    store.apply([TaskRunCreated(task_run=other)])
    with store.database.write() as connection:
        connection.execute(update(runs).where(runs.c.run_id == run.run_id).values(state="COMPLETED"))

    cleaned = clean(store, outputs)

    assert {path.stem[0] for path in tmp_path.glob("*.json")} == {"b", "c", "l", "g"}
    assert (cleaned.results, cleaned.files, cleaned.file_bytes) == (3, 4, 4)
    assert count(store, run_codes) == 1


def test_files_of_runs_that_another_machine_cleaned_go_on_this_one_too_and_nothing_else(
    store: RunStore, outputs: Path, tmp_path: Path
) -> None:
    other_outputs, seen = tmp_path / "other", tmp_path / "report.ipynb"
    other_outputs.mkdir()
    add(store, run_of(1, output_path=str(seen)), run_of(2, YOUNG))
    here, elsewhere = (
        RetentionService(store.database, lambda now: HORIZON, folder, settle_seconds=0)
        for folder in (outputs, other_outputs)
    )
    of_other_store = other_outputs / f"{new_id(OLD, 9)}.1.ipynb"
    for path in (other_outputs / f"{new_id(OLD, 1)}.1.ipynb", other_outputs / f"{new_id(OLD, 1)}.log", of_other_store):
        path.write_text("executed")
    seen.symlink_to(other_outputs / f"{new_id(OLD, 1)}.1.ipynb")

    def work(service: RetentionService, now: datetime) -> None:
        wanted = service.step(now)
        while wanted is not None and wanted < now + timedelta(minutes=50):
            wanted = service.step(now)

    work(here, NOW)
    assert names(store) == ["run-2"]
    assert len(list(other_outputs.iterdir())) == 3
    work(elsewhere, NOW + timedelta(minutes=1))

    assert list(other_outputs.iterdir()) == [of_other_store]
    assert (seen.read_text(), seen.is_symlink()) == ("executed", False)
    assert count(store, doomed_files) == 1
    work(elsewhere, NOW + timedelta(days=91))
    assert count(store, doomed_files) == 0


def test_files_of_results_go_though_the_service_died_before(store: RunStore, outputs: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 64}.json"
    path.write_text("1")
    reference = ResultReference(
        url=str(path), digest="a" * 64, serializer="json", size_bytes=1, created_at=NOW - timedelta(days=400)
    )
    ResultIndex(store.database).put("old", reference, task_name="t")
    cleaning = Retention(store.database, HORIZON, outputs).clean(LATER)
    while next(cleaning).results == 0:
        pass
    cleaning.close()  # as one who is killed
    assert path.exists()

    assert clean(store, outputs).files == 1
    assert not path.exists()


def test_in_a_folder_that_machines_share_the_file_of_a_run_goes_once_and_no_other_runs(
    store: RunStore, outputs: Path, tmp_path: Path
) -> None:
    share, mount = tmp_path / "share", tmp_path / "mount"
    share.mkdir()
    mount.symlink_to(share)
    bucket = f"memory://{tmp_path.name}"
    at = NOW - timedelta(days=400)

    def reference_of(folder: object, letter: str) -> ResultReference:
        url = f"{folder}/{letter * 64}.json"
        write_file(url, b"1")
        return ResultReference(url=url, digest=letter * 64, serializer="json", size_bytes=1, created_at=at)

    old = [reference_of(share, "a"), reference_of(share, "b"), reference_of(share, "c"), reference_of(bucket, "a")]
    index = ResultIndex(store.database)
    for number, reference in enumerate((*old, reference_of(bucket, "c"))):
        index.put(f"old {number}", reference, task_name="t")
    of_other_machine = msgspec.structs.replace(reference_of(mount, "b"), created_at=YOUNG)
    index.put("young", of_other_machine, task_name="t")
    machines = [Retention(store.database, HORIZON, outputs) for _ in range(2)]
    cleaning = machines[0].clean(LATER)
    while next(cleaning).results == 0:
        pass
    for url in (old[2].url, f"{bucket}/{'c' * 64}.json"):  # somebody writes the same, and tells of it a moment later
        write_file(url, b"1")
    after = (LATER + timedelta(seconds=1)).timestamp()
    os.utime(old[2].url, (after, after))
    url_to_fs(bucket)[0].store[f"/{tmp_path.name}/{'c' * 64}.json"].modified = LATER + timedelta(seconds=1)
    cleaning.close()

    cleaned = [sum(machine.delete_doomed(LATER), Cleaned()).files for machine in machines]

    assert cleaned == [2, 0]
    assert sorted(path.name[0] for path in share.iterdir()) == ["b", "c"]
    files, folder = url_to_fs(bucket)
    assert [Path(name).name[0] for name in files.ls(folder, detail=False)] == ["c"]
    files.rm(folder, recursive=True)


def test_a_notebook_that_is_seen_through_a_link_is_put_there(store: RunStore, outputs: Path, tmp_path: Path) -> None:
    run_id, seen = new_id(OLD, 1), tmp_path / "report.ipynb"
    (outputs / f"{run_id}.1.ipynb").write_text("executed")
    seen.symlink_to(outputs / f"{run_id}.1.ipynb")
    add(store, run_of(1, output_path=str(seen)), run_of(2, YOUNG))

    clean(store, outputs)

    assert (seen.read_text(), seen.is_symlink(), list(outputs.iterdir())) == ("executed", False, [])


def test_one_of_several_services_cleans_each_hour_and_lets_others_in_between(
    store: RunStore, outputs: Path, any_store_url: str
) -> None:
    add(store, run_of(1), run_of(2, YOUNG))
    other = open_database(any_store_url)
    services = [
        RetentionService(database, lambda now: HORIZON, outputs, settle_seconds=0)
        for database in (store.database, other)
    ]

    first = services[0].step(NOW)
    assert first is not None
    assert first < NOW + timedelta(seconds=1)  # there is more to do
    assert services[1].step(NOW) == NOW + timedelta(hours=1)
    wanted = first
    while wanted < NOW + timedelta(minutes=59):
        RunStore(other).apply([RunCreated(run=run_of(3, YOUNG))])  # is not kept waiting
        wanted = services[0].step(wanted) or NOW
    other.close()

    assert names(store) == ["run-2", "run-3"]
    assert services[0].step(NOW + timedelta(minutes=30)) == wanted == NOW + timedelta(hours=1)
    cleaned_at = OldRecords(store.database, HORIZON).cleaned_at()
    assert cleaned_at == NOW
    later = NOW + timedelta(hours=1, seconds=1)
    assert services[0].step(later) is not None
    assert OldRecords(store.database, HORIZON).cleaned_at() == later


def test_a_service_deletes_nothing_before_it_has_been_up_for_an_hour(store: RunStore, outputs: Path) -> None:
    add(store, run_of(1))
    service = RetentionService(store.database, lambda now: HORIZON, outputs)

    wanted = service.step(NOW)

    assert wanted is not None
    assert NOW + timedelta(minutes=59) < wanted <= NOW + timedelta(hours=1)
    assert names(store) == ["run-1"]


def test_the_command_says_what_would_go_and_then_what_went(
    store: RunStore, any_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", any_store_url)
    add(store, run_of(1), run_of(2, YOUNG))

    def orchestra(*words: str) -> str:
        result = CliRunner().invoke(main, ["db", "clean", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    dry = orchestra("--dry-run")
    kept = orchestra("--keep-runs", "0", "--json")
    done = orchestra()
    again = orchestra()

    assert dry == "Would be deleted:\n  1 run\n"
    assert json.loads(kept)["cleaned"]["runs"] == 0
    assert (done, again) == ("Deleted:\n  1 run\n", "Nothing is too old.\n")
    assert names(store) == ["run-2"]
