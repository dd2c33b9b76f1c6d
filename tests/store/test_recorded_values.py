"""What runs returned, in each kind of database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stored_examples import created, reopened, run_became, run_of

from orchestra_nb.model.events import RunOutputWritten, ValueRecorded
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.recorded_value_store import RecordedValueStore
from orchestra_nb.store.run_store import RunStore

AT = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)


def value(name: str, data: str | None = "1", seconds: float = 0, run_id: str = "r1") -> RecordedValue:
    return RecordedValue(
        run_id=run_id, name=name, type="int", recorded_at=AT + timedelta(seconds=seconds), data=data, summary="one"
    )


def test_the_last_value_of_a_name_counts_whatever_the_order_of_arrival(store: RunStore) -> None:
    store.apply([ValueRecorded(value=value("a", "1"))])
    applied = store.apply(
        [
            ValueRecorded(value=value("a", "3", seconds=2)),
            ValueRecorded(value=value("b", "9", seconds=1)),
            ValueRecorded(value=value("a", "2", seconds=1)),
            ValueRecorded(value=value("a", "7", run_id="r2")),
        ]
    )

    found = RecordedValueStore(store.database).of_runs(["r1", "r2", "r3"])

    assert applied == [True, True, False, True]
    assert {run_id: [(one.name, one.data) for one in values] for run_id, values in found.items()} == {
        "r1": [("b", "9"), ("a", "3")],
        "r2": [("a", "7")],
    }


def test_a_driver_that_was_taken_for_dead_changes_no_value_and_no_output_of_the_run_that_went_on(
    store: RunStore,
) -> None:
    store.apply([*created(run_of("r1", state=State.RUNNING)), ValueRecorded(value=value("a", "1"))])
    store.apply([run_became(State.CRASHED, "r1"), reopened("r1", epoch=2)])
    store.apply(
        [
            ValueRecorded(value=value("a", "2", seconds=1), epoch=2),
            RunOutputWritten(run_id="r1", output_path="/2.ipynb", epoch=2),
        ]
    )

    applied = store.apply(
        [
            ValueRecorded(value=value("a", "3", seconds=9)),
            ValueRecorded(value=value("b", "4", seconds=9)),
            RunOutputWritten(run_id="r1", output_path="/1.ipynb"),
        ]
    )

    found = RecordedValueStore(store.database).of_run("r1")
    assert applied == [False, False, False]
    assert [(one.name, one.data) for one in found] == [("a", "2")]
    assert store.get_run("r1").output_path == "/2.ipynb"


def test_a_value_comes_back_with_all_its_fields(store: RunStore) -> None:
    reference = ResultReference(url="/x", digest="d", serializer="arrow", size_bytes=7_000_000_000, created_at=AT)
    stored = RecordedValue(
        run_id="r1",
        name="table",
        type="DataFrame",
        recorded_at=AT,
        serializer="arrow",
        reference=reference,
        size_bytes=7_000_000_000,
        summary="table, 3 rows",
        readable_json='[{"a": 1}]',
        cell_index=4,
        unreadable="because",
    )

    store.apply([ValueRecorded(value=stored)])

    assert RecordedValueStore(store.database).of_run("r1") == [stored]


def test_the_runs_of_a_sweep_are_listed_as_one_and_counted(store: RunStore) -> None:
    records = [
        run_of("a1", kind=RunKind.SWEEP),
        run_of("a2", kind=RunKind.NOTEBOOK, parent_run_id="a1", state=State.COMPLETED),
        run_of("a3", kind=RunKind.NOTEBOOK, parent_run_id="a1", state=State.FAILED),
        run_of("b1", kind=RunKind.FLOW),
        run_of("b2", kind=RunKind.FLOW, parent_run_id="b1"),
        run_of("c1", kind=RunKind.NOTEBOOK, parent_run_id="gone"),
    ]
    store.apply(created(*records))

    assert [run.run_id for run in store.list_runs(has_runs_of_sweeps=False)] == ["c1", "b2", "b1", "a1"]
    assert len(store.list_runs()) == 6
    assert [run.run_id for run in store.children("a1")] == ["a2", "a3"]
    assert store.child_counts(["a1", "b1"]) == {
        "a1": {State.COMPLETED: 1, State.FAILED: 1},
        "b1": {run_of("b2").state: 1},
    }
