"""Calls of builtins, code in texts, and what IPython's shell object gives."""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from typing import Final

from orchestra_nb.notebooks import mutations
from orchestra_nb.notebooks.abstract_expressions import everything_in
from orchestra_nb.notebooks.abstract_files import AbstractFiles
from orchestra_nb.notebooks.abstract_methods import Arguments
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    NUMBER,
    TEXT,
    WILDCARD,
    Instance,
    Thing,
    Value,
    any_of,
    thing_value,
)
from orchestra_nb.notebooks.expression_flow import NAMESPACE_FUNCTIONS

_RUNNING_TEXT: Final = frozenset({"exec", "eval"})
_CONTAINERS: Final = {
    "list": "list", "tuple": "tuple", "set": "set", "frozenset": "tuple", "dict": "dict", "sorted": "list",
    "Counter": "dict",
    "OrderedDict": "dict", "defaultdict": "dict", "deque": "list", "ChainMap": "dict", "bytearray": "numpy",
}  # fmt: skip
_OPENERS: Final = frozenset(
    "io.open gzip.open bz2.open lzma.open codecs.open tarfile.open zipfile.ZipFile h5py.File pandas.HDFStore "
    "os.fdopen".split()
)
_EXITS: Final = frozenset({"sys.exit", "os._exit", "os.abort", "os.kill", "pytest.skip"})
_REVEALING: Final = frozenset(
    "user_ns user_global_ns user_module user_ns_hidden events ast_transformers input_transformers_post "
    "input_transformers_cleanup".split()
)
#: Builtin to the special methods that it calls.
_SPECIAL_METHODS: Final = {
    "len": ("__len__",), "abs": ("__abs__",), "bool": ("__bool__", "__len__"), "hash": ("__hash__",),
    "round": ("__round__",), "int": ("__int__", "__index__"), "float": ("__float__",), "complex": ("__complex__",),
    "any": ("__iter__",), "all": ("__iter__",), "sum": ("__iter__",), "bytes": ("__bytes__",), "dir": ("__dir__",),
    "divmod": ("__divmod__",), "pow": ("__pow__",),
}  # fmt: skip
_RUNNERS: Final = frozenset({"os.system", "os.popen"})


