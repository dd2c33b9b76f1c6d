"""Calls of methods and functions of libraries, whose effects stand in tables."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from orchestra_nb.notebooks import hidden_state, mutations
from orchestra_nb.notebooks.abstract_expressions import everything_in
from orchestra_nb.notebooks.abstract_resources import AbstractResources
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    NUMBER,
    TEXT,
    Bound,
    Function,
    Instance,
    Thing,
    Value,
    any_of,
    reachable,
    thing_value,
)
from orchestra_nb.notebooks.library_calls import LibraryCall, library_call
from orchestra_nb.notebooks.library_types import BUILTIN_CONTAINERS, method_effect

_READING_STATEMENTS: Final = ("select", "pragma", "explain", "with", "show", "describe")

#: Estimators whose parts are fitted themselves, not copies of them.
_FITTED_IN_PLACE: Final = ("sklearn.pipeline.Pipeline", "sklearn.pipeline.make_pipeline", "imblearn.pipeline")
#: Functions that make a figure or axes the present one, which later calls of the cell change.
_DRAWN_INTO: Final = frozenset(
    f"matplotlib.pyplot.{name}" for name in "sca axes figure setp suptitle colorbar clabel table sci".split()
)
_PLOTS: Final = frozenset(
    "plot hist boxplot bar barh line scatter area pie box kde density hexbin violinplot imshow show savefig".split()
)
_WRITING_METHODS: Final = frozenset("savefig tofile dump sink_parquet export".split())
_NOT_WRITING: Final = frozenset(
    """
    to_list to_dict to_numpy to_frame to_records to_string to_datetime to_period to_timestamp to_xarray to_series
    to_pandas to_numeric to_bytes to_flat_index to_offset to_arrow to_sparse to_dense to_coo to_array to_julian_date
    to_pydatetime to_pytimedelta to_datetime64 to_sql to_crs to_device to_tensor to_polars to_clipboard write
    write_line writelines
    """.split()
)


class Arguments(NamedTuple):
    """The evaluated arguments of a call; ``order`` has names for keywords, None for positions and ``**``."""

    positional: tuple[Value, ...]
    keywords: tuple[tuple[str | None, Value], ...]
    has_stars: bool

    def values(self) -> list[Value]:
        """Return all of them."""
        return [*self.positional, *(value for _, value in self.keywords)]

    def keyword(self, name: str) -> Value | None:
        """Return a keyword argument."""
        return next((value for key, value in self.keywords if key == name), None)

    def argument(self, place: int, *names: str) -> Value | None:
        """Return an argument by its place or one of its names."""
        if place < len(self.positional):
            return self.positional[place]
        return next((value for key, value in self.keywords if key in names), None)


class AbstractMethods(AbstractResources):
    """Evaluates calls of what is not the notebook's own."""

    @abstractmethod
    def hand_over(self, values: Sequence[Value], node: ast.AST, receiver: Value | None = None) -> None:
        """A library may call the functions among the arguments, with parts of what else it was given."""

    @abstractmethod
    def call_value(self, callee: Value, arguments: Arguments, node: ast.AST, name: str | None) -> Value:
        """Call a value."""

    @abstractmethod
    def call_attribute(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method, or a function of a module."""

    def __init__(self, cell: int, shares_frames: bool, resources: object) -> None:
        super().__init__(cell, shares_frames, resources)  # type: ignore[arg-type]
        self._calls = 0
        #: functions that run now, with their arguments
        self._active: list[tuple[Function, dict[str, Value]]] = []
        self._known_calls: dict[tuple[object, ...], tuple[int, Value]] = {}

    @abstractmethod
    def run_function(self, function: Function, given: dict[str, Value]) -> Value:
        """Run the body of a function."""

    def calls_unknown_module(self, path: str) -> None:
        """A function of a module that is no well-known library is called."""

    @abstractmethod
    def path_method(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method of a path."""

    @abstractmethod
    def builtin_call(self, path: str, arguments: Arguments, node: ast.AST) -> Value | None:
        """Call a builtin, or a function of a library that touches files; None for every other."""

    def _call_method(self, kind: str, things: list[Thing], name: str, arguments: Arguments, node: ast.AST) -> Value:
        values = arguments.values()
        receiver = Value(frozenset(things))
        effect = method_effect("" if kind == "unknown" else kind, name)
        if self._draws_receiver(kind, things, name, arguments, node):
            effect = effect._replace(changes="nothing", stores=False)
        if kind in ("connection", "cursor", "") and name in ("execute", "executemany", "executescript"):
            return self._execute(things, arguments, node)
        self._touch_by_method(kind, things, name, arguments)
        for value in values:
            self.consume(value, node)
        if effect.changes in ("deep", "all") and kind not in BUILTIN_CONTAINERS:
            self.mutate(reachable(things), elements=True)
        elif effect.changes != "nothing":
            self.mutate(things, elements=kind != "pandas")
        if effect.changes == "all":
            self.mutate(everything_in(values), elements=True)
        if effect.stores:
            self._store_arguments(kind, things, name, arguments, node)
        self._mutate_generators(values if effect.changes == "nothing" else [*values, receiver])
        if kind == "sklearn" and effect.changes != "nothing":
            for thing in things:
                if thing.origin.startswith(_FITTED_IN_PLACE):
                    self.mutate(held for held in reachable([thing]) if held.kind == "sklearn")
        self.hand_over(values, node, receiver if kind not in BUILTIN_CONTAINERS or name == "sort" else None)
        return self._result(effect.gives, effect.kind, kind, things, name, values, node)

    def _draws_receiver(self, kind: str, things: list[Thing], name: str, arguments: Arguments, node: ast.AST) -> bool:
        """Tell whether a method draws its receiver into axes, and changes at most these."""
        function = node.func if isinstance(node, ast.Call) else None
        of = function.value if isinstance(function, ast.Attribute) else None
        is_of_plot = isinstance(of, ast.Attribute) and of.attr == "plot"
        known: str | None = kind
        if kind in ("", "unknown"):
            said = {
                "__main__" if isinstance(thing, Instance) else mutations.kind_made_by(thing.origin) for thing in things
            }
            known = next((one for one in said if one is not None), None)
        keywords = [key for key, _ in arguments.keywords]
        return mutations.draws_receiver(name, known, bool(arguments.positional), keywords, is_of_plot)

    def _store_arguments(self, kind: str, things: list[Thing], name: str, arguments: Arguments, node: ast.AST) -> None:
        values = arguments.values()
        if kind == "rng" or kind in ("numpy", "pandas", "mask"):
            return
        if name in ("extend", "update", "extendleft"):
            values = [thing.part() for value in values for thing in value.things] + [
                value for name, value in arguments.keywords if name
            ]
        for thing in things:
            for value in values:
                self.put(thing, None, value)

    def _mutate_generators(self, values: Iterable[Value]) -> None:
        """Random generators that somebody is given, or has, are drawn from."""
        for value in values:
            for thing in value.things:
                if thing.kind == "rng":
                    self.mutate([thing])
                elif thing.kind in ("sklearn", "imblearn", "") and (thing.inside.things or thing.named):
                    self.mutate(held for held in reachable([thing]) if held.kind == "rng")

    def _result(
        self, gives: str, made_kind: str, kind: str, things: list[Thing], name: str, values: list[Value], node: ast.AST
    ) -> Value:
        receiver = Value(frozenset(things))
        if gives == "nothing":
            return NUMBER
        if gives == "text":
            return TEXT
        if gives == "self":
            return receiver
        if gives == "part":
            parts = [thing.part() for thing in things]
            if name in ("get", "setdefault", "pop"):
                parts.extend(values[1:])
            return any_of(parts)
        if kind == "rng" and name in ("choice", "choices", "sample"):
            parts = [thing.part() for value in values for thing in value.things if thing.kind in BUILTIN_CONTAINERS]
            made = self.new("numpy", node, use=name)
            return any_of([thing_value(made), *parts])
        if gives == "new":
            made = self.new(made_kind, node, is_open=made_kind not in BUILTIN_CONTAINERS, use=name)
            return thing_value(made)
        if gives == "iterator":
            return self._iterator_over(kind, things, name, node)
        made = self.new(made_kind or kind, node, is_open=made_kind not in BUILTIN_CONTAINERS, use=name)
        if made_kind in BUILTIN_CONTAINERS:
            for thing in things:
                self.put(made, None, thing.part())
        elif made_kind == "cursor":
            made.bases = tuple(things)
            made.inside = Value(frozenset(things))
        else:
            self.put(made, None, receiver)
        if made_kind in ("connection", "cursor"):
            made.file = next((thing.file for thing in things if thing.file), None)
        return thing_value(made)

    def _iterator_over(self, kind: str, things: list[Thing], name: str, node: ast.AST) -> Value:
        iterator = self.new("view", node, is_open=False, use=name)
        if kind == "pandas":
            item = thing_value(self.new("pandas", node, use="row"))
        elif kind in ("array", "re"):
            item = thing_value(self.new(kind, node, use="item"))
        elif kind == "dict" and name == "keys":
            item = TEXT
        else:
            item = any_of([thing.part() for thing in things])
        pair = item
        if name in ("items", "iterrows", "iteritems") or (kind == "array" and name == "split"):
            made = self.new("tuple", node, is_open=False, use="pair")
            self.put(made, 0, NUMBER)
            self.put(made, 1, item)
            pair = thing_value(made)
        self.put(iterator, None, item)
        iterator.resume = lambda run: pair
        return thing_value(iterator)

    def _execute(self, things: list[Thing], arguments: Arguments, node: ast.AST) -> Value:
        statement = arguments.positional[0].text() if arguments.positional else None
        reads_only = statement is not None and statement.strip().lower().startswith(_READING_STATEMENTS)
        for thing in things:
            if reads_only:
                if thing.kind == "cursor":
                    self.mutated.add(thing)
                if thing.file is not None:
                    self.read_file(thing.file)
            else:
                self.mutate([thing, *thing.bases], elements=True)
                if thing.file is not None:
                    self.write_file(thing.file, replaces=False)
        made = self.new("cursor", node)
        made.file = next((thing.file for thing in things if thing.file), None)
        self.put(made, None, Value(frozenset(things)))
        return thing_value(made)

    def _touch_by_method(self, kind: str, things: list[Thing], name: str, arguments: Arguments) -> None:
        """Note files and hidden state that a method of this name touches, of whatever object."""
        if kind in ("matplotlib", "seaborn") or (kind in ("pandas", "", "geopandas", "mask") and name in _PLOTS):
            self.plots()
        elif kind == "logging":
            self.touch("logging.log")
        elif kind == "file" or (kind == "" and name == "read_sql"):
            for thing in things:
                if thing.file is not None and not thing.writes_file:
                    self.read_file(thing.file)
        if name in ("sample", "rvs") and kind in ("pandas", "", "scipy"):
            seed = arguments.keyword("random_state")
            if seed is None or seed.const is None:
                self.draw(hidden_state.NUMPY_RANDOM)
        draws = name.startswith(("fit", "split")) and kind in ("sklearn", "imblearn", "unknown", "")
        if draws and any(held.draws for held in reachable(things)):
            self.draw(hidden_state.NUMPY_RANDOM)
        if name == "to_sql":
            connection = arguments.argument(1, "con")
            if connection is not None:
                self.mutate(connection.things, elements=True)
        elif name in _WRITING_METHODS or (name.startswith(("to_", "write_", "save")) and name not in _NOT_WRITING):
            place = arguments.argument(0, "path_or_buf", "path", "fname", "excel_writer", "buf", "fp", "filename")
            is_unknown = place is not None and any(thing.kind in ("", "unknown") for thing in place.things)
            if place is not None and (is_unknown or (place.kind in ("str", "path", "") and not place.things)):
                mode = arguments.argument(99, "mode")
                self.write_file(place.text(), replaces=mode is None or mode.const not in ("a", "ab"))
            elif place is not None:
                self.mutate(thing for thing in place.things if thing.kind in ("file", "", "unknown", "io"))

    def call_path(self, path: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a function or class of a library."""
        values = arguments.values()
        given = self.builtin_call(path, arguments, node)
        if given is not None:
            return given
        self.touch(path, values)
        effect = library_call(path)
        if not effect.is_known:
            self.library_attribute(path)
            self.calls_unknown_module(path)
        self._seeds(path, effect, arguments)
        for value in values:
            self.consume(value, node)
        if effect.changes == "first" and values:
            self.mutate(values[0].things, elements=True)
            for value in values[1:]:
                for thing in values[0].things:
                    self.put(thing, None, value)
        elif effect.changes == "all":
            self.mutate(everything_in(values), elements=True)
        if path in _DRAWN_INTO:
            self.mutate(thing for value in values for thing in value.things if thing.kind in ("matplotlib", ""))
        self._mutate_generators(values)
        self.hand_over(values, node)
        if path in ("random.choice", "random.choices", "random.sample"):
            return any_of([NOTHING, *(thing.part() for value in values for thing in value.things)])
        return self._library_result(path, effect, arguments, node)

    def _seeds(self, path: str, effect: LibraryCall, arguments: Arguments) -> None:
        shuffle = arguments.keyword("shuffle")
        if not hidden_state.draws_unless_seeded(path, shuffle is not None and shuffle.const is not False):
            return
        seed = arguments.keyword("random_state")
        if (seed is None or seed.const is None) and not effect.is_class:
            self.draw(hidden_state.NUMPY_RANDOM)

    def _library_result(self, path: str, effect: LibraryCall, arguments: Arguments, node: ast.AST) -> Value:
        values = arguments.values()
        if effect.gives == "nothing":
            return NUMBER if effect.kind != "str" else TEXT
        if effect.gives == "several":
            made = self.new("list", node, is_open=False, use=path)
            for place in range(12):
                self.put(made, place, thing_value(self.new("array", node, use=(path, place))))
            return thing_value(made)
        made = self.new(effect.kind, node, is_open=effect.kind not in BUILTIN_CONTAINERS, use=path)
        for value in values:
            if functions := frozenset(thing for thing in value.things if isinstance(thing, Function | Bound)):
                self.put(made, None, Value(functions))  # it may call them later, as what ``np.vectorize(f)`` gives
        if effect.gives == "view":
            arrays = frozenset(thing for value in values for thing in value.things if thing.kind != "pandas")
            for value in values:
                for thing in value.things:
                    if thing.kind == "pandas" and self.shares_frames:
                        made.bases = (thing,)
            return Value(arrays | {made})
        if effect.gives == "holder":
            self.put(made, None, any_of(values))
        if effect.kind == "pandas" and self.shares_frames:
            made.bases = tuple(thing for value in values[:1] for thing in value.things if thing.kind == "numpy")
        made.origin = path
        if effect.is_class and hidden_state.draws_unless_seeded(path, _is_true(arguments.keyword("shuffle"))):
            seed = arguments.keyword("random_state")
            if seed is None or seed.const is None:
                made.draws = True
        return thing_value(made)


def _is_true(value: Value | None) -> bool:
    return value is not None and value.const is not False
