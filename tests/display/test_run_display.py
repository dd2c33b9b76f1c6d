"""What is shown without our renderer: static HTML and plain text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestra_nb.model.runs import ErrorInfo, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.run_display import (
    APPEARANCE,
    OUTPUTS_MIME,
    RUN_MIME,
    outputs_bundle,
    task_bundle,
    task_html,
    task_text,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>"


def task(name: str, state: State, **fields: object) -> TaskRun:
    return TaskRun(task_run_id=f"id-{name}", run_id="run", name=name, state=state, created_at=NOW, **fields)  # type: ignore[arg-type]


def test_every_state_has_its_own_word_and_icon_or_word() -> None:
    assert set(APPEARANCE) == set(State)
    assert len({word for _, word, _ in APPEARANCE.values()}) == len(State)


def test_line_says_what_happened_where_and_how_long() -> None:
    error = ErrorInfo(type="ValueError", message="could not convert 'n/a' to float\nmore", cell="cell [4]", line=3)
    failed = task(
        "clean",
        State.FAILED,
        error=error,
        attempt=2,
        max_attempts=4,
        worker="worker 1",
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=42),
    )

    assert task_text(failed) == (
        "✕ clean  Failed  ValueError: could not convert 'n/a' to float  cell [4], line 3  42 s  attempt 2 of 4  "
        "worker 1"
    )


def test_pending_line_says_what_it_waits_for_before_what_the_cluster_does() -> None:
    assert task_text(task("a", State.PENDING), "starting the local cluster").endswith("starting the local cluster")
    assert task_text(task("a", State.PENDING, message="waits for load"), "starting").endswith("waits for load")
    for_worker = task("a", State.PENDING, message="waits for a worker")
    assert task_text(for_worker, "starting the local cluster").endswith("starting the local cluster")
    assert task_text(for_worker).endswith("waits for a worker")


def test_hostile_text_stays_text() -> None:
    error = ErrorInfo(type=HOSTILE, message=HOSTILE, cell=HOSTILE, traceback=HOSTILE)

    page = task_html(task(HOSTILE, State.FAILED, error=error, worker=HOSTILE, message=HOSTILE))

    assert "<img" not in page
    assert "&lt;img" in page


def test_bundle_is_live_until_the_task_ends() -> None:
    def data(state: State) -> dict[str, object]:
        bundle = task_bundle(task("a", state), "starting")
        assert set(bundle) == {RUN_MIME, "text/html", "text/plain"}
        output = bundle[RUN_MIME]
        assert isinstance(output, dict)
        return output

    assert (data(State.RUNNING)["live"], data(State.RUNNING)["cluster"]) == (True, "starting")
    assert (data(State.COMPLETED)["live"], data(State.COMPLETED)["cluster"]) == (False, "")
    assert msgspec.json.encode(data(State.FAILED))


def test_single_figure_stays_a_figure() -> None:
    figure = {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}, "metadata": {}}

    assert outputs_bundle([figure]) == ({"image/png": "AAAA", "text/plain": "<Figure>"}, {})


def test_printed_text_stays_text() -> None:
    data, _ = outputs_bundle([{"output_type": "stream", "name": "stdout", "text": "<b>1</b>\n"}])

    assert data == {"text/plain": "<b>1</b>"}


def test_several_outputs_are_kept_whole_with_static_html_beside() -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "<b>loss</b>\n"},
        {"output_type": "display_data", "data": {"image/png": "AAAA\n", "text/plain": "<Figure>"}, "metadata": {}},
    ]

    data, _ = outputs_bundle(outputs)

    assert data[OUTPUTS_MIME] == {"version": 1, "outputs": outputs}
    assert "&lt;b&gt;loss" in str(data["text/html"])
    assert 'src="data:image/png;base64,AAAA"' in str(data["text/html"])
    assert data["text/plain"] == "<b>loss</b>\n<Figure>"


def test_nothing_shown_is_nothing() -> None:
    assert outputs_bundle([]) == ({}, {})
