"""In which order runs are listed, and where a page in that order goes on.

A page goes on behind what its last run was like when it was listed: a run that starts or ends meanwhile neither hides
others nor repeats them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.runs import Run

#: Field of a run to whether it may be absent; each has an index. Runs without it come last.
SORTABLE: Final = {
    "created_at": False,
    "started_at": True,
    "ended_at": True,
    "name": False,
    "flow_name": False,
    "kind": False,
    "state": False,
    "deployment": True,
}
_TIMES: Final = frozenset({"started_at", "ended_at"})

Value = str | datetime | None


class SortKey(msgspec.Struct, frozen=True, kw_only=True):
    """A field by which runs are sorted."""

    field: str
    is_descending: bool


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What the last run of a page was like: the values of the keys, and its id."""

    values: tuple[Value, ...]
    run_id: str


class RunOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of runs.

    Parameters
    ----------
    keys
        The first counts most. Not ``created_at``: ids sort by it.
    is_newest_first
        Among runs that all keys have equal.
    """

    keys: tuple[SortKey, ...]
    is_newest_first: bool

    @classmethod
    def of(cls, words: Sequence[str]) -> RunOrder:
        """Return the order of words, with ``-`` before a field that descends.

        Raises
        ------
        InvalidInput
            Runs cannot be sorted by one of them.

        Examples
        --------
        >>> order = RunOrder.of(["-started_at", "name"])
        >>> [(key.field, key.is_descending) for key in order.keys], order.is_newest_first
        ([('started_at', True), ('name', False)], True)
        >>> RunOrder.of(["created_at"])
        RunOrder(keys=(), is_newest_first=False)
        """
        keys: list[SortKey] = []
        for word in words:
            key = SortKey(field=word.removeprefix("-"), is_descending=word.startswith("-"))
            if key.field not in SORTABLE:
                raise InvalidInput(
                    f"Runs are not sorted by {key.field[:60]!r}. They are by {', '.join(SORTABLE)}; with - before it "
                    "from the largest down."
                )
            if key.field in {one.field for one in keys}:
                raise InvalidInput(f"Runs are sorted by {key.field} once, not twice.")
            keys.append(key)
        first = keys[0].is_descending if keys else True
        for number, key in enumerate(keys):
            if key.field == "created_at":  # of which there are no two the same
                return cls(keys=tuple(keys[:number]), is_newest_first=key.is_descending)
        return cls(keys=tuple(keys), is_newest_first=first)

    @property
    def is_usual(self) -> bool:
        """Whether the newest run is first, whatever else is said of it."""
        return not self.keys and self.is_newest_first

    def cursor_behind(self, run: Run) -> str:
        """Return where the page behind a run begins."""
        if self.is_usual:
            return run.run_id
        values = [getattr(run, key.field) for key in self.keys]
        data = msgspec.json.encode([*(None if one is None else _text(one) for one in values), run.run_id])
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    def place_at(self, cursor: str) -> Place:
        """Return the place of a cursor.

        Raises
        ------
        InvalidInput
            It is none of this order.
        """
        try:
            data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            *texts, run_id = msgspec.json.decode(data, type=list[str | None])
            if run_id is None or len(texts) != len(self.keys):
                raise ValueError(cursor)
            return Place(
                values=tuple(_value(key, text) for key, text in zip(self.keys, texts, strict=True)), run_id=run_id
            )
        except (ValueError, OverflowError, msgspec.DecodeError):
            raise InvalidInput(
                f"{cursor[:60]!r} is no place in this order. Pass the `next` of the page before, with the same sort."
            ) from None


#: The usual order.
NEWEST_FIRST: Final = RunOrder(keys=(), is_newest_first=True)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _value(key: SortKey, text: str | None) -> Value:
    if text is None:
        if not SORTABLE[key.field]:
            raise ValueError(key.field)
        return None
    if key.field not in _TIMES:
        return text
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at.astimezone(UTC)
