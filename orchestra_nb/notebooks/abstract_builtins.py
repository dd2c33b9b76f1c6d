"""Calls of builtins, of functions that touch files, of paths, and of IPython's magics and shell lines."""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from orchestra_nb.notebooks import hidden_state, mutations
from orchestra_nb.notebooks.abstract_calls import AbstractCalls, Arguments
from orchestra_nb.notebooks.abstract_expressions import everything_in
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
from orchestra_nb.notebooks.file_patterns import is_remote
from orchestra_nb.notebooks.library_types import ITERATORS
from orchestra_nb.notebooks.notebook_magics import notebook_magic
from orchestra_nb.notebooks.shell_effects import shell_effect

_RUNNING_TEXT: Final = frozenset({"exec", "eval"})
#: Functions that read the file that is their first argument.
_READERS: Final = frozenset(
    """
    numpy.load numpy.loadtxt numpy.genfromtxt numpy.fromfile joblib.load matplotlib.pyplot.imread
    matplotlib.image.imread PIL.Image.open cv2.imread skimage.io.imread imageio.imread os.listdir os.scandir os.walk
    os.stat os.path.exists
    os.path.getsize os.path.isfile os.path.isdir os.path.getmtime glob.glob glob.iglob torch.load yaml.safe_load
    tarfile.open zipfile.ZipFile pandas.ExcelFile pandas.HDFStore pyarrow.parquet.read_table xarray.open_dataset
    scipy.io.loadmat scipy.io.wavfile.read tensorflow.keras.models.load_model keras.models.load_model shutil.copy
    shutil.copyfile shutil.copy2 shutil.copytree shutil.move shutil.disk_usage shutil.unpack_archive os.rename
    os.replace dotenv.load_dotenv matplotlib.pyplot.style.use linecache.getline geopandas.read_file h5py.File
    """.split()
)
#: Functions that write a file, to the place of the argument that names it.
_WRITERS: Final = {
    "numpy.save": 0, "numpy.savez": 0, "numpy.savez_compressed": 0, "numpy.savetxt": 0, "joblib.dump": 1,
    "torch.save": 1, "matplotlib.pyplot.savefig": 0, "matplotlib.pyplot.imsave": 0, "os.mkdir": 0,
    "os.makedirs": 0, "os.remove": 0,
    "os.unlink": 0, "os.rmdir": 0, "os.removedirs": 0, "shutil.rmtree": 0, "shutil.copy": 1, "shutil.copyfile": 1,
    "shutil.copy2": 1, "shutil.copytree": 1, "shutil.move": 1, "os.rename": 1, "os.replace": 1,
    "shutil.make_archive": 0,
    "urllib.request.urlretrieve": 1, "cv2.imwrite": 0, "imageio.imwrite": 0, "skimage.io.imsave": 0,
    "scipy.io.savemat": 0,
    "scipy.io.wavfile.write": 0, "plotly.io.write_html": 1, "pyarrow.parquet.write_table": 1,
    "shutil.unpack_archive": 1,
    "dill.dump": 1, "tempfile.mkdtemp": 99, "wget.download": 99, "gdown.download": 1,
}  # fmt: skip
#: Functions that write into the file object or stream among their arguments.
_STREAMING: Final = frozenset(
    "json.dump pickle.dump csv.writer csv.DictWriter dill.dump cloudpickle.dump marshal.dump yaml.dump numpy.save "
    "joblib.dump".split()
)
_STREAM_READERS: Final = frozenset(
    "json.load pickle.load csv.reader csv.DictReader dill.load yaml.safe_load yaml.load numpy.load joblib.load".split()
)
_PATH_READERS: Final = frozenset(
    "read_text read_bytes exists is_file is_dir stat glob rglob iterdir open samefile".split()
)
_PATH_WRITERS: Final = frozenset(
    "write_text write_bytes mkdir touch unlink rmdir rename replace chmod symlink_to".split()
)
_CONTAINERS: Final = {
    "list": "list", "tuple": "tuple", "set": "set", "frozenset": "tuple", "dict": "dict", "sorted": "list",
    "Counter": "dict",
    "OrderedDict": "dict", "defaultdict": "dict", "deque": "list", "ChainMap": "dict", "bytearray": "numpy",
}  # fmt: skip
_EXITS: Final = frozenset({"sys.exit", "os._exit", "os.abort", "os.kill", "pytest.skip"})
_REVEALING: Final = frozenset(
    "user_ns user_global_ns user_module user_ns_hidden events ast_transformers input_transformers_post "
    "input_transformers_cleanup".split()
)
_RUNNERS: Final = frozenset({"os.system", "os.popen"})


