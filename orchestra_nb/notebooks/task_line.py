"""The line of ``%%task``: its grammar, its help, its completions.

The grammar is our own rather than argparse's: no abbreviations, words may be quoted, a comment may follow, an option
may also stand in the cell's body (``#: --retries 3``), and each error names the word at fault and the remedy.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.notebooks.task_options import OPTIONS, Option, check_name, is_number, names_of_variables

_HELP_COLUMN: Final = 23
_HELP_WIDTH: Final = 100


def _help_of(name: str, value: str, text: str) -> str:
    """Return what the help says of one option."""
    head = f"  {name} {value}".ljust(_HELP_COLUMN)
    return textwrap.fill(text, _HELP_WIDTH, initial_indent=head, subsequent_indent=" " * _HELP_COLUMN)


_OPTIONS_HELP: Final = "\n".join(
    [
        *(_help_of(name, option.value, option.help) for name, option in OPTIONS.items()),
        _help_of("--help, -h", "", "show this help"),
    ]
)

#: What stands below a line below which nothing stands yet.
NO_BODY = "#"
#: What ``%%task --help`` shows.
HELP: Final = f"""\
%%task [NAME] [OPTIONS]

Runs this cell as a task on the cluster and returns at once. The variables that the cell
assigns get their values when a later cell reads them.

{_OPTIONS_HELP}

Values also as --option=value. Quote what has spaces: %%task "load data". A comment may follow.
Options may also stand in lines at the top of the cell: #: --retries 3 --timeout 10m

  %%task load
  %%task train --retries 2 --retry-delay 10s --timeout 1h
  %%task report --after load --in model,scores --out page
"""

_DIRECTIVE: Final = re.compile(r"\s*#:(.*)")
_DURATION: Final = re.compile(r"[0-9][0-9.]*(ms|s|m|h|d)?([0-9][0-9.]*(ms|s|m|h|d))*")


class CacheOption(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--cache [TTL]`` asks for; without a time the result is good for ever."""

    ttl_seconds: float | None = None


class TaskLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a ``%%task`` line asks for.

    Parameters
    ----------
    name
        None where the line gives none.
    inputs, outputs
        None where the cell's own names decide.
    after
        Names of tasks, in the order given, each once.
    is_help
        Show :data:`HELP` and run nothing; all else is at its default.
    body
        The cell below the line; lines of directives stay, so that lines keep their numbers.
    """

    name: str | None = None
    retry: RetryPolicy = RetryPolicy()
    timeout_seconds: float | None = None
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    cache: CacheOption | None = None
    tags: dict[str, str] = {}
    wait: bool = False
    local: bool = False
    is_help: bool = False
    body: str = ""


class Word(NamedTuple):
    """A word of a line: without its quotes, whether it had any, and where it stands in the line."""

    text: str
    is_quoted: bool
    start: int
    end: int


class Directive(NamedTuple):
    """A ``#:`` line: its number in the cell's body, what stands behind ``#:``, and where that begins in the body."""

    number: int
    text: str
    start: int


class Occurrence(NamedTuple):
    """One place where a line gives an option, or a word that belongs to none (``option`` is None then).

    Parameters
    ----------
    text
        Of the value, as it was typed, without its quotes; None where there is none.
    value
        What the text was read as; True for a switch.
    """

    option: str | None
    text: str | None
    value: object
    start: int
    end: int


def parse_task_line(line: str, body: str) -> TaskLine:
    """Read a ``%%task`` line and the directives at the top of its cell.

    Raises
    ------
    InvalidTaskLine
        The message names the word at fault and the remedy.

    Examples
    --------
    >>> task = parse_task_line("train --retries 2 --timeout=10m  # the big one", "fit()")
    >>> task.name, task.retry.retries, task.timeout_seconds
    ('train', 2, 600.0)
    """
    words = words_of(line, "%%task")
    if any(word.text in ("--help", "-h") and not word.is_quoted for word in words):
        return TaskLine(is_help=True, body=body)
    names, options = _options(words, "%%task")
    if len(names) > 1:
        raise InvalidTaskLine(
            f"Unexpected {names[1]!r}: a task has one name, and it is {names[0]!r}. Quote a name that has spaces: "
            f'%%task "{" ".join(names)}".'
        )
    _merge_directives(options, body)
    if names:
        check_name(names[0], "name of a task")
    return _record(names[0] if names else None, options, body)


def _merge_directives(options: dict[str, list[Any]], body: str) -> None:
    """Add the options of ``#:`` lines at the top of the body; what the line says already must not differ."""
    on_line = frozenset(options)
    for number, text, _ in directives(body):
        where = f"line {number} of the cell"
        names, found = _options(words_of(text, where), where)
        if names:
            raise InvalidTaskLine(f"Unexpected {names[0]!r} in {where}: only options stand after `#:`, as --retries 3.")
        for option, values in found.items():
            may_repeat = OPTIONS[option].may_repeat
            if option in options and not may_repeat:
                place = "on the %%task line" if option in on_line else "in a line above"
                raise InvalidTaskLine(f"{option} stands {place} and in {where}. Remove one of them.")
            options.setdefault(option, []).extend(values)


