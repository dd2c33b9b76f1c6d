"""The options of a task cell as a form reads and writes them: the cell's text stays the only truth.

What a form does not change keeps its words, quotes and blanks, and so does each comment; what cannot be understood is
refused before anything is changed. Texts are compared, never what they mean, so nothing is written in another way than
its author wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.notebooks.cell_options import TASK_CELL
from orchestra_nb.notebooks.task_line import (
    Occurrence,
    directives,
    is_duration,
    occurrences,
    parse_task_line,
    place_of,
    words_of,
)
from orchestra_nb.notebooks.task_options import OPTIONS, Option, check_name, is_number

_LINE = "%%task"

#: Option to the texts of its values, each as it is typed without quotes, in the cell's order; None for one that is
#: given without a value.
Values = Mapping[str, Sequence[str | None]]


class TaskForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the text of a cell says.

    Parameters
    ----------
    is_task
        Whether the cell is a task; all else is empty where it is none.
    name
        Empty where it has none.
    """

    is_task: bool
    name: str = ""
    values: dict[str, tuple[str | None, ...]] = {}


class _Place(NamedTuple):
    """Where an option, or the name (``option`` is None), stands in the cell's source."""

    option: str | None
    text: str | None
    start: int
    end: int
    is_in_directive: bool


class _Edit(NamedTuple):
    """Put a text in the place of what stands there."""

    start: int
    end: int
    text: str


def read_task_form(source: str) -> TaskForm:
    """Return what a cell's ``%%task`` line, and the ``#:`` lines below it, say.

    Raises
    ------
    InvalidTaskLine
        The message names the word at fault and the remedy.

    Examples
    --------
    >>> read_task_form("%%task load --retries 2 --wait  # nightly").values
    {'--retries': ('2',), '--wait': (None,)}
    """
    found = TASK_CELL.match(source)
    if found is None:
        return TaskForm(is_task=False)
    if parse_task_line(found["line"], found["body"] or "").is_help:
        raise InvalidTaskLine("--help only shows the options of %%task. Remove it to edit them.")
    return _form_of(_places(source))


def write_task_form(source: str, name: str, values: Values) -> str:
    r"""Return the source of a cell with other options; a cell that is no task becomes one.

    Raises
    ------
    InvalidTaskLine
        The cell's own text cannot be understood, or values do not fit: ``at`` tells which, as ``/name`` and
        ``/values/--retries``.

    Examples
    --------
    >>> write_task_form("%%task load --retries 2  # nightly\nx = 1", "load", {"--retries": ["3"], "--wait": [None]})
    '%%task load --retries 3 --wait  # nightly\nx = 1'
    """
    if TASK_CELL.match(source) is None:
        source = f"{_LINE}\n{source}"
    before = read_task_form(source)
    name = name if name == before.name else name.strip()
    wanted = {option: _given(option, texts, before.values.get(option, ())) for option, texts in values.items()}
    wanted = {option: texts for option, texts in wanted.items() if texts}
    _check(name, wanted)
    written = source
    for edit in sorted(_edits(source, before, name, wanted), key=lambda edit: (edit.start, edit.end), reverse=True):
        written = written[: edit.start] + edit.text + written[edit.end :]
    after = read_task_form(written)  # also refuses what contradicts
    if after.name != name or after.values != wanted:
        raise InvalidTaskLine("These options cannot be put into this cell's text. Write them there by hand.")
    return written


def _given(option: str, texts: Sequence[str | None], before: Sequence[str | None]) -> tuple[str | None, ...]:
    """Return the texts that stand for a value: without blanks around them, but where they have not changed."""
    known = OPTIONS.get(option)
    if known is None:
        message = f"There is no option {option!r}. %%task takes {', '.join(OPTIONS)}."
        raise InvalidTaskLine(message, {place_of(option): message})
    if tuple(texts) == tuple(before):
        return tuple(texts)
    if known.read is None:
        return (None,) if texts else ()
    given = tuple(None if text is None else text.strip() for text in texts)
    if known.value_is_optional:
        return tuple(text or None for text in given)
    return tuple(text for text in given if text)


def _check(name: str, values: Mapping[str, tuple[str | None, ...]]) -> None:
    """Raise InvalidTaskLine for all values that cannot be read, each at its place."""
    at: dict[str, str] = {}
    if name:
        try:
            check_name(name, "name of a task")
        except InvalidTaskLine as error:
            at["/name"] = str(error)
    for option, texts in values.items():
        known = OPTIONS[option]
        try:
            if len(texts) > 1 and not known.may_repeat:
                raise InvalidTaskLine(f"{option} takes one value. Remove all others.")
            for text in texts:
                if text is not None and known.read is not None:
                    known.read(option, text)
                    _word(text, option)
        except InvalidTaskLine as error:
            at[place_of(option)] = str(error)
    if at:
        raise InvalidTaskLine(" ".join(at.values()), at)