class AbstractBuiltins(AbstractFiles):
    """Evaluates what is special about some calls."""

    @abstractmethod
    def hands_out_namespace(self, name: str) -> bool:
        """Tell whether this builtin hands out the notebook's namespace here."""

    @abstractmethod
    def result_of_cell(self, key: Value | None) -> Value:
        """Return ``Out[n]``."""

    # The namespace and code in texts

    def special_call(self, node: ast.Call, name: str) -> Value | None:
        """Evaluate a builtin that reaches names or code itself; None for every other."""
        if name not in _RUNNING_TEXT and name not in NAMESPACE_FUNCTIONS and name not in ("dir", "get_ipython"):
            return None
        if f"builtins.{name}" not in self.peek(name).paths:
            return None
        if name == "get_ipython":
            return Value(kind="shell")
        if name in _RUNNING_TEXT:
            return self._run_text(node, name)
        if node.args or node.keywords:
            return None
        if name == "dir" or self.hands_out_namespace(name):
            self.say_opaque(f"`{name}()` can read and bind any name")
            return NOTHING
        return None

    def names_in_namespace(self, node: ast.Subscript) -> str | None:
        """Return the name that ``globals()["name"]`` stands for."""
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        name = call.func.id
        if name not in NAMESPACE_FUNCTIONS or not self.hands_out_namespace(name):
            return None
        key = self.evaluate(node.slice)
        return key.exact_text()

    def _run_text(self, node: ast.Call, name: str) -> Value:
        argument = self.evaluate(node.args[0]) if node.args else NOTHING
        for child in (*node.args[1:], *(keyword.value for keyword in node.keywords)):
            self.evaluate(child)
        text = argument.exact_text()
        if text is None or len(node.args) > 1 or node.keywords:
            self.say_opaque(f"`{name}(…)` can read and bind any name")
            return NOTHING
        try:
            tree = ast.parse(text.strip())
        except (SyntaxError, ValueError):
            return NOTHING  # raises when it runs
        self._kept_trees.append(tree)
        if name == "exec":
            self.run_code([tree], is_local=False)
            return NOTHING
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            return self.evaluate(tree.body[0].value)
        return NOTHING

    #: Trees of texts: places in them are told apart by their identity, so they must live as long as the run.
    _kept_trees: list[ast.Module]

    def read_names_in_text(self, node: ast.Call, method: str, receiver: Value) -> None:
        """Read ``limit`` of ``df.query("a > @limit")``."""
        for argument in node.args[:1]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                for name in re.findall(r"@([A-Za-z_]\w*)", argument.value):
                    self.read(name)
                if method == "eval" and any(path.startswith("pandas") for path in receiver.paths):
                    self._read_words(argument.value)

    def _read_words(self, text: str) -> None:
        known = self.known_names()
        for name in dict.fromkeys(re.findall(r"(?<![\w.])[A-Za-z_]\w*", text)):
            if name in known:
                self.read(name)

    # Builtins

    def builtin_call(self, path: str, arguments: Arguments, node: ast.AST) -> Value | None:
        """Call a builtin, or a function of a library that touches files; None for every other."""
        package, _, name = path.partition(".")
        if package == "builtins":
            return self._builtin(name, arguments, node)
        if path in _EXITS:
            self.may_end = True
        if package == "pathlib" and name.rpartition(".")[2] in ("Path", "PurePath", "PosixPath"):
            return self._joined_path(arguments.positional, "path")
        if path in ("os.path.join", "os.path.abspath", "os.path.expanduser", "os.path.normpath", "os.fspath", "str"):
            return self._joined_path(arguments.positional, "str")
        if path in _OPENERS:
            return self._open(arguments, node, kind="file" if path.endswith("open") else "archive")
        if package == "collections" and name in _CONTAINERS:
            return self._container(name, arguments, node)
        if path in ("collections.namedtuple", "typing.NamedTuple"):
            return Value(paths=("builtins.tuple of names",))
        if path in ("logging.getLogger", "decimal.getcontext"):
            self.touch(path, arguments.values())
            return thing_value(self.shared_thing(path, arguments))
        if package in ("display", "IPython") and name.endswith("display"):
            for value in arguments.positional:
                self.shown(value)
        if path in _RUNNERS or package == "subprocess":
            return self._run_command(path, arguments, node)
        if path in ("sqlite3.connect", "sqlalchemy.create_engine", "duckdb.connect"):
            return self._connect(path, arguments, node)
        if path.startswith(("statsmodels.formula", "patsy.")) or path == "numexpr.evaluate":
            for value in arguments.values():
                if (text := value.text()) is not None:
                    self._read_words(text)
        if path in ("glob.glob", "glob.iglob") and arguments.positional:
            self._touch_files(path, arguments)
            made = self.new("list", node, is_open=False)
            text = arguments.positional[0].text()
            found = WILDCARD if text is None else re.sub(r"[*?]+|\[[^\]]*\]", WILDCARD, text)
            self.put(made, None, Value(const=found, kind="str"))
            return thing_value(made)
        if path == "copy.deepcopy" and arguments.positional:
            return self._copied(arguments.positional[0], node)
        if path == "copy.copy" and arguments.positional:
            return self._shallow(arguments.positional[0], node)
        if path == "dataclasses.field":
            made = self.new("field", node)
            made.origin = path
            factory = arguments.keyword("default_factory")
            self.put(made, None, factory if factory is not None else any_of([arguments.keyword("default") or NOTHING]))
            return thing_value(made)
        if package == "functools" and name == "reduce":
            self.hand_over(arguments.values(), node)
            return any_of(
                [*arguments.positional[2:], *(thing.part() for v in arguments.positional[1:] for thing in v.things)]
            )
        if package == "functools" and name == "partial":
            return self._partial(arguments, node)
        if path.startswith("pandas.read_"):
            self.touch(path, arguments.values())
            return self._read_table(path, arguments, node)
        self._touch_files(path, arguments)
        return None

    @abstractmethod
    def shared_thing(self, path: str, arguments: Arguments) -> Thing:
        """Return the one object that a library hands out to everybody."""

    def _builtin(self, name: str, arguments: Arguments, node: ast.AST) -> Value | None:
        values = arguments.values()
        positional = arguments.positional
        if name == "open":
            return self._open(arguments, node)
        if name in ("print", "display", "str", "repr", "format"):
            return self._print(name, arguments, node)
        if name in _CONTAINERS:
            return self._container(name, arguments, node)
        if name in ("map", "filter", "zip", "enumerate", "reversed", "iter"):
            return self._lazy(name, arguments, node)
        if name in ("next", "anext") and positional:
            items = self.iterate(positional[0], node)
            self.mutate(thing for thing in positional[0].things if not thing.kind or thing.kind == "unknown")
            return any_of([items, *positional[1:]])
        if name in ("setattr", "delattr") and positional:
            self.mutate(positional[0].things, elements=True)
            key = positional[1].exact_text() if len(positional) > 1 else None
            for thing in positional[0].things:
                for value in positional[2:]:
                    self.put(thing, "." + key if key else None, value)
            for path in positional[0].paths:
                self.store_to_library(f"{path}.{key or WILDCARD}", None, any_of(positional[2:]))
            return NOTHING
        if name == "getattr" and len(positional) > 1:
            key = positional[1].exact_text()
            found = (
                self.attribute_of(positional[0], key, node)
                if key is not None
                else any_of([thing.part() for thing in positional[0].things])
            )
            return any_of([found, *positional[2:]])
        if name in ("vars", "memoryview") and positional:
            return positional[0]
        if name in ("min", "max"):
            parts = [self.iterate(value, node) for value in positional]
            self.hand_over(values, node)
            return any_of([*parts, *(positional if len(positional) > 1 else ())])
        if name == "sum" and len(positional) > 1:
            parts = [self.iterate(self.iterate(positional[0], node), node)]
            made = self.new("list", node, is_open=False)
            self.put(made, None, any_of(parts))
            return thing_value(made)
        if name == "type" and len(positional) == 1:
            return any_of([thing_value(thing.of) for thing in positional[0].things if isinstance(thing, Instance)])
        if name in ("globals", "locals", "input", "object", "slice", "super", "property"):
            return NOTHING
        if name == "tuple of names":
            made = self.new("tuple", node, is_open=False)
            for place, value in enumerate(values):
                self.put(made, place, value)
            return thing_value(made)
        if name in ("exit", "quit"):
            self.may_end = True
        if name in ("list.append", "dict.update", "set.add") and positional:
            return self.call_attribute(
                positional[0], name.partition(".")[2], Arguments(positional[1:], arguments.keywords, False), node
            )
        if "." in name and positional:
            method = name.partition(".")[2]
            return self.call_attribute(
                positional[0], method, Arguments(positional[1:], arguments.keywords, False), node
            )
        return self._plain_builtin(name, arguments, node)

    def _plain_builtin(self, name: str, arguments: Arguments, node: ast.AST) -> Value:
        for value in arguments.values():
            self.consume(value, node)
            if name in _SPECIAL_METHODS:
                self.run_operators(value, node, _SPECIAL_METHODS[name])
        self.hand_over([value for value in arguments.values() if any(t.kind == "function" for t in value.things)], node)
        effect = mutations.function_effect(f"builtins.{name}")
        if effect.changes != "nothing":
            self.mutate(everything_in(arguments.values()), elements=True)
        if name[:1].isupper():  # an exception
            made = self.new("exception", node)
            self.put(made, None, any_of(arguments.values()))
            return thing_value(made)
        return NUMBER

    def _print(self, name: str, arguments: Arguments, node: ast.AST) -> Value:
        for value in arguments.positional:
            if name == "display":
                self.shown(value)
            self.as_text(value, node)
        target = arguments.keyword("file")
        if target is not None:
            self.mutate(target.things)
        if name == "display":
            handle = self.new("display", node)
            return thing_value(handle)
        if name == "str" and arguments.positional:
            first = arguments.positional[0]
            known = first.const
            is_known = isinstance(known, str | int) and not isinstance(known, bool)
            return Value(const=str(known) if is_known else WILDCARD, kind="str") if is_known else TEXT
        return NOTHING if name == "print" else TEXT

    def _container(self, name: str, arguments: Arguments, node: ast.AST) -> Value:
        kind = _CONTAINERS[name]
        made = self.new(kind, node, is_open=False, use=name)
        if name == "defaultdict":
            self.hand_over(arguments.positional[:1], node)
            self.put(made, None, thing_value(self.new("list", node, is_open=False, use="missing")))
            self.put(made, None, thing_value(self.new("dict", node, is_open=False, use="missing")))
        for value in arguments.positional:
            for thing in value.things:
                if name in ("dict", "OrderedDict", "ChainMap") and thing.kind == "dict":
                    for key, item in (thing.named or {}).items():
                        self.put(made, key, item)
                    self.put(made, None, thing.inside)
            self.put(made, None, self.iterate(value, node))
        for key, value in arguments.keywords:
            if key not in ("key", "reverse", "maxlen"):
                self.put(made, key, value)
        if name == "sorted":
            self.hand_over(arguments.values(), node)
        return thing_value(made)

    def _lazy(self, name: str, arguments: Arguments, node: ast.AST) -> Value:
        made = self.new("iterator", node, is_open=False, use=name)
        positional = arguments.positional
        sources = positional[1:] if name in ("map", "filter") else positional
        for value in positional:
            self.put(made, None, value)

        def resume(run: AbstractBuiltins) -> Value:
            items = [run.iterate(source, node) for source in sources]
            if name == "filter" and positional[0].kind == "none":
                return any_of(items)
            if name == "filter":
                run.call_value(positional[0], Arguments(tuple(items), (), False), node, None)
                return any_of(items)
            if name == "map" and positional:
                run.uncertain += 1
                result = run.call_value(positional[0], Arguments(tuple(items), (), False), node, None)
                run.uncertain -= 1
                return result
            if name in ("zip", "enumerate"):
                pair = run.new("tuple", node, is_open=False, use="pair")
                for place, item in enumerate([NUMBER, *items] if name == "enumerate" else items):
                    run.put(pair, place, item)
                return thing_value(pair)
            return any_of(items)

        made.resume = resume
        return thing_value(made)

    def _copied(self, value: Value, node: ast.AST) -> Value:
        kinds = value.kinds()
        return thing_value(self.new(min(kinds), node)) if value.things else value

    def _shallow(self, value: Value, node: ast.AST) -> Value:
        if not value.things:
            return value
        kind = min(value.kinds())
        made = self.new(kind, node, is_open=kind in ("", "instance"))
        if kind not in ("numpy", "pandas"):
            for thing in value.things:
                self.put(made, None, thing.part() if not thing.is_open else Value(thing.inside.things))
        return thing_value(made)

    def _partial(self, arguments: Arguments, node: ast.AST) -> Value:
        made = self.new("iterator", node, is_open=False, use="partial")
        made.kind = "partial"
        for value in arguments.values():
            self.put(made, None, value)
        return any_of([*arguments.positional[:1], thing_value(made)])

    # The shell

    def shell_attribute(self, name: str) -> Value:
        """Return an attribute of ``get_ipython()``: some give access to all names, or run code at every cell."""
        if name in _REVEALING:
            self.say_opaque(f"`get_ipython().{name}` can read and bind any name")
        return thing_value(self.shared_thing(f"IPython.{name}", Arguments((), (), False)))
