"""Values of users that must be JSON: checked where they come in, so that nothing changes silently on its way.

Python's encoder turns keys into text and tuples into lists, and the store's encoder writes out what it does not know.
A variable that was set to ``{1: date}`` must not come back as something else: it is refused.
"""

from __future__ import annotations

import json
from typing import Final

from orchestra_nb.errors import InvalidInput

#: The largest value of a variable, a payload or an input, as JSON.
MAX_VALUE_BYTES: Final = 1_000_000


def to_json_text(value: object, what: str, max_bytes: int = MAX_VALUE_BYTES) -> str:
    r"""Return ``value`` as JSON in ASCII; non-finite floats, lone surrogates and whole numbers of any size are kept.

    Parameters
    ----------
    what
        Names the value in errors: ``"The value of variable 'x'"``.

    Raises
    ------
    InvalidInput
        The value, or a part of it, is not of JSON's types, or is too large.

    Examples
    --------
    >>> to_json_text({"a": [1, None, "ä"]}, "It")
    '{"a":[1,null,"\\u00e4"]}'
    """
    _check(value, what, "", ())
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > max_bytes:
        raise InvalidInput(
            f"{what} has {len(text):,} bytes as JSON, at most {max_bytes:,} are kept. Put it into a file and keep its "
            "path."
        )
    return text


def from_json_text(text: str) -> object:
    """Return the value that :func:`to_json_text` wrote."""
    return json.loads(text)


def _check(value: object, what: str, path: str, above: tuple[int, ...]) -> None:
    if value is None or isinstance(value, bool | int | float | str):
        return
    if id(value) in above:
        raise InvalidInput(f"{what} holds itself at {path or 'its top'}.")
    above = (*above, id(value))
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInput(f"{what} has the key {key!r}{_at(path)}; keys of JSON are text: write {str(key)!r}.")
            _check(item, what, f"{path}.{key}", above)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check(item, what, f"{path}[{number}]", above)
    else:
        raise InvalidInput(
            f"{what} has a value of type {type(value).__name__}{_at(path)}, which is no JSON. Use text, numbers, true "
            "and false, None, lists and dictionaries."
        )


def _at(path: str) -> str:
    return f" at {path.lstrip('.')}" if path else ""
