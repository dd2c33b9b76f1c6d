"""Lists of the REST API as a whole, page by page, or up to a number of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

#: What every list answers at once.
_PAGE: Final = 500


def whole_list(
    ask: Callable[..., Any],
    field: str,
    *,
    cursor: Literal["after", "before"] = "after",
    limit: int | None = None,
    **filters: Any,
) -> list[Any]:
    """Return the entries of a list.

    Parameters
    ----------
    ask
        A method of the client that answers pages.
    field
        Where the entries are in an answer.
    cursor
        What takes the ``next`` of the page before.
    limit
        At most so many; None for all.
    filters
        As the method takes them.
    """
    found: list[Any] = []
    for page in _pages(ask, field, cursor, limit, filters):
        found += page
    return found


def _pages(
    ask: Callable[..., Any], field: str, cursor: str, limit: int | None, filters: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    following, left = None, limit
    while left is None or left > 0:
        answer = ask(**filters, **{cursor: following, "limit": _PAGE if left is None else min(_PAGE, left)})
        page: tuple[Any, ...] = getattr(answer, field)
        yield page
        following = answer.next
        if following is None:
            return
        left = None if left is None else left - len(page)
