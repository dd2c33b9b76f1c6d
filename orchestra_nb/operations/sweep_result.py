"""What became of a sweep: a row for each combination of parameters."""

from __future__ import annotations

import html
import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.errors import InvalidSetting, NotebookFailed
from orchestra_nb.model.counted import counted
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.run_lines import run_line, short_value

#: So many rows of a sweep stand in a notebook; a data frame shows as many.
_ROWS_SHOWN = 60


@dataclass(frozen=True, slots=True, repr=False)
class SweepRow:
    """One combination of a sweep and what became of it.

    ``run`` is None for a combination that was not started. ``message`` says why it has not run, or how its run went
    wrong: ``"ValueError: alpha is too large (cell 3, line 5)"``; it is empty where there is nothing to say.
    """

    index: int
    parameters: Mapping[str, object]
    run: Run | None = None
    records: tuple[RecordedValue, ...] = ()
    message: str = ""

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={short_value(value)}" for name, value in self.parameters.items())
        return f"<{given or 'no parameters'}: {self.text}>"

    @property
    def text(self) -> str:
        """What became of it in one line: ``"run calm-fox COMPLETED auc=0.93"``."""
        if self.run is None:
            return self.message
        return run_line(self.run, self.records)

    @property
    def state(self) -> State | None:
        """The run's; None where there is none."""
        return None if self.run is None else self.run.state

    @property
    def is_completed(self) -> bool:
        """Whether it ended well."""
        return self.state is State.COMPLETED

    @property
    def values(self) -> Any:
        """What it returned: a mapping of name to value, each loaded when it is asked for."""
        from orchestra_nb.engine.returned_by_notebook import ReturnedValues

        return ReturnedValues(self.records, of=f"run {self.run.name}" if self.run is not None else "a run")


@dataclass(frozen=True, slots=True, repr=False)
class SweepResult:
    """A sweep that has ended: its run, and a row for each combination, in their order."""

    run: Run
    rows: tuple[SweepRow, ...]
    swept: tuple[str, ...] = ()

    def __repr__(self) -> str:
        done = sum(row.is_completed for row in self.rows)
        of = counted(len(self), "run")
        return f"<sweep {self.run.name} of {self.run.flow_name} {self.run.state}: {done} of {of} completed>"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: the parameters that differ against states and returned values."""
        returned = list(dict.fromkeys(record.name for row in self.rows for record in row.records))
        lines = [_html_row("th", ["run", *self.swept, "state", *returned, "message"])]
        for row in self.rows[:_ROWS_SHOWN]:
            values = {record.name: record.summary for record in row.records}
            lines.append(
                _html_row(
                    "td",
                    [
                        "" if row.run is None else row.run.name,
                        *(short_value(row.parameters[name]) if name in row.parameters else "" for name in self.swept),
                        "not started" if row.state is None else row.state.value,
                        *(values.get(name, "") for name in returned),
                        row.message,
                    ],
                )
            )
        more = f"<div>and {len(self) - _ROWS_SHOWN:,} more</div>" if len(self) > _ROWS_SHOWN else ""
        return f"<div>{html.escape(repr(self)[1:-1])}</div><table>{''.join(lines)}</table>{more}"

    def __iter__(self) -> Iterator[SweepRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> SweepRow:
        return self.rows[index]

    @property
    def failed(self) -> list[SweepRow]:
        """The rows that did not end well, or were not started."""
        return [row for row in self.rows if not row.is_completed]

    @property
    def values(self) -> list[Any]:
        """What each run returned, in the order of the combinations."""
        return [row.values for row in self.rows]

    def to_frame(self) -> Any:
        """Return a pandas table: the parameters that differ, what was returned, state and duration of each run.

        Raises
        ------
        InvalidSetting
            pandas is not installed.
        """
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError:
            raise InvalidSetting("A table of a sweep needs pandas: run `pip install pandas`.") from None
        return pandas.DataFrame(
            [
                {
                    "run": None if row.run is None else row.run.name,
                    **{name: row.parameters.get(name) for name in self.swept},
                    **dict(row.values),
                    "state": None if row.state is None else row.state.value,
                    "seconds": _seconds(row.run),
                }
                for row in self.rows
            ]
        )

    def raise_for_failures(self) -> None:
        """Raise for what did not end well.

        Raises
        ------
        NotebookFailed
            The message names the first cause.
        """
        if self.run.state is not State.COMPLETED:
            where = f"orchestra runs show {typed_run(self.run)}"
            raise NotebookFailed(f"Sweep {self.run.name} of {self.run.flow_name}: {self.run.message} ({where})")


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _seconds(run: Run | None) -> float | None:
    if run is None or run.started_at is None or run.ended_at is None:
        return None
    return (run.ended_at - run.started_at).total_seconds()
