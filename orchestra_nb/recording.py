"""``record(name=value)``: return values from a notebook, so that whoever runs it can read them.

In a run, by `orchestra run` or by papermill, the values are kept: small ones in the executed notebook itself, large
ones as stored results. In a notebook that somebody works in they are only shown.
"""

from __future__ import annotations

import html
import os
import sys
from datetime import UTC, datetime, timedelta

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE
from orchestra_nb.engine.value_recording import encode_value, result_store
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.recorded_values import VALUE_MIME, RecordedValue, to_output

__all__ = ["record"]

#: Rows of a table that are shown.
_ROWS = 10


def record(*unnamed: object, **values: object) -> None:
    """Return these values from the notebook, each under its name: ``record(auc=0.93, model=model)``.

    A name that is recorded again has its last value. What JSON or Arrow keep exactly is kept so: numbers (numpy's as
    Python's), texts, lists, dicts, tables. All else is kept as a signed pickle.

    Raises
    ------
    InvalidInput
        A value has no name, a name is no identifier, or a value is a secret.
    ValueNotPortable
        A value cannot be kept. Nothing is recorded then.
    """
    if unnamed or not values:
        example = "record(auc=0.93)"
        raise InvalidInput(
            f"record() was given a value without a name. Write {example}." if unnamed else f"Write {example}."
        )
    run_id = os.environ.get(RUN_ID_VARIABLE, "")
    is_kept = bool(run_id) or _is_on_worker()
    now = datetime.now(UTC)
    records = [
        # a microsecond apart: so they keep their order
        encode_value(
            name,
            value,
            now + timedelta(microseconds=number),
            run_id=run_id,
            store=result_store if is_kept else None,
        )
        for number, (name, value) in enumerate(values.items())
    ]
    for one, value in zip(records, values.values(), strict=True):
        _show(one, value)


def _is_on_worker() -> bool:
    """Tell whether this is code of a task. What tells it is loaded in each process that runs tasks; it costs time."""
    drivers = sys.modules.get("orchestra_nb.engine.drivers")
    return drivers is not None and drivers.worker_driver().get() is not None


def _show(one: RecordedValue, value: object) -> None:
    if "IPython" in sys.modules:
        from IPython import get_ipython

        if get_ipython() is not None:
            from IPython.display import display

            display(value_bundle(one, value), raw=True)  # type: ignore[no-untyped-call]
            return
    sys.stdout.write(f"{value_text(one)}\n")


def value_bundle(one: RecordedValue, value: object) -> dict[str, object]:
    """Return what is shown of a recorded value: data for readers, HTML and text for people."""
    return {VALUE_MIME: to_output(one), "text/html": value_html(one, value), "text/plain": value_text(one)}


def value_text(one: RecordedValue) -> str:
    """Return a recorded value as one line of text.

    >>> from datetime import datetime, UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> value_text(RecordedValue(run_id="", name="auc", type="float", recorded_at=at, data="0.93", summary="0.93"))
    'auc = 0.93'
    """
    return f"{one.name} = {one.summary}" + (f"  ({one.unreadable})" if one.unreadable else "")


def value_html(one: RecordedValue, value: object) -> str:
    """Return a recorded value as HTML that needs nothing else; of a table its first rows."""
    line = (
        '<div style="line-height:24px"><span style="color:#00838f;font-weight:600">↩&nbsp;'
        f"{html.escape(one.name)}</span> "
        f'<code style="margin-left:.6em">{html.escape(one.summary)}</code>'
        f'<span style="margin-left:1.2em;opacity:.85">{html.escape(one.type)}</span></div>'
    )
    if one.unreadable:
        line += f'<div style="opacity:.85">{html.escape(one.unreadable)}</div>'
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        line += str(value.to_html(max_rows=_ROWS, border=0, notebook=True))
    return line