def _edits(source: str, before: TaskForm, name: str, values: Mapping[str, tuple[str | None, ...]]) -> list[_Edit]:
    """Return what is to be changed in the text, and nothing else; no two edits overlap."""
    places = _places(source)
    on_line = [place for place in places if not place.is_in_directive]
    begin = source.index(_LINE) + len(_LINE)
    end = max((place.end for place in on_line), default=begin)
    edits: list[_Edit] = []
    if name != before.name:
        own = next((place for place in on_line if place.option is None), None)
        if own is None:
            edits.append(_Edit(begin, begin, f" {_word(name)}"))
        else:
            edits.append(_Edit(own.start, own.end, _word(name)) if name else _removal(source, own))
    added = ""
    for option, known in OPTIONS.items():
        wanted = values.get(option, ())
        present = [place for place in places if place.option == option]
        for place, text in zip(present, wanted, strict=False):
            if text != place.text:
                edits.append(_Edit(place.start, place.end, _words(option, known, text)))
        edits += [_removal(source, place) for place in present[len(wanted) :]]
        added += "".join(f" {_words(option, known, text)}" for text in wanted[len(present) :])
    if added:
        # behind all that the line has; an edit that ends there is one with it
        last = next((edit for edit in edits if edit.end == end), _Edit(end, end, ""))
        edits = [edit for edit in edits if edit is not last] + [_Edit(last.start, last.end, last.text + added)]
    return edits


def _removal(source: str, place: _Place) -> _Edit:
    """Return the edit that removes an option with the blanks before it; its line too, where nothing else is on it."""
    start = place.start
    while source[start - 1] in " \t":
        start -= 1
    if not place.is_in_directive:
        return _Edit(start, place.end, "")
    line_start = source.rfind("\n", 0, place.start) + 1
    line_end = source.find("\n", place.end)
    line_end = len(source) if line_end < 0 else line_end
    if source[line_start : place.start].strip() == "#:" and not source[place.end : line_end].strip():
        return _Edit(line_start - 1, line_end, "")  # there is a line above: that of %%task
    return _Edit(start, place.end, "")


def _places(source: str) -> list[_Place]:
    """Return where options and the name stand in the source of a task cell, in its order."""
    found = TASK_CELL.match(source)
    assert found is not None
    places = [
        _place(one, found.start("line"), is_in_directive=False)
        for one in occurrences(words_of(found["line"], _LINE), _LINE)
    ]
    for directive in directives(found["body"] or ""):
        where = f"line {directive.number} of the cell"
        begin = found.start("body") + directive.start
        places += [
            _place(one, begin, is_in_directive=True) for one in occurrences(words_of(directive.text, where), where)
        ]
    return places


def _place(one: Occurrence, begin: int, *, is_in_directive: bool) -> _Place:
    return _Place(one.option, one.text, begin + one.start, begin + one.end, is_in_directive)


def _form_of(places: Sequence[_Place]) -> TaskForm:
    name = ""
    values: dict[str, tuple[str | None, ...]] = {}
    for place in places:
        if place.option is None:
            name = place.text or ""
        else:
            values[place.option] = (*values.get(place.option, ()), place.text)
    return TaskForm(is_task=True, name=name, values=values)


def _words(option: str, known: Option, text: str | None) -> str:
    """Return an option as it is written."""
    if text is None:
        return option
    if known.value_is_optional and not is_duration(text):
        return f"{option}={_word(text, option)}"
    return f"{option} {_word(text, option)}"


def _word(text: str, option: str = "") -> str:
    """Return one word of a line, in quotes where it needs some."""
    is_plain = not any(character.isspace() or character in "\"'#," for character in text)
    if option:
        # what follows a comma belongs to the value; so it must not end with one, nor begin like an option
        is_plain = is_plain or _reads_as(text, text)
        is_plain = is_plain and (not text.startswith("-") or is_number(text))
    else:
        is_plain = is_plain and not text.startswith("-") and not is_duration(text)
    if is_plain:
        return text
    if "\n" in text:
        raise InvalidTaskLine(f"{option or 'The name'} {text!r}: this holds a line break. Write it on one line.")
    for quote in "\"'":
        if _reads_as(f"{quote}{text}{quote}", text):
            return f"{quote}{text}{quote}"
    raise InvalidTaskLine(f"{option or 'The name'} {text}: this holds both kinds of quotes. Use one of them.")


def _reads_as(written: str, text: str) -> bool:
    """Tell whether something written is one word with this text."""
    if written.endswith(","):
        return False
    try:
        words = words_of(written, _LINE)
    except InvalidTaskLine:
        return False
    return [word.text for word in words] == [text]