def directives(body: str) -> Iterator[Directive]:
    """Yield the ``#:`` lines before the first line of code."""
    start = 0
    for number, line in enumerate(body.splitlines(keepends=True), 1):
        text = line.splitlines()[0]
        directive = _DIRECTIVE.match(text)
        if directive:
            yield Directive(number, directive.group(1), start + directive.start(1))
        elif text.strip() and not text.lstrip().startswith("#"):
            return
        start += len(line)


def words_of(line: str, where: str) -> list[Word]:
    """Split a line as a shell does: quotes, and a comment from a ``#`` that begins a word.

    Raises
    ------
    InvalidTaskLine
        A quote is not closed.
    """
    words: list[Word] = []
    position, start, text, is_quoted, is_open = 0, 0, "", False, False
    while position < len(line):
        character = line[position]
        if not is_open:
            start = position
        if character in "'\"" and not (is_open and character == "'" and not text.endswith(("=", ","))):
            end = line.find(character, position + 1)
            if end < 0:
                raise InvalidTaskLine(f"The quote {character} in {where} is not closed: {line[position:].strip()}")
            text, is_quoted, is_open, position = text + line[position + 1 : end], True, True, end
        elif character.isspace():
            if is_open:
                words.append(Word(text, is_quoted, start, position))
            text, is_quoted, is_open = "", False, False
        elif character == "#" and not is_open:
            break
        else:
            text, is_open = text + character, True
        position += 1
    if is_open:
        words.append(Word(text, is_quoted, start, position))
    return words


def read_directives(source: str, known: Mapping[str, Option]) -> dict[str, Any]:
    """Return option to value of the ``#:`` lines at the top of a cell that is no task.

    Raises
    ------
    InvalidTaskLine
        The message names the line and the word at fault, and the remedy.
    """
    given: dict[str, Any] = {}
    for number, text, _ in directives(source):
        where = f"line {number} of the cell"
        names, found = _options(words_of(text, where), where, known)
        if names:
            raise InvalidTaskLine(f"Unexpected {names[0]!r} in {where}: only options stand after `#:`, as --retries 3.")
        for option, values in found.items():
            if option in given:
                raise InvalidTaskLine(f"{option} stands in a line above and in {where}. Remove one of them.")
            given[option] = values[0]
    return given


def _options(
    words: list[Word], where: str, known: Mapping[str, Option] = OPTIONS
) -> tuple[list[str], dict[str, list[Any]]]:
    """Return the words that belong to no option, and option to its values."""
    names: list[str] = []
    options: dict[str, list[Any]] = {}
    for found in occurrences(words, where, known):
        if found.option is None:
            names.append(str(found.text))
            continue
        if found.option in options and not known[found.option].may_repeat:
            raise InvalidTaskLine(f"{found.option} stands twice in {where}. Remove one of them.")
        options.setdefault(found.option, []).append(found.value)
    return names, options


def occurrences(words: list[Word], where: str, known: Mapping[str, Option] = OPTIONS) -> Iterator[Occurrence]:
    """Yield what stands in a line, in its order.

    Raises
    ------
    InvalidTaskLine
        An option is not known, or its value cannot be read.
    """
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.text.startswith("-") or (word.is_quoted and "=" not in word.text):
            yield Occurrence(None, word.text, None, word.start, word.end)
            continue
        name, equals, value = word.text.partition("=")
        option = known.get(name)
        if option is None:
            raise InvalidTaskLine(_unknown(name, where, known))
        text = _value_text(name, option, value if equals else None, rest)
        read = True if option.read is None else None if text is None else option.read(name, text)
        last = words[len(words) - len(rest) - 1]
        yield Occurrence(name, text, read, word.start, last.end)


def _value_text(name: str, option: Option, attached: str | None, rest: list[Word]) -> str | None:
    """Return the text of an option's value; takes it from the words that follow."""
    if option.read is None:
        if attached is not None:
            raise InvalidTaskLine(f"{name} takes no value. Write {name} alone, without ={attached}.")
        return None
    if attached is None and option.value_is_optional:
        # the word after --cache is its time only if it looks like one, else it is the task's name
        if rest and not rest[0].is_quoted and is_duration(rest[0].text):
            return rest.pop(0).text
        return None
    if attached is None:
        if not rest or (rest[0].text.startswith("-") and not rest[0].is_quoted and not is_number(rest[0].text)):
            raise InvalidTaskLine(f"{name} needs a value, such as {name} {option.example}.")
        attached = rest.pop(0).text
        while attached.endswith(",") and rest and not rest[0].text.startswith("-"):
            attached += rest.pop(0).text  # a space after a comma
        while option.read is names_of_variables and rest and rest[0].text.startswith(","):
            attached += rest.pop(0).text
    return attached


