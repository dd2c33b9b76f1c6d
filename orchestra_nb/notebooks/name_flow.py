"""What names may stand for at a point of a cell, a function or a class: an abstract run through all its ways at once.

For each name the state says what it may be at this point: as it was before (``INCOMING``), bound by this code
(``BOUND``), or gone (``DELETED``). Where ways meet, the possibilities are united. A name is read from outside only
while it may be ``INCOMING``. The body of a function counts where the function is used, not where it is defined.
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from orchestra_nb.notebooks.call_flow import Arguments, CallFlow
from orchestra_nb.notebooks.expression_flow import find_method
from orchestra_nb.notebooks.known_values import NEW, Effects, Home, Routine, Value, either, new_holder

INCOMING: Final = 1
BOUND: Final = 2
DELETED: Final = 4


class Slot(NamedTuple):
    """What a name may be, and its value."""

    mask: int
    value: Value


#: Name to slot; a name that is missing has not been touched.
State = dict[str, Slot]


class NameFlow(CallFlow):
    """The names of one scope, on the way through its statements.

    Parameters
    ----------
    routine
        The function whose body this is, None for a cell or a class.
    own_names
        Names that belong to this scope alone; all others are free and belong to the notebook or to ``home``.
    home
        Where free names are looked up, for what is known of them.
    """

    __slots__ = (
        "_applied",
        "_epoch",
        "_first_parameter",
        "_home",
        "_is_function",
        "_own_names",
        "_routine",
        "_tries",
        "ever_bound",
        "ever_deleted",
        "mutates",
        "reads",
        "returns",
        "state",
        "uses",
    )

    def __init__(
        self, own_names: Collection[str], home: Home, *, is_function: bool = False, routine: Routine | None = None
    ) -> None:
        super().__init__()
        self._own_names = own_names
        self._home = home
        self._is_function = is_function
        self._routine = routine
        #: name to slot; None where no way leads
        self.state: State | None = {}
        self.reads: set[str] = set()
        self.mutates: set[str] = set()
        self.ever_bound: set[str] = set()
        self.ever_deleted: set[str] = set()
        self.returns: frozenset[str] = frozenset()
        self.uses: set[Routine] = set()
        self._first_parameter: Value = NEW
        #: for each try statement around: what each name has been in its body
        self._tries: list[State] = []
        #: routine to the epoch in which its effects were last applied: nothing was bound since, so nothing can be new
        self._applied: dict[Routine, int] = {}
        self._epoch = 0

    # What expressions ask of their scope

    def peek(self, name: str) -> Value:
        """Return what is known of a name now, without reading it."""
        return self._slot(name).value

    def outer_value(self, name: str) -> Value:
        """Return what is known of a name that an inner scope leaves free."""
        known = self.peek(name)
        if known.path is not None:
            return known
        return replace(known, roots=frozenset((name,)), elements=frozenset())

    def read(self, name: str) -> Value:
        """Read a name: one from outside is noted, and a function may run from here on."""
        mask, value = self._slot(name)
        # a class body falls back to the names outside, a function does not
        if mask & INCOMING and not (self._is_function and name in self._own_names):
            self.reads.add(name)
        if value.routines:
            self.use(value.routines)
        if value.instance_of is not None:
            self.use((value.instance_of,))
        return value

    def bind(self, name: str, value: Value) -> None:
        """Bind a name for certain."""
        self._set(name, Slot(BOUND, value))
        self.ever_bound.add(name)

    def bind_again(self, name: str, value: Value) -> None:
        """Say more about the object that a name has."""
        self._set(name, Slot(self._slot(name).mask, value))

    def delete(self, name: str) -> None:
        """Unbind a name; that needs it to be there."""
        self.read(name)
        self._unbind(name)

    def _unbind(self, name: str) -> None:
        self._set(name, Slot(DELETED, NEW))
        self.ever_deleted.add(name)

    def mutate(self, roots: frozenset[str]) -> None:
        """Change the objects of these names in place."""
        self.mutates |= roots

    def give(self, value: Value) -> None:
        """Return or yield a value."""
        self.returns |= value.all_roots

    def first_parameter(self) -> Value:
        """Return what ``super()`` works on."""
        return self._first_parameter

    def is_namespace_function(self, name: str) -> bool:
        """Whether ``globals``, ``locals`` or ``vars`` hands out the notebook's namespace here."""
        return self.peek(name).path == f"builtins.{name}" and (name == "globals" or not self._is_function)

    def in_branches(self, branches: Sequence[Callable[[], Value]]) -> Value:
        """Evaluate alternatives, each from the present state, and go on with what they have in common."""
        start, ends, values = self.state, [], []
        for branch in branches:
            self.state = copy_state(start)
            values.append(branch())
            ends.append(self.state)
        self.state = self._join(ends)
        result = values[0]
        for value in values[1:]:
            result = either(result, value)
        return result

    def within_comprehension(self, targets: Sequence[tuple[ast.expr, Value]], inside: Callable[[], Value]) -> Value:
        """Return ``inside()`` while the target names stand for these values; it may run not at all."""
        before = copy_state(self.state)
        names = {node.id for target, _ in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
        noted = set(self.ever_bound)
        for target, value in targets:
            self.assign(target, value)
        self.ever_bound = noted
        result = inside()
        if self.state is not None and before is not None:
            for name in names:
                self.state.pop(name, None)
                if name in before:
                    self.state[name] = before[name]
        self.state = self._join([before, self.state])
        return result

    # Functions of the notebook

    def use(self, routines: Iterable[Routine]) -> None:
        """Functions may run from now on, with unknown arguments."""
        for routine in routines:
            if self._applied.get(routine) == self._epoch:
                continue
            self._applied[routine] = self._epoch
            self.use(routine.bases)
            self.use(routine.methods.values())
            for value in routine.closure.values():
                self.use(value.routines)
            if not routine.is_class:
                self._perform(routine, {})

    def call_routine(self, routine: Routine, arguments: Arguments, receiver: Value | None) -> Value:
        """Call a function or class of the notebook."""
        if routine.is_class:
            constructor = find_method(routine, "__init__")
            if constructor is not None:
                self._call_function_of_notebook(constructor, arguments, NEW)
            return replace(new_holder(arguments.values()), instance_of=routine, kind="__main__")
        is_method = receiver is not None and receiver.path is None
        return self._call_function_of_notebook(routine, arguments, receiver if is_method else None)

    def _call_function_of_notebook(self, routine: Routine, arguments: Arguments, receiver: Value | None) -> Value:
        given = self._given(routine, arguments, receiver)
        effects = self._perform(routine, given)
        if effects.changes_arguments:
            for value in (*arguments.values(), *([receiver] if receiver is not None else [])):
                self.mutate(value.all_roots)
        first = routine.parameters()[:1]
        if receiver is not None and first and first[0] in effects.mutates:
            self._receiver_holds(receiver, arguments.values())
        roots: set[str] = set()
        parameters = routine.all_parameters()
        for name in effects.returns:
            if name in given:
                roots |= given[name].all_roots
            elif name not in parameters:
                roots |= self.peek(name).all_roots if routine.home is self else {name}
        return Value(roots=frozenset(roots)) if roots else NEW

    def _receiver_holds(self, receiver: Value, values: Iterable[Value]) -> None:
        """A method that changes its receiver may put its arguments into it."""
        for name, slot in list((self.state or {}).items()):
            if slot.value is receiver:
                self.bind_again(name, receiver.holding(values))

    def _given(self, routine: Routine, arguments: Arguments, receiver: Value | None) -> dict[str, Value]:
        """Return parameter to what it may be in this call."""
        positional = arguments.positional if receiver is None else (receiver, *arguments.positional)
        names, rest = routine.parameters(), routine.catch_all_parameters()
        everything = [*positional, *(value for _, value in arguments.keywords)]
        if arguments.has_stars or not routine.is_exact:
            anything = NEW
            for value in everything:
                anything = either(anything, value)
            return dict.fromkeys([*names, *rest], anything)
        given = dict(routine.defaults)
        given.update(zip(names, positional, strict=False))
        given.update({name: value for name, value in arguments.keywords if name in names})
        if rest:
            extra = [*positional[len(names) :], *(value for name, value in arguments.keywords if name not in names)]
            given.update(dict.fromkeys(rest, new_holder(extra)))
        return given

    def _perform(self, routine: Routine, given: Mapping[str, Value]) -> Effects:
        """Apply one call; ``given`` is what is known of the arguments."""
        effects = self._effects_of(routine)
        for name in effects.mutates:
            if name in given:
                self.mutate(given[name].all_roots)
            elif name in routine.defaults:
                self.mutate(routine.defaults[name].all_roots)
        if routine.home is self:
            self._perform_outside(effects, routine.all_parameters())
        else:
            self.uses.add(routine)  # its free names may be hidden by names of this scope
        return effects

    def _perform_outside(self, effects: Effects, parameters: Collection[str] = ()) -> None:
        """Apply what a function or class body of this scope does to names that are free in it."""
        if effects.opaque:
            self.say_opaque(effects.opaque)
        self.use(effects.uses)
        for name in effects.reads:
            self.read(name)
        for name in effects.mutates.difference(parameters):
            self.mutate(self.peek(name).roots)
        for name in effects.binds:
            self._join_slot(name, Slot(BOUND, NEW))
            self.ever_bound.add(name)
        for name in effects.deletes:
            self._join_slot(name, Slot(DELETED, NEW))
            self.ever_deleted.add(name)

    def _effects_of(self, routine: Routine) -> Effects:
        """Return what one call of a function does."""
        if routine.effects is not None:
            return routine.effects
        if routine is self._routine:  # it calls itself: that adds nothing to what is being found
            return Effects(returns=frozenset(routine.parameters()))
        if routine.is_being_read or routine.node is None:
            return Effects(returns=frozenset(routine.parameters()), changes_arguments=True)
        routine.is_being_read = True
        try:
            routine.effects = self.run_routine(routine)
        finally:
            routine.is_being_read = False
        return routine.effects

    @abstractmethod
    def run_routine(self, routine: Routine) -> Effects:
        """Run through the body of a function."""

    def _join_slot(self, name: str, slot: Slot) -> None:
        before = self._slot(name)
        after = join_slots(before, slot)
        if after != before:
            self._set(name, after)

    def make_lambda(self, node: ast.Lambda) -> Routine:
        """Return the lambda as a routine; its defaults are evaluated."""
        return Routine("<lambda>", node, self._function_home(), defaults=self._defaults(node.args))

    def _defaults(self, arguments: ast.arguments) -> dict[str, Value]:
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs: list[tuple[ast.arg, ast.expr | None]] = [
            *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        return {name.arg: self.evaluate(default) for name, default in pairs if default is not None}

    def _function_home(self) -> Home:
        """Functions in a class body do not see its names."""
        return self

    # States

    def _set(self, name: str, slot: Slot) -> None:
        if self.state is not None:
            self.state[name] = slot
            self._epoch += 1
            for seen in self._tries:
                seen[name] = join_slots(seen[name], slot) if name in seen else slot

    def _slot(self, name: str) -> Slot:
        if self.state is not None:
            slot = self.state.get(name)
            if slot is not None:
                return slot
        return self._incoming(name)

    def _incoming(self, name: str) -> Slot:
        """Return the slot of a name that this code has not touched."""
        if name in self._own_names and self._is_function:
            return Slot(INCOMING, NEW)  # UnboundLocalError
        return Slot(INCOMING, self._home.outer_value(name))

    def _join(self, states: Iterable[State | None]) -> State | None:
        """Unite the states of ways that meet."""
        alive = [state for state in states if state is not None]
        if len(alive) < 2:
            return alive[0] if alive else None
        result: State = {}
        for name in set().union(*alive):
            slot: Slot | None = None
            for state in alive:
                other = state.get(name) or self._incoming(name)
                slot = other if slot is None or slot is other else join_slots(slot, other)
            assert slot is not None
            result[name] = slot
        self._epoch += 1
        return result

    def effects(self) -> Effects:
        """Return what the code did, seen from outside."""
        own = self._own_names
        return Effects(
            reads=frozenset(self.reads),
            binds=frozenset(self.ever_bound.difference(own)),
            deletes=frozenset(self.ever_deleted.difference(own)),
            mutates=frozenset(self.mutates),
            returns=self.returns,
            uses=frozenset(self.uses),
            opaque=self.opaque,
        )


def join_slots(first: Slot, second: Slot) -> Slot:
    """Unite what a name may be on two ways."""
    return Slot(first.mask | second.mask, either(first.value, second.value))


def copy_state(state: State | None) -> State | None:
    """Return a copy that later changes do not reach."""
    return None if state is None else dict(state)
