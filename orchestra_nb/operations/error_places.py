"""At which field of what was said something is wrong: JSON pointers, for forms that show it there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from orchestra_nb.errors import InvalidInput, NameTaken, NotFound

_STEPS: Final = re.compile(r"\.(\w+)|\[(\d+)\]")


@contextmanager
def told_at(pointer: str) -> Iterator[None]:
    """Have what is raised within say that it is about this field, unless it names one.

    Examples
    --------
    >>> try:
    ...     with told_at("/cron"):
    ...         raise InvalidInput("No schedule.")
    ... except InvalidInput as error:
    ...     print(error.at)
    {'/cron': 'No schedule.'}
    """
    try:
        yield
    except (InvalidInput, NotFound, NameTaken) as error:
        error.at = error.at or {pointer: str(error)}
        raise


@contextmanager
def told_below(pointer: str) -> Iterator[None]:
    """Have the places that what is raised within names stand below this field.

    Examples
    --------
    >>> try:
    ...     with told_below("/input"):
    ...         raise InvalidInput("No number.", {"/rows": "No number.", "": "Too few."})
    ... except InvalidInput as error:
    ...     print(error.at)
    {'/input/rows': 'No number.', '/input': 'Too few.'}
    """
    try:
        yield
    except InvalidInput as error:
        error.at = {f"{pointer}{place}": detail for place, detail in error.at.items()}
        raise


def pointer_to(path: str) -> str:
    """Return the JSON pointer to a value that a path leads to.

    Examples
    --------
    >>> pointer_to("schedules[0].cron"), pointer_to("")
    ('/schedules/0/cron', '')
    """
    return _STEPS.sub(r"/\1\2", f".{path.lstrip('.')}") if path.strip(".") else ""
