"""What Jinja has in the place of a name that is not there: an error that says which names are.

Imports jinja2: loaded by those who make an environment, when they make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, UndefinedError  # noqa: TID253  the class is one of Jinja's
from jinja2.utils import missing  # noqa: TID253

#: So many names are told, and so much of each: what a webhook is sent may have any number.
_MOST_NAMES: Final = 30
_LONGEST_NAME: Final = 40


class ToldUndefined(StrictUndefined):
    """An error wherever it is used, but for asking whether it is there."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[Exception] = UndefinedError,
    ) -> None:
        if hint is None and isinstance(obj, Mapping):
            hint = _hint(obj, name)
        super().__init__(hint, obj, name, exc)  # type: ignore[arg-type]  # jinja2 says TemplateRuntimeError only


def _hint(given: Mapping[object, object], name: object) -> str:
    names = [str(one)[:_LONGEST_NAME] for one in list(given)[:_MOST_NAMES]]
    if not names:
        return f"there is no {name!r}: it is empty"
    more = ", …" if len(given) > _MOST_NAMES else ""
    return f"there is no {name!r}, only {', '.join(names)}{more}"
