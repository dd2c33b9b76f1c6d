"""How states, times and tables look in a shell: coloured by rich on a terminal, plain columns elsewhere.

Whatever comes from users (names, messages, logs) is shown as text: control characters are written out, so that nothing
in a task's name or log can move the cursor, change colours or turn the direction of reading.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from orchestra_nb.model.durations import format_duration
from orchestra_nb.model.states import State
from orchestra_nb.run_display import APPEARANCE

_COLOURS = {
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.CRASHED: "red",
    State.TIMED_OUT: "red",
    State.RUNNING: "blue",
    State.RETRYING: "yellow",
    State.PAUSED: "yellow",
    State.CANCELLING: "magenta",
    State.CANCELLED: "magenta",
    State.SKIPPED: "cyan",
}


class Mark(str):
    """An icon and a word that stand for a state, and their colour."""

    def __new__(cls, text: str, colour: str) -> Mark:
        """Return the text as a mark."""
        mark = super().__new__(cls, text)
        mark.colour = colour
        return mark

    colour: str


#: Stands for COMPLETED where the result was there already.
CACHED = Mark("✓ Cached", "cyan")

#: Blanks between two columns.
_GAP = 2

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str | State]], *, spared: Sequence[str] = ()) -> None:
    """Print rows under headings; long texts are cut to the terminal's width, nothing is cut elsewhere.

    Columns with a heading in ``spared`` are left out, in this order, where the terminal is too narrow for all.
    """
    if sys.stdout.isatty():
        _print_on_terminal(headings, rows, spared)
    else:
        _print_plain(headings, rows)


def state_text(state: State) -> str:
    """Return the state's icon and word, coloured where the output is a terminal."""
    return click.style(_mark(state), fg=_COLOURS.get(state))


def printable(text: str) -> str:
    r"""Return ``text`` with control and direction characters written out, except line breaks and tabs.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _is_control(c) else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """Return the first line of ``text``, printable, with an ellipsis where there are more."""
    first, _, rest = text.strip().partition("\n")
    return printable(first.replace("\t", " ")) + (" …" if rest else "")


def shortened(text: str, most: int) -> str:
    """Return the first line of ``text``, printable, with an ellipsis where it is longer than ``most`` characters.

    Examples
    --------
    >>> shortened("region='EU', year=2026", 16)
    "region='EU', ye…"
    """
    shown = one_line(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def name_and_id(id_: str | None, names: Mapping[str | None, str]) -> str | None:
    """Return what a record's reference shows: the name with the id behind it, the id where there is no name."""
    return f"{names[id_]}  ({id_})" if id_ in names else id_


def say_if_cut(is_cut: bool, limit: int, most: int) -> None:
    """Say on stderr that there are more than the newest ones that were listed."""
    if is_cut:
        click.echo(f"These are the newest {limit}. For more: --limit {min(limit * 5, most)}", err=True)


def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago something was: ``"12 s ago"``, ``"3 h ago"``; a dash for None."""
    if at is None:
        return "-"
    seconds = max(0, int((now - at).total_seconds()))
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    return f"{seconds // size} {unit} ago"


def took(started_at: datetime | None, ended_at: datetime | None, now: datetime) -> str:
    """Return how long something ran, or has been running; a dash before its start."""
    return "-" if started_at is None else format_duration(max(0.0, ((ended_at or now) - started_at).total_seconds()))


def _print_on_terminal(headings: Sequence[str], rows: Sequence[Sequence[str | State]], spared: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    texts = [
        [
            Text(_mark(cell), _COLOURS.get(cell, "dim"))
            if isinstance(cell, State)
            else Text(one_line(cell), cell.colour if isinstance(cell, Mark) else "")
            for cell in row
        ]
        for row in rows
    ]
    widths = [max(len(heading), *(row[n].cell_len for row in texts)) for n, heading in enumerate(headings)]
    cuts = _fitting(headings, widths, console.width)
    fitted = [cuts.get(column, width) for column, width in enumerate(widths)]
    if spared and sum(fitted) + _GAP * (len(fitted) - 1) > console.width:
        kept = [column for column, heading in enumerate(headings) if heading != spared[0]]
        rows = [[row[column] for column in kept] for row in rows]
        _print_on_terminal([headings[column] for column in kept], rows, spared[1:])
        return
    for column, width in cuts.items():
        for row in texts:
            row[column].truncate(width, overflow="ellipsis")  # rich itself would cut all columns
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in texts:
        table.add_row(*row)
    console.print(table)


def _fitting(headings: Sequence[str], widths: Sequence[int], total: int) -> dict[int, int]:
    """Return the columns that are cut so that all fit, and how wide they may be: the last one, then the widest.

    Examples
    --------
    >>> _fitting(("RUN", "TITLE", "ERROR"), (3, 60, 20), 80)
    {2: 13}
    >>> _fitting(("RUN", "TITLE", "ERROR"), (3, 80, 5), 80)
    {2: 5, 1: 68}
    """
    left = list(widths)
    cut: dict[int, int] = {}
    last = len(left) - 1
    for column in (last, max(range(len(left)), key=left.__getitem__)):
        over = sum(left) + _GAP * last - total
        if over > 0:
            cut[column] = left[column] = max(left[column] - over, len(headings[column]), 1)
    return cut


def _print_plain(headings: Sequence[str], rows: Sequence[Sequence[str | State]]) -> None:
    texts = [[_mark(cell) if isinstance(cell, State) else one_line(cell) for cell in row] for row in rows]
    lines = [list(headings), *texts]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        click.echo((" " * _GAP).join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _mark(state: State) -> str:
    icon, word, _ = APPEARANCE[state]
    return f"{icon} {word}"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
