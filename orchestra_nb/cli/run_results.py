"""``orchestra runs results``: what a run, a sweep or an executed notebook returned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import one_line, print_table, printable
from orchestra_nb.errors import ResultNotFound
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.runs import RunKind
from orchestra_nb.operations import run_results as operations

if TYPE_CHECKING:
    from orchestra_nb.model.recorded_values import RecordedValue
    from orchestra_nb.operations.sweep_result import SweepResult

#: So many values stand in one line.
_MOST_SHOWN = 8


@click.command()
@click.argument("run")
@click.argument("name", required=False)
@as_json_option
def results(run: str, name: str | None, as_json: bool) -> None:
    """List what a run returned, or print the value NAME.

    RUN is a run's id or name, or the path of an executed notebook, also of one that scrapbook or an old papermill
    recorded in. A sweep shows the table of its parameters and what each run returned.
    """
    if _is_notebook(run):
        _show(operations.returned_by_file(run), run, name, as_json, {"notebook": run})
        return
    from orchestra_nb.operations.runs import find_run

    with opened_backend() as backend:
        found = backend.call(find_run, run)
        sweep: SweepResult | None = None
        records: list[RecordedValue] = []
        if found.kind is not RunKind.SWEEP and name is not None:
            records = [backend.call(operations.value_of_run, found, name)]
        elif found.kind is not RunKind.SWEEP:
            records = backend.call(operations.returned_by_run, found)
        else:
            from orchestra_nb.operations.sweep_views import sweep_table

            sweep = backend.call(sweep_table, found)
    if sweep is not None:
        _show_sweep(sweep, name, as_json)
        return
    if backend.is_remote and name is not None:
        _check_sent(records[0])
    document: dict[str, object] = {"run_id": found.run_id, "name": found.name, "state": found.state}
    _show(records, f"Run {found.name}", name, as_json, document)


def _check_sent(one: RecordedValue) -> None:
    """Refuse to print a value that a server did not send, but only what stands for it."""
    if one.data is None and not one.unreadable:
        where = "in its store" if one.reference is None else f"at {one.reference.url}"
        raise ResultNotFound(
            f"The value {one.name!r}, a {one.type} of {one.size_bytes:,} bytes, is kept where the server is, {where}: "
            f"{one.summary}. `orchestra runs results` prints it there."
        )


def _is_notebook(text: str) -> bool:
    return text.endswith(".ipynb") or ("/" in text and Path(text).is_file())


def _show_sweep(sweep: SweepResult, name: str | None, as_json: bool) -> None:
    """Show the table, or what all runs returned under one name."""
    from orchestra_nb.cli.sweep_tables import print_sweep, returned_names, sweep_document

    if name is not None:
        known = returned_names(sweep.rows)
        if name not in known:
            listed = ", ".join(known) or "nothing"
            raise ResultNotFound(f"No run of the sweep {sweep.run.name} returned {name!r}. They returned: {listed}.")
        keep = [tuple(one for one in row.records if one.name == name) for row in sweep.rows]
        rows = tuple(replace(row, records=records) for row, records in zip(sweep.rows, keep, strict=True))
        sweep = replace(sweep, rows=rows)
    if as_json:
        print_json(sweep_document(sweep))
    else:
        print_sweep(sweep)


def _show(records: list[RecordedValue], of: str, name: str | None, as_json: bool, document: dict[str, object]) -> None:
    if name is not None:
        _print_value(operations.find_value(records, name, of), as_json)
    elif as_json:
        print_json(document | {"values": readable_values(records), "recorded": [_facts(one) for one in records]})
    elif records:
        rows = [[one.name, one.type, _text(one), _cell(one)] for one in records]
        print_table(("NAME", "TYPE", "VALUE", "CELL"), rows)
    else:
        click.echo(f"{of} returned nothing. A cell returns a value with orchestra_nb.record(name=value).", err=True)


def readable_values(records: list[RecordedValue]) -> dict[str, object]:
    """Return name to value as JSON has it, or to what stands for it."""
    return {one.name: to_readable(one.readable) for one in records}


def returned_text(records: Sequence[RecordedValue]) -> str:
    """Return what a run returned in one line: ``"auc=0.93, table=table, 3 rows"``; empty for nothing."""
    shown = [f"{one.name}={one_line(one.summary)}" for one in records[:_MOST_SHOWN]]
    return ", ".join([*shown, *(["…"] if len(records) > _MOST_SHOWN else [])])


def _facts(one: RecordedValue) -> dict[str, object]:
    return {
        "name": one.name,
        "type": one.type,
        "value": to_readable(one.readable),
        "summary": one.summary,
        "serializer": one.serializer,
        "size_bytes": one.size_bytes,
        "recorded_at": one.recorded_at,
        "cell": None if one.cell_index is None else one.cell_index + 1,
        "url": None if one.reference is None else one.reference.url,
    }


def _text(one: RecordedValue) -> str:
    return one_line(one.summary) + (f" ({one.unreadable})" if one.unreadable else "")


def _cell(one: RecordedValue) -> str:
    return "-" if one.cell_index is None else str(one.cell_index + 1)


def _print_value(one: RecordedValue, as_json: bool) -> None:
    """Print one value: text as it is, what JSON knows as JSON, all else as Python shows it."""
    value = operations.load_recorded(one)
    if as_json:
        is_json = one.serializer.startswith("json")
        readable = value if is_json else one.readable
        click.echo(json.dumps({"name": one.name, "type": one.type, "value": to_readable(readable)}, ensure_ascii=False))
    elif isinstance(value, str):
        click.echo(printable(value))
    elif one.serializer.startswith("json"):
        click.echo(json.dumps(to_readable(value), indent=2, ensure_ascii=False))
    else:
        click.echo(printable(str(value)))
