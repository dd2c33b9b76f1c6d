"""Names of a notebook that runs abstractly: in its cells and functions, on all ways through the code at once."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from orchestra_nb.notebooks.abstract_builtins import AbstractBuiltins
from orchestra_nb.notebooks.abstract_state import BOUND, DELETED, INCOMING, Frame, Slot, Ways, join_slots
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    Value,
    any_of,
)


class AbstractScopes(AbstractBuiltins):
    """Keeps what names stand for."""

    def __init__(self, cell: int, shares_frames: bool, resources: object, frame: Frame) -> None:
        super().__init__(cell, shares_frames, resources)
        self.frame = frame
        self.home_frame = frame
        #: names of the running function; None outside of one
        self.local: dict[str, Slot] | None = None
        #: names of the notebook that the cell has touched
        self.names: dict[str, Slot] = {}
        #: whether a way leads here
        self.alive = True
        self.may_end = False
        self._kept_trees: list[ast.Module] = []
        self._snapshots: list[list[Ways]] = []
        self.reads: set[str] = set()
        #: names that the cell reads for certain, before it may bind them itself
        self.certain_reads: set[str] = set()

    def incoming(self, name: str) -> Value:
        """Return the value of a name of the notebook from before the cell."""
        raise NotImplementedError

    def note_read(self, name: str, value: Value) -> None:
        """A name from before the cell is read."""
        self.reads.add(name)

    def _slot(self, name: str) -> Slot:
        slot = self.names.get(name)
        return slot if slot is not None else Slot(INCOMING, self.incoming(name))

    def _read_notebook(self, name: str) -> Value:
        slot = self.names.get(name)
        if slot is None:
            value = self.incoming(name)
            self.note_read(name, value)
            if not self.uncertain and self.alive and not self.may_end:
                self.certain_reads.add(name)
            return value
        if slot.mask & INCOMING:
            self.note_read(name, self.incoming(name))
        return slot.value

    def read(self, name: str) -> Value:
        """Read a name."""
        return self._look_up(name, self._read_notebook)

    def peek(self, name: str) -> Value:
        """Return what is known of a name without reading it."""
        return self._look_up(name, lambda name: self._slot(name).value)

    def _look_up(self, name: str, outside: Callable[[str], Value]) -> Value:
        frame = self.frame
        if frame.parent is None:
            return outside(name)
        if name in frame.names and self.local is not None:
            slot = self.local.get(name)
            if slot is not None and not (frame.is_class and slot.mask & INCOMING):
                return slot.value
            if not frame.is_class:
                return NOTHING
        parent: Frame | None = frame.parent
        while parent is not None:
            if not parent.is_class and name in parent.names:
                return parent.ever.get(name, NOTHING)
            parent = parent.parent
        return outside(name)

    def bind(self, name: str, value: Value) -> None:
        """Bind a name."""
        frame = self.frame
        if frame.parent is None:
            self._set(name, Slot(BOUND, value))
            return
        if name in frame.names and self.local is not None:
            self.local[name] = Slot(BOUND, value)
            if frame.remember(name, value):
                self.epoch += 1
            return
        parent: Frame | None = frame.parent
        declared = _is_global(frame, name)
        while parent is not None and not declared:
            if not parent.is_class and name in parent.names:
                parent.remember(name, value)
                self.epoch += 1
                self.mutate([parent.environment])
                return
            parent = parent.parent
        self._set(name, Slot(BOUND, value))

    def _set(self, name: str, slot: Slot) -> None:
        before = self.names.get(name)
        if before != slot:
            self.names[name] = slot
            self.epoch += 1

    def delete(self, name: str) -> None:
        """Unbind a name; that needs it to be there."""
        self.read(name)
        self._unbind(name)

    def _unbind(self, name: str) -> None:
        if self.frame.parent is not None and name in self.frame.names and self.local is not None:
            self.local[name] = Slot(DELETED, NOTHING)
        else:
            self._set(name, Slot(DELETED, NOTHING))

    def hands_out_namespace(self, name: str) -> bool:
        """Tell whether this builtin hands out the notebook's namespace here."""
        if f"builtins.{name}" not in self.peek(name).paths:
            return False
        return name == "globals" or self.frame.parent is None

    def _ways(self) -> Ways | None:
        return Ways(self.local, self.names).copy() if self.alive else None

    def _go_on(self, ways: Ways | None) -> None:
        self.alive = ways is not None
        self.epoch += 1
        if ways is not None:
            self.local, self.names = ways.local, ways.notebook

    def _join(self, many: Iterable[Ways | None]) -> Ways | None:
        alive = [ways for ways in many if ways is not None]
        if len(alive) < 2:
            return alive[0] if alive else None
        notebook: dict[str, Slot] = {}
        for name in set().union(*(ways.notebook for ways in alive)):
            slot: Slot | None = None
            for ways in alive:
                other = ways.notebook.get(name) or Slot(INCOMING, self.incoming(name))
                slot = other if slot is None else join_slots(slot, other)
            notebook[name] = slot  # type: ignore[assignment]
        local: dict[str, Slot] | None = None
        if alive[0].local is not None:
            local = {}
            for name in set().union(*(ways.local for ways in alive if ways.local is not None)):
                slot = None
                for ways in alive:
                    other = (ways.local or {}).get(name) or Slot(INCOMING, NOTHING)
                    slot = other if slot is None else join_slots(slot, other)
                local[name] = slot  # type: ignore[assignment]
        return Ways(local, notebook)

    def in_branches(self, branches: Sequence[Callable[[], Value]]) -> Value:
        """Evaluate alternatives, each from the present state, and go on with what they have in common."""
        start, ends, values = self._ways(), [], []
        self.uncertain += 1
        for branch in branches:
            self._go_on(start.copy() if start is not None else None)
            values.append(branch())
            ends.append(self._ways())
        self.uncertain -= 1
        self._go_on(self._join(ends))
        return any_of(values)

    def within_comprehension(self, target: ast.expr, items: Value, inside: Callable[[], Value]) -> Value:
        """Return ``inside()`` while the target names stand for the items; it may run not at all."""
        names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
        before = self._ways()
        frame = self.frame
        is_own = frame.parent is not None
        owned = frame.names
        if is_own:
            frame.names = owned.union(names)
        self.assign(target, items)
        self.uncertain += 1
        result = inside()
        self.uncertain -= 1
        frame.names = owned
        place = self.local if is_own and self.local is not None else self.names
        old = (before.local if is_own else before.notebook) if before is not None else None
        for name in names:
            place.pop(name, None)
            if old is not None and name in old:
                place[name] = old[name]
        self._go_on(self._join([before, self._ways()]))
        return result

    def present_frame(self) -> object:
        """Return the frame that runs now."""
        return (self.frame, self.local)

    def in_frame(self, frame: object, inside: Callable[[], Value]) -> Value:
        """Return ``inside()``, run in a frame of before, with the names of the notebook as they are now."""
        saved = (self.frame, self.local)
        self.frame, self.local = frame  # type: ignore[misc]
        try:
            return inside()
        finally:
            self.frame, self.local = saved


def _is_global(frame: Frame, name: str) -> bool:
    """Tell whether a function declares a name ``global``."""
    node = frame.function.node if frame.function is not None else None
    if node is None or isinstance(node, ast.Lambda):
        return False
    return any(isinstance(inner, ast.Global) and name in inner.names for inner in ast.walk(node))
