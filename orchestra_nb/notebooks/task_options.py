"""The options of ``%%task``: how the value of each is read, and what is wrong with one that cannot be."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.model.durations import parse_duration
from orchestra_nb.model.retries import parse_delays

_NAME: Final = re.compile(r"[\w.\- ]+")
_NAME_LENGTH: Final = 100
_RETRIES_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Parameters
    ----------
    read
        Takes the option's name and the text of its value; None for a switch.
    value
        What stands for its value in help.
    help
        What it does, in one sentence without a full stop.
    """

    read: Callable[[str, str], object] | None
    example: str = ""
    may_repeat: bool = False
    value_is_optional: bool = False
    value: str = ""
    help: str = ""


def check_name(name: str, what: str) -> None:
    """Raise InvalidTaskLine unless this can be the name of a task; ``what`` says which name it is."""
    if not name.strip():
        raise InvalidTaskLine(f"The {what} is empty. Write a word, or leave it out.")
    if name != name.strip():
        raise InvalidTaskLine(f"{name!r} cannot be the {what}: it begins or ends with a space. Write {name.strip()!r}.")
    wrong = _NAME.sub("", name)
    if wrong:
        raise InvalidTaskLine(
            f"{name!r} cannot be the {what} because of {wrong[0]!r}. Use letters, digits, spaces and _ - . only."
        )
    if len(name) > _NAME_LENGTH:
        raise InvalidTaskLine(f"The {what} has {len(name)} characters, and the limit is {_NAME_LENGTH}: {name[:30]!r}…")


def _number(option: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidTaskLine(f"{option} {text}: not a whole number from 0. Write {option} 3.")
    if int(text) > _RETRIES_LIMIT:
        raise InvalidTaskLine(f"{option} {text}: the limit is {_RETRIES_LIMIT}.")
    return int(text)


def _delays(option: str, text: str) -> tuple[tuple[float, ...], tuple[float, float] | None]:
    try:
        delays, exponential = parse_delays(text)
    except ValueError as error:
        raise InvalidTaskLine(f"{option} {text}: {error}") from None
    if exponential is not None and not 0 < exponential[0] <= exponential[1]:
        raise InvalidTaskLine(f"{option} {text}: the first delay must be above zero and not above the limit.")
    return delays, exponential


def _seconds(option: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise InvalidTaskLine(f"{option} {text}: {error}") from None
    if seconds <= 0:
        raise InvalidTaskLine(f"{option} {text}: must be longer than zero.")
    return seconds


def names_of_variables(option: str, text: str) -> tuple[str, ...]:
    """Read ``a,b``: each name once."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = next((name for name in names if not name.isidentifier() or keyword.iskeyword(name)), None)
    if wrong is not None:
        raise InvalidTaskLine(f"{option} {text}: {wrong!r} is no name of a variable. Write {option} a,b.")
    return tuple(dict.fromkeys(names))


def _tasks(option: str, text: str) -> tuple[str, ...]:
    tasks = [task.strip() for task in text.split(",") if task.strip()]
    if not tasks:
        raise InvalidTaskLine(f"{option} needs the name of a task, such as {option} load.")
    for task in tasks:
        check_name(task, f"name of a task in {option}")
    return tuple(tasks)


def _tag(option: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidTaskLine(f"{option} {text}: write a key and a value, such as {option} team=sales.")
    return key.strip(), value


def is_number(text: str) -> bool:
    """Tell a negative number from an option."""
    return re.fullmatch(r"-[0-9.]+", text) is not None


#: All options but ``--help``, in the order in which they are listed.
OPTIONS: Final[dict[str, Option]] = {
    "--retries": Option(_number, "3", value="N", help="run again up to N times after an error (default 0)"),
    "--retry-delay": Option(
        _delays,
        "10s",
        value="D",
        help="wait before each retry: 2s, or one for each 2s,10s,1m, or doubling from 2s up to 60s: exp:2s:60s "
        "(default: no wait)",
    ),
    "--timeout": Option(_seconds, "10m", value="D", help="stop an attempt that runs longer: 90s, 10m, 1h30m"),
    "--in": Option(
        names_of_variables,
        "a,b",
        value="a,b",
        help="send only these variables (default: those that the cell reads)",
    ),
    "--out": Option(
        names_of_variables,
        "x,y",
        value="x,y",
        help="bring back only these variables (default: those that it assigns or changes)",
    ),
    "--after": Option(
        _tasks,
        "load",
        may_repeat=True,
        value="T",
        help="start only after task T has completed; may be repeated, or T1,T2",
    ),
    "--cache": Option(
        _seconds,
        "1h",
        value_is_optional=True,
        value="[D]",
        help="take the kept result of this code with these inputs, else keep it (for D: 1h)",
    ),
    "--tag": Option(_tag, "team=sales", may_repeat=True, value="k=v", help="label the task; may be repeated"),
    "--wait": Option(None, help="wait here until the task has ended"),
    "--local": Option(None, help="run in this kernel rather than on the cluster"),
}
