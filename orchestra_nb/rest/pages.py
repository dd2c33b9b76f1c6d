"""Lists in pages: ``limit``, ``next``, and what follows by passing ``next`` as ``before`` or ``after``.

A list that is newest first has ``before``, one in an order that stays, by name or by creation, has ``after``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from orchestra_nb.rest.endpoint import Limit, Number

T = TypeVar("T")
C = TypeVar("C")

#: Of what leads to a page.
FOLLOWING: Final = "The `next` of the page before."

#: Of lists that are newest first, and have ids or numbers.
Before = Annotated[str | None, Meta(description=FOLLOWING)]
BeforeNumber = Annotated[Number | None, Meta(description=FOLLOWING)]

#: Of lists in the order of creation.
After = Annotated[str | None, Meta(description=FOLLOWING)]


class NamesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of a list by name."""

    limit: Limit = 500
    after: Annotated[str | None, Meta(description=FOLLOWING)] = None


def page_of(found: Sequence[T], limit: int, cursor_of: Callable[[T], C]) -> tuple[tuple[T, ...], C | None]:
    """Return a page, and where the following one begins, None at the end.

    Parameters
    ----------
    found
        One more than the limit, where there are so many.

    Examples
    --------
    >>> page_of(["b", "a"], 1, str.upper)
    (('b',), 'B')
    >>> page_of(["a"], 1, str.upper)
    (('a',), None)
    """
    page = tuple(found[:limit])
    return page, cursor_of(page[-1]) if len(found) > limit else None


def page_by_name(
    everything: Iterable[T], query: NamesQuery, name_of: Callable[[T], str]
) -> tuple[tuple[T, ...], str | None]:
    """Return a page of a list by name, and where the following one begins, None at the end.

    Examples
    --------
    >>> page_by_name(["c", "a", "b"], NamesQuery(limit=1, after="a"), str)
    (('b',), 'b')
    """
    after = query.after
    behind = sorted((one for one in everything if after is None or name_of(one) > after), key=name_of)
    return page_of(behind, query.limit, name_of)
