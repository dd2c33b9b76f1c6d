"""The names of a notebook and of the functions that run in it, on all ways through the code at once.

In each scope a name is as it was before the cell (``INCOMING``), bound by it (``BOUND``) or gone (``DELETED``); where
ways meet, the possibilities are united. Only a name that may be ``INCOMING`` is read from outside.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from orchestra_nb.notebooks.abstract_values import NOTHING, Function, Thing, Value, either

INCOMING: Final = 1
BOUND: Final = 2
DELETED: Final = 4


class Slot(NamedTuple):
    """What a name may be, and its value."""

    mask: int
    value: Value


#: Name to slot; a name that is missing has not been touched.
Names = dict[str, Slot]


class Ways(NamedTuple):
    """The names at one point of the code: of the running function (None outside of one), and of the notebook."""

    local: Names | None
    notebook: Names

    def copy(self) -> Ways:
        """Return a copy that later changes do not reach."""
        return Ways(None if self.local is None else dict(self.local), dict(self.notebook))


class Loop:
    """The states at the ``break`` and ``continue`` of one loop."""

    __slots__ = ("breaks", "continues")

    def __init__(self) -> None:
        self.breaks: list[Ways] = []
        self.continues: list[Ways] = []


class Frame:
    """One run of a function, of the body of a class, or of a cell.

    Parameters
    ----------
    names
        Names that belong to this scope alone.
    parent
        The frame in which the function is defined; None for a cell.
    """

    __slots__ = (
        "environment",
        "ever",
        "first",
        "function",
        "is_class",
        "loops",
        "names",
        "outcomes",
        "parent",
        "returns",
    )

    def __init__(
        self, names: frozenset[str], parent: Frame | None, born: int, function: Function | None = None
    ) -> None:
        self.names = names
        self.parent = parent
        self.function = function
        self.is_class = False
        #: every value that a name has had: what closures see, which may outlive the frame
        self.ever: dict[str, Value] = {}
        self.environment = Thing("environment", born, is_open=False)
        self.returns: Value | None = None
        #: the states where a way ends: at ``return`` and ``raise``
        self.outcomes: list[Ways] = []
        self.loops: list[Loop] = []
        #: what ``super()`` works on
        self.first: Value = NOTHING

    def remember(self, name: str, value: Value) -> bool:
        """Note a value for closures; tells whether anything is new."""
        before = self.ever.get(name)
        after = value if before is None else either(before, value)
        if after is before or after == before:
            return False
        self.ever[name] = after
        self.environment.put(None, value)
        return True


def join_slots(first: Slot, second: Slot) -> Slot:
    """Unite what a name may be on two ways."""
    if first is second:
        return first
    return Slot(first.mask | second.mask, either(first.value, second.value))
