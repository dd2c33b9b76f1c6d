"""What the widget of a run asks its kernel, and the answers: read from the store, bounded in size, or done at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.acting_user import process_user
from orchestra_nb.errors import InvalidInput, RunNotFound
from orchestra_nb.operations.opening import open_store

if TYPE_CHECKING:
    from orchestra_nb.operations.interactive import KernelDriver
    from orchestra_nb.store.run_store import RunStore

#: The bounds of an answer.
MOST_LINES: Final = 500
LINE_CHARACTERS: Final = 4_000
_LINES_CHARACTERS: Final = 200_000
MOST_VALUES: Final = 100
VALUE_CHARACTERS: Final = 20_000
_MOST_RETRIED_TASKS: Final = 200
_MOST_RUNS: Final = 20
_MOST_TASKS: Final = 1_000

#: How long a reader waits for what was logged just now to be stored: without it the lines come with the next question.
_STORE_SECONDS = 2.0

_ID = re.compile(r"[0-9a-f]{32}")


class WidgetAnswers:
    """Answers the widgets of one kernel. In any thread.

    Parameters
    ----------
    retry
        Runs these task cells again, and returns what they wait for, in people's words; raises
        :class:`~orchestra_nb.errors.OrchestraError` where it cannot.
    """

    def __init__(self, driver: KernelDriver, retry: Callable[[Sequence[str]], str]) -> None:
        self._driver = driver
        self._retry = retry

    def answer(self, asked: Mapping[str, Any]) -> object:
        """Answer one question: ``ask`` says what, and beside it stands of which run or tasks.

        Raises
        ------
        OrchestraError
            It cannot be answered or done; the message is for people.
        """
        match asked.get("ask"):
            case "logs":
                return self._logs(asked.get("after"))
            case "values":
                return self._values(_id(asked.get("run")))
            case "attempts":
                return self._attempts(_id(asked.get("run")))
            case "expected":
                return self._expected_seconds(str(asked.get("flow")), asked.get("notebook"))
            case "cancel":
                task = asked.get("task")
                self._driver.cancel_run(_id(asked.get("run")), None if task is None else _id(task), process_user())
                return None
            case "retry":
                return self._retry(_ids(asked.get("tasks"), _MOST_TASKS))
            case other:
                raise InvalidInput(f"This kernel knows no question {str(other)[:40]!r}: it has another version.")

    def _store(self) -> RunStore:
        self._driver.flush_events(_STORE_SECONDS)
        return open_store(self._driver.settings)

    def _logs(self, after: object) -> object:
        """Return lines behind the given sequence numbers, by run id, and these numbers for the next question."""
        from orchestra_nb.operations.runs import NumberedLine, read_logs

        if not isinstance(after, Mapping):
            raise InvalidInput(
                "A question for log lines names the runs, and the number of the last known line of each."
            )
        known = {run_id: int(after[run_id]) for run_id in _ids(list(after), _MOST_RUNS)}
        store = self._store()
        found: list[NumberedLine] = []
        is_more = False
        for run_id, number in known.items():
            try:
                page = read_logs(store, run_id, after=number, limit=MOST_LINES)
            except RunNotFound:
                continue  # it is on its way to the store
            found += page.lines
            is_more = is_more or len(page.lines) == MOST_LINES
        found.sort(key=lambda line: line.sequence)
        lines: list[NumberedLine] = []
        left = _LINES_CHARACTERS
        for line in found[:MOST_LINES]:
            message = line.message if len(line.message) <= LINE_CHARACTERS else f"{line.message[:LINE_CHARACTERS]}…"
            left -= len(message)
            if left < 0 and lines:
                break
            lines.append(msgspec.structs.replace(line, message=message))
            known[line.run_id] = line.sequence
        return {"lines": lines, "after": known, "is_more": is_more or len(lines) < len(found)}

    def _values(self, run_id: str) -> object:
        from orchestra_nb.operations.run_results import returned_by_run
        from orchestra_nb.operations.runs import find_run
        from orchestra_nb.rest.run_endpoints import value_view

        store = self._store()
        try:
            records = returned_by_run(store, find_run(store, run_id))
        except RunNotFound:
            return []  # it is on its way to the store
        views = []
        for record in records[:MOST_VALUES]:
            view = value_view(record)
            if len(msgspec.json.encode(view.value)) > VALUE_CHARACTERS:
                summary = view.summary or f"A value of {view.size_bytes:,} bytes: too large for this view."
                view = msgspec.structs.replace(view, value=None, summary=summary[:VALUE_CHARACTERS])
            views.append(view)
        return views

    def _attempts(self, run_id: str) -> object:
        from orchestra_nb.operations.task_attempts import list_task_attempts

        try:
            return list_task_attempts(self._store(), run_id, limit=_MOST_RETRIED_TASKS)[0]
        except RunNotFound:
            return []

    def _expected_seconds(self, flow_name: str, notebook: object) -> float | None:
        """Return what the page of this flow, or of its runs of one notebook, tells of the usual duration."""
        from orchestra_nb.operations.flow_views import show_flow

        if not (notebook is None or isinstance(notebook, str)):
            raise InvalidInput("A question for an expected duration names the path of a notebook, or none.")
        try:
            flow = show_flow(self._store(), flow_name, datetime.now(UTC), most_runs=1, notebook=notebook).flow
        except RunNotFound:
            return None  # it is on its way to the store
        return flow.duration.p50 if flow.duration is not None else None


def _id(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidInput(f"{str(value)[:40]!r} is no id.")
    return value


def _ids(values: object, most: int) -> list[str]:
    if not isinstance(values, list) or len(values) > most:
        raise InvalidInput(f"A question names up to {most} ids in a list.")
    return [_id(value) for value in values]