class AbstractBuiltins(AbstractCalls):
    """Evaluates what is special about some calls."""

    @abstractmethod
    def run_code(self, trees: Sequence[ast.Module], *, is_local: bool) -> None:
        """Run statements in the present scope, or in one of their own."""

    @abstractmethod
    def hands_out_namespace(self, name: str) -> bool:
        """Tell whether this builtin hands out the notebook's namespace here."""

    @abstractmethod
    def known_names(self) -> set[str]:
        """Return the names that the notebook has now."""

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

    # Builtins and files

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
        if path == "io.open":
            return self._open(arguments, node)
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
            if name in ("len", "abs", "bool", "hash", "round", "int", "float", "any", "all", "sum", "iter"):
                self.run_operators(value, node)
        self.hand_over([value for value in arguments.values() if any(t.kind == "function" for t in value.things)], node)
        effect = mutations.function_effect(f"builtins.{name}")
        if effect.changes != "nothing":
            self.mutate(everything_in(arguments.values()), elements=True)
        if name[:1].isupper():  # an exception
            made = self.new("exception", node)
            self.put(made, None, any_of(arguments.values()))
            return thing_value(made)
        return NUMBER

    #: Whether the notebook may have ended before its end, or names have come from elsewhere.
    may_end: bool

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
                if name in ("dict", "OrderedDict") and thing.kind == "dict":
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

    def _joined_path(self, parts: Sequence[Value], kind: str) -> Value:
        texts = [part.text() if part.kind in ("str", "path") else None for part in parts]
        if not parts:
            return Value(const=".", kind=kind)
        return Value(const="/".join(WILDCARD if text is None else text for text in texts), kind=kind)

    def _open(self, arguments: Arguments, node: ast.AST) -> Value:
        name = arguments.argument(0, "file", "path")
        mode_value = arguments.argument(1, "mode")
        return self._opened(name, mode_value, node)

    def _opened(self, name: Value | None, mode_value: Value | None, node: ast.AST) -> Value:
        mode = "r" if mode_value is None else mode_value.exact_text() or "r+"
        made = self.new("file", node, is_open=False)
        text = name.text() if name is not None else None
        made.file = WILDCARD if text is None else text
        made.writes_file = any(letter in mode for letter in "wax+")
        if made.writes_file:
            if "a" in mode or "+" in mode:
                self.read_file(made.file)
            self.write_file(made.file, replaces="w" in mode)
        else:
            self.read_file(made.file)
        return thing_value(made)

    def _read_table(self, path: str, arguments: Arguments, node: ast.AST) -> Value:
        source = arguments.argument(0, "filepath_or_buffer", "path", "io", "path_or_buf", "filepath")
        if path.startswith("pandas.read_sql"):
            connection = arguments.argument(1, "con")
            for thing in connection.things if connection is not None else ():
                if thing.file is not None:
                    self.read_file(thing.file)
        elif path not in ("pandas.read_clipboard", "pandas.read_html", "pandas.read_gbq") and source is not None:
            if source.things:
                for thing in source.things:
                    if thing.kind in ITERATORS or thing.kind in ("", "unknown", "io"):
                        self.mutate([thing])
                    if thing.file is not None:
                        self.read_file(thing.file)
            else:
                self.read_file(source.text())
        is_iterator = arguments.keyword("chunksize") is not None or arguments.keyword("iterator") is not None
        made = self.new("iterator" if is_iterator else "pandas", node, is_open=not is_iterator)
        if is_iterator:
            self.put(made, None, thing_value(self.new("pandas", node, use="chunk")))
        return thing_value(made)

    def _touch_files(self, path: str, arguments: Arguments) -> None:
        if path in _READERS:
            source = arguments.argument(0, "path", "file", "fname", "pathname", "src", "name", "filename")
            if source is None or not source.things:
                text = source.text() if source is not None else "."
                if text is None or not is_remote(text):
                    self.read_file(text)
        if path in _WRITERS:
            target = arguments.argument(_WRITERS[path], "path", "fname", "file", "filename", "f", "dst", "name")
            if target is None or not target.things:
                is_new = not path.endswith(("mkdir", "makedirs"))
                self.write_file(target.text() if target is not None else None, replaces=is_new)
        if path in _STREAMING or path in _STREAM_READERS:
            for value in arguments.values():
                self.mutate(thing for thing in value.things if thing.kind == "file")
        if path in ("shutil.move", "os.rename", "os.replace") and arguments.positional:
            self.write_file(arguments.positional[0].text())

    def path_method(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method of a path."""
        text = receiver.text()
        if name == "open":
            return self._opened(receiver, arguments.argument(0, "mode"), node)
        if name in _PATH_READERS:
            self.read_file(text)
            if name in ("glob", "rglob", "iterdir"):
                made = self.new("view", node, is_open=False)
                item = Value(const=f"{text or WILDCARD}/{WILDCARD}", kind="path")
                made.resume = lambda run: item
                return thing_value(made)
        elif name in _PATH_WRITERS:
            self.write_file(text, replaces=name.startswith("write"))
            if name in ("rename", "replace", "symlink_to") and arguments.positional:
                self.read_file(text)
                self.write_file(arguments.positional[0].text())
        if name in ("joinpath",):
            return self._joined_path([receiver, *arguments.positional], "path")
        if name in ("with_suffix", "with_name", "with_stem", "resolve", "absolute", "expanduser", "relative_to"):
            return receiver if name in ("resolve", "absolute", "expanduser") else Value(const=WILDCARD, kind="path")
        return TEXT if name.startswith(("read", "as_")) else NUMBER

    def _connect(self, path: str, arguments: Arguments, node: ast.AST) -> Value:
        made = self.new("connection", node, is_open=False)
        name = arguments.argument(0, "database", "url")
        text = name.text() if name is not None else None
        text = re.sub(r"^sqlite:///", "", text) if text is not None else WILDCARD
        if text and text not in (":memory:", "sqlite://") and not is_remote(text):
            made.file, made.writes_file = text, True
            self.read_file(text)
        return thing_value(made)

    # Magics and the shell

    def _run_command(self, path: str, arguments: Arguments, node: ast.AST) -> Value:
        text = arguments.positional[0].text() if arguments.positional else None
        words = (
            node.args[0].elts if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.List) else []
        )
        given = [word.value if isinstance(word, ast.Constant) else WILDCARD for word in words]
        self.run_shell_text(text if text is not None else " ".join(map(str, given)) or WILDCARD, f"`{path}`")
        self._read_environment(None)
        made = self.new("", node)
        return thing_value(made)

    def run_shell_text(self, text: str, what: str) -> None:
        """Run a command line."""
        effect = shell_effect(text)
        if effect.unknown is not None:
            named = effect.unknown.replace(WILDCARD, "…")
            self.say_opaque(f"{what} can do anything (`{named}`)")
            return
        for name in effect.reads:
            self.read_file(name)
        for name in effect.writes:
            self.write_file(name)
        if effect.installs:
            self.write_resource(hidden_state.PACKAGES)

    def shell_attribute(self, name: str) -> Value:
        """Return an attribute of ``get_ipython()``: some give access to all names, or run code at every cell."""
        if name in _REVEALING:
            self.say_opaque(f"`get_ipython().{name}` can read and bind any name")
        return thing_value(self.shared_thing(f"IPython.{name}", Arguments((), (), False)))

    def shell_call(self, node: ast.Call) -> Value:
        """Evaluate ``get_ipython().something(…)``."""
        effect = notebook_magic(node)
        for argument in node.args:
            if not isinstance(argument, ast.Constant):
                self.evaluate(argument)
        for expression in effect.expressions:
            self.evaluate(expression)
        if effect.reads_everything:
            for name in sorted(self.known_names()):
                self.read(name)
        if effect.code:
            self.run_code(effect.code, is_local=effect.is_local)
        if effect.shell is not None:
            self.run_shell_text(effect.shell, "a shell command")
        for resource in effect.sets:
            self.write_resource(resource)
            self.may_end = self.may_end or resource.startswith("extension ")  # it can bind names
        for resource in effect.needs:
            if self.is_written(resource):
                self.read_resource(resource)
        if effect.keeps_figures is not None:
            self.resources.keeps_figures = effect.keeps_figures
        if effect.writes_file is not None:
            self.write_file(effect.writes_file)
        if effect.reads_file is not None:
            self.read_file(effect.reads_file)
        for name in effect.binds:
            self.bind(name, thing_value(self.new("list", node, use=name)))
        for name in effect.deletes:
            self.delete(name)
        if effect.opaque:
            self.say_opaque(effect.opaque)
        return thing_value(self.new("list", node)) if effect.shell is not None else NOTHING