def is_duration(text: str) -> bool:
    """Tell whether a word after ``--cache`` is its time, and not the name of the task."""
    return _DURATION.fullmatch(text) is not None


def _unknown(name: str, where: str, known: Mapping[str, Option]) -> str:
    if known is not OPTIONS:
        if name in OPTIONS:
            return f"{name} in {where} is an option of tasks. Put %%task at the top of the cell, or remove it."
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"Unknown option {name} in {where}.{hint} A cell takes {', '.join(known)}."
    near = difflib.get_close_matches(name, [*OPTIONS, "--help"], n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"Unknown option {name} in {where}.{hint} `%%task --help` lists all options."


def _record(name: str | None, options: dict[str, list[Any]], body: str) -> TaskLine:
    """Build the record; refuses options that contradict each other."""
    given = {option: values[0] for option, values in options.items() if not OPTIONS[option].may_repeat}
    _check_together(given)
    delays, exponential = given.get("--retry-delay", ((), None))
    after = [task for tasks in options.get("--after", []) for task in tasks]
    if name is not None and name in after:
        message = f"--after {name}: a task cannot wait for itself. Name another task."
        raise InvalidTaskLine(message, {place_of("--after"): message})
    return TaskLine(
        name=name,
        retry=RetryPolicy(retries=given.get("--retries", 0), delays_seconds=delays, exponential=exponential),
        timeout_seconds=given.get("--timeout"),
        inputs=given.get("--in"),
        outputs=given.get("--out"),
        after=tuple(dict.fromkeys(after)),
        cache=CacheOption(ttl_seconds=given["--cache"]) if "--cache" in given else None,
        tags=_tags(options.get("--tag", [])),
        wait="--wait" in given,
        local="--local" in given,
        body=body,
    )


def place_of(option: str) -> str:
    """Return the JSON pointer to an option's values in a form of them."""
    return f"/values/{option}"


def _check_together(given: dict[str, Any]) -> None:
    if "--retry-delay" in given and not given.get("--retries"):
        message = "--retry-delay has no effect without --retries. Add --retries N, or remove it."
        raise InvalidTaskLine(message, {place_of("--retry-delay"): message})
    if "--local" not in given:
        return
    # in the kernel's own process nobody can end a cell from outside and leave its variables whole
    for option in ("--timeout", "--cache"):
        if option in given:
            message = f"{option} does not work with --local, which runs in this kernel. Remove one of them."
            raise InvalidTaskLine(message, {place_of(option): message})


def _tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, value in pairs:
        if tags.setdefault(key, value) != value:
            message = f"The tag {key!r} has two values, {tags[key]!r} and {value!r}. Remove one of them."
            raise InvalidTaskLine(message, {place_of("--tag"): message})
    return tags


def complete_task_line(text_before_cursor: str, task_names: Collection[str], names: Collection[str]) -> list[str]:
    """Return what the last, unfinished word of a line may become, sorted: whole words, to replace the one there.

    Parameters
    ----------
    text_before_cursor
        The text between ``%%task`` and the cursor.
    task_names
        Tasks that ``--after`` may name.
    names
        Variables that ``--in`` and ``--out`` may name.

    Examples
    --------
    >>> complete_task_line(" train --ti", [], [])
    ['--timeout']
    >>> complete_task_line(" train --in model,sc", [], ["scores", "model"])
    ['model,scores']
    """
    head, _, word = text_before_cursor.rpartition(" ") if " " in text_before_cursor else ("", "", text_before_cursor)
    try:
        before = [word.text for word in words_of(head, "%%task")]
    except InvalidTaskLine:
        return []  # within quotes
    option, equals, value = word.partition("=")
    if equals and option in OPTIONS:
        return [f"{option}={found}" for found in _complete_value(option, value, task_names, names)]
    last = before[-1] if before else ""
    if last in OPTIONS and OPTIONS[last].read is not None and not OPTIONS[last].value_is_optional:
        return _complete_value(last, word, task_names, names)
    used = {text.partition("=")[0] for text in before}
    free = [name for name, known in OPTIONS.items() if name not in used or known.may_repeat]
    return sorted(name for name in [*free, "--help"] if name.startswith(word)) if word[:1] in ("", "-") else []


def _complete_value(option: str, value: str, task_names: Collection[str], names: Collection[str]) -> list[str]:
    head, comma, last = value.rpartition(",")
    chosen = {part.strip() for part in head.split(",")}
    if option == "--after":
        choices = [f'"{name}"' if " " in name else name for name in task_names]
    elif option in ("--in", "--out"):
        choices = list(names)
    else:
        choices = []
    return sorted(f"{head}{comma}{name}" for name in choices if name.startswith(last) and name not in chosen)
