"""Finds the true dependences of notebooks by running them and watching: `python -m tests.notebooks.dependence_truth < in > out`.

Input: a JSON list of lists of cell sources. Output: for each notebook a list with one list of needed cells for each cell, or
the error that ended it. Each notebook runs in a forked process and a folder of its own.

A cell needs another one when it reads or changes something that the other one bound or changed: names, with all that their
objects hold (compared by content before and after each cell), files (seen by an audit hook), random states, rcParams.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import os
import random
import sys
import tempfile
import types
from collections.abc import Callable
from typing import Any


class Watched(dict):  # type: ignore[type-arg]
    """A namespace that tells what is read and bound."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()
        self.bound: set[str] = set()
        self.is_on = False

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if self.is_on and name not in self.bound:
            self.read.add(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        if self.is_on:
            self.bound.add(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if self.is_on and name not in self.bound:
            self.read.add(name)
        self.bound.add(name)
        super().__delitem__(name)


class Digest:
    """Content of a value, deeply, without running anything of the user's."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=12)
        self.seen: dict[int, int] = {}
        self.kept: list[object] = []

    def add(self, thing: Any, depth: int = 0) -> None:
        kind = type(thing)
        if thing is None or kind in (bool, int, float, complex, str, bytes):
            self.text(f"{kind.__name__}:{thing!r}")
            return
        if id(thing) in self.seen:
            self.text(f"again {self.seen[id(thing)]}")
            return
        self.seen[id(thing)] = len(self.seen)
        self.kept.append(thing)
        self.text(f"{kind.__module__}.{kind.__qualname__}")
        if depth > 40:
            return
        self.content(thing, kind, depth + 1)

    def text(self, text: str) -> None:
        self.hash.update(text.encode("utf-8", "replace") + b"\0")

    def content(self, thing: Any, kind: type, depth: int) -> None:
        import numpy
        import pandas

        module = kind.__module__ or ""
        if isinstance(thing, types.ModuleType | types.BuiltinFunctionType):
            self.text(str(getattr(thing, "__name__", "")))
            self_ = getattr(thing, "__self__", None)
            if self_ is not None and not isinstance(self_, types.ModuleType):
                self.add(self_, depth)
        elif isinstance(thing, types.FunctionType):
            self.text(str(id(thing.__code__)))
            if thing.__module__ == "__main__":
                for cell in thing.__closure__ or ():
                    try:
                        self.add(cell.cell_contents, depth)
                    except ValueError:
                        self.text("empty")
                self.add(thing.__defaults__, depth)
                self.add({k: v for k, v in thing.__dict__.items() if k != "__wrapped__"}, depth)
        elif isinstance(thing, types.MethodType):
            self.add(thing.__self__, depth)
            self.add(thing.__func__, depth)
        elif isinstance(thing, type):
            self.text(thing.__qualname__)
            if thing.__module__ == "__main__":
                for name, value in list(vars(thing).items()):
                    if not name.startswith("__") and name not in ("_abc_impl",):
                        self.text(name)
                        self.add(value, depth)
        elif isinstance(thing, numpy.ndarray):
            self.text(f"{thing.dtype} {thing.shape}")
            if thing.dtype.hasobject:
                self.add(thing.tolist(), depth)
            else:
                self.hash.update(numpy.ascontiguousarray(thing).tobytes())
        elif isinstance(thing, pandas.DataFrame):
            self.add(list(thing.columns), depth)
            self.add(list(thing.columns.names), depth)
            self.add(thing.index, depth)
            for position in range(thing.shape[1]):
                self.add(thing.iloc[:, position].array, depth)
            self.add(thing.attrs, depth)
        elif isinstance(thing, pandas.Series):
            self.add(thing.name, depth)
            self.add(thing.index, depth)
            self.add(thing.array, depth)
        elif isinstance(thing, pandas.Index):
            self.add(list(thing.names), depth)
            self.text(str(thing.dtype))
            self.add(thing.tolist(), depth)
        elif module.startswith(("pandas.core.arrays", "pandas.arrays")):
            self.text(str(thing.dtype))
            self.add(list(map(str, thing)), depth)
        elif isinstance(thing, numpy.random.Generator):
            self.add(thing.bit_generator.state, depth)
        elif isinstance(thing, numpy.random.RandomState):
            self.add(thing.get_state(), depth)
        elif isinstance(thing, random.Random):
            self.add(thing.getstate(), depth)
        elif isinstance(thing, types.GeneratorType):
            frame = thing.gi_frame
            self.text(str(frame.f_lasti if frame is not None else "ended"))
            if frame is not None:
                self.add({k: v for k, v in frame.f_locals.items() if k != ".0"}, depth)
        elif isinstance(thing, io.IOBase):
            self.text(f"{thing.closed} {'' if thing.closed or not thing.seekable() else thing.tell()}")
        elif module.startswith("matplotlib"):
            self.figure(thing, depth)
        elif kind.__name__ == "Connection" and module == "sqlite3":
            self.text(str(thing.total_changes))
        elif kind.__module__ == "builtins" and kind.__name__.endswith(
            ("iterator", "zip", "map", "enumerate", "filter")
        ):
            try:
                self.add(thing.__reduce__()[1:], depth)
            except TypeError:
                self.text("iterator")
        elif module == "itertools":
            self.add(getattr(thing, "__reduce__", lambda: ())()[1:], depth)
        elif isinstance(thing, dict):
            for key, value in list(thing.items()):
                self.add(key, depth)
                self.add(value, depth)
        elif isinstance(thing, list | tuple):
            for item in list(thing):
                self.add(item, depth)
        elif isinstance(thing, set | frozenset):
            self.text(repr(sorted(map(repr, thing))))
        elif kind.__name__ == "deque":
            self.add(list(thing), depth)
        else:
            attributes = getattr(thing, "__dict__", None)
            if isinstance(attributes, dict) and not module.startswith(("IPython", "sqlite3", "logging", "weakref")):
                for name, value in list(attributes.items()):
                    if name not in ("_cacher", "_item_cache", "_cache", "_is_copy"):
                        self.text(str(name))
                        self.add(value, depth)
            if isinstance(thing, logging_type()):
                self.text(f"{thing.level} {len(thing.handlers)}")
            for name in (
                getattr(kind, "__slots__", ()) if isinstance(getattr(kind, "__slots__", ()), tuple | list) else ()
            ):
                if module == "__main__" and hasattr(thing, name):
                    self.add(getattr(thing, name), depth)

    def figure(self, thing: Any, depth: int) -> None:
        for axes in getattr(thing, "axes", None) if isinstance(getattr(thing, "axes", None), list) else [thing]:
            parts = [len(getattr(axes, name, ())) for name in ("lines", "patches", "collections", "texts", "images")]
            labels = [
                str(getattr(axes, name)()) for name in ("get_title", "get_xlabel", "get_ylabel") if hasattr(axes, name)
            ]
            self.text(f"{parts} {labels} {getattr(axes, 'legend_', None) is not None}")
        if hasattr(thing, "get_suptitle"):
            self.text(thing.get_suptitle())


def logging_type() -> type:
    import logging

    return logging.Logger


def digest(value: object) -> bytes:
    found = Digest()
    found.add(value)
    return found.hash.digest()


def hidden_states() -> dict[str, bytes]:
    import matplotlib
    import numpy

    states: dict[str, object] = {
        "numpy random": repr(numpy.random.get_state()[1:3]),
        "random": repr(random.getstate()),
        "cwd": os.getcwd(),
        "sys.path": list(sys.path),
        **{f"environ {name}": value for name, value in os.environ.items()},
        **{f"rc {name}": repr(value) for name, value in dict.items(matplotlib.rcParams)},
    }
    return {name: digest(value) for name, value in states.items()}


def run_notebook(cells: list[str]) -> list[list[int]]:
    """Return for each cell the cells that it needs."""
    import matplotlib
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell

    class Shell(InteractiveShell):
        def enable_gui(self, gui: object = None) -> None:
            pass

    namespace = Watched()
    shell = Shell.instance(user_ns=namespace)
    shell.ast_node_interactivity = "last_expr"
    shell.colors = "nocolor"
    files_read: set[str] = set()
    files_written: set[str] = set()
    keys_read: set[str] = set()
    is_on = [False]
    folder = os.getcwd()

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if not is_on[0]:
            return
        if event in ("open", "sqlite3.connect", "os.listdir", "os.mkdir", "os.remove", "os.scandir"):
            path = str(arguments[0])
            full = os.path.normpath(os.path.join(os.getcwd(), path))
            if not full.startswith(folder) or path == ":memory:":
                return
            mode = str(arguments[1]) if event == "open" and arguments[1] is not None else ""
            flags = arguments[2] if event == "open" and len(arguments) > 2 and isinstance(arguments[2], int) else 0
            writes = event in ("os.mkdir", "os.remove") or bool(set("wax+") & set(mode)) or (not mode and flags & 3)
            if event == "sqlite3.connect":
                files_read.add(full)
                files_written.add(full)
            elif writes:
                files_written.add(full)
                if "a" in mode:
                    files_read.add(full)
            elif full not in files_written:
                files_read.add(full)

    sys.addaudithook(audit)
    get = matplotlib.RcParams.__getitem__

    def watched_get(self: object, key: str) -> object:
        if is_on[0]:
            keys_read.add(f"rc {key}")
        return get(self, key)

    matplotlib.RcParams.__getitem__ = watched_get  # type: ignore[method-assign]
    environ_get = os._Environ.__getitem__  # type: ignore[attr-defined]

    def watched_environ(self: object, key: str) -> str:
        if is_on[0]:
            keys_read.add(f"environ {key}")
        return environ_get(self, key)

    os._Environ.__getitem__ = watched_environ  # type: ignore[attr-defined]

    # libraries draw from Python's state for purposes of their own
    unused = set() if any("import random" in source for source in cells) else {"random"}
    states: dict[str, bytes] = {}
    seeded_first = watched_seeds(lambda: states)

    def stop_watching() -> None:
        is_on[0] = False  # what the inline backend does at a cell's end is not the cell's

    shell.events.register("post_execute", stop_watching)
    contributors: dict[str, set[int]] = {}
    state_writers: dict[str, set[int]] = {}
    file_writers: dict[str, set[int]] = {}
    needs: list[list[int]] = []
    digests: dict[str, bytes] = {}
    values: dict[str, int] = {}
    states.update(hidden_states())
    given = set(namespace)
    for index, source in enumerate(cells):
        seeded_first.clear()
        for found in (namespace.read, namespace.bound, files_read, files_written, keys_read):
            found.clear()
        namespace.is_on = is_on[0] = True
        result = shell.run_cell(source, store_history=True)
        namespace.is_on = is_on[0] = False
        error = result.error_before_exec or result.error_in_exec
        if error is not None and "raises-exception" not in source:
            raise RuntimeError(f"cell {index}: {type(error).__name__}: {error}")
        plt.close("all")
        now = hidden_states()
        changed_states = {name for name in {*now, *states} if now.get(name) != states.get(name)} - unused
        after = {name: value for name, value in dict.items(namespace) if name not in given and not name.startswith("_")}
        after_digests = {name: digest(value) for name, value in after.items()}
        bound = {name for name in namespace.bound if name in after or name in digests}
        bound |= {name for name, value in after.items() if values.get(name) != id(value)}
        mutated = {
            name for name in after if name in digests and name not in bound and after_digests[name] != digests[name]
        }
        found_needs: set[int] = set()
        for name in namespace.read | mutated:
            found_needs |= contributors.get(name, set())
        for name in changed_states & {"numpy random", "random"}:
            if name not in seeded_first:
                found_needs |= state_writers.get(name, set())
        if "get_state" in source:
            found_needs |= state_writers.get("numpy random", set())
        for name in keys_read:
            found_needs |= state_writers.get(name, set())
        for path in files_read:
            for written, writers in file_writers.items():
                if path == written or written.startswith(path + "/"):
                    found_needs |= writers
        for path in files_written:
            found_needs |= file_writers.get(os.path.dirname(path), set())
        found_needs.discard(index)
        needs.append(sorted(found_needs))
        for name in bound:
            contributors[name] = {index}
        for name in mutated:
            contributors.setdefault(name, set()).add(index)
        for name in changed_states | (seeded_first - unused):  # seeding anew may end in the state of before
            seeds = name in seeded_first
            if name in ("numpy random", "random"):
                if seeds:
                    state_writers[name] = {index}
                elif name in state_writers:
                    state_writers[name].add(index)
            elif not name.startswith("environ ") or (len(name) > 9 and name.removeprefix("environ ") in source):
                state_writers.setdefault(name, set()).add(index)
        for path in files_written:
            if path in files_read:
                file_writers.setdefault(path, set()).add(index)
            else:
                file_writers[path] = {index}
        digests, states = after_digests, now
        values = {name: id(value) for name, value in after.items()}
        namespace_kept.append(list(after.values()))
    return needs


def watched_seeds(states: Callable[[], dict[str, bytes]]) -> set[str]:
    """Return a set that gets the random states which a cell sets anew before it has drawn from them."""
    import numpy

    found: set[str] = set()
    for module, functions, name in (
        (numpy.random, ("seed", "set_state"), "numpy random"),
        (random, ("seed", "setstate"), "random"),
    ):
        for function in functions:
            original = getattr(module, function)

            def watched(*arguments: Any, original: Any = original, name: str = name) -> Any:
                if hidden_states()[name] == states()[name]:
                    found.add(name)
                return original(*arguments)

            watched.__module__ = module.__name__  # no function of the notebook's
            setattr(module, function, watched)
    return found


#: Values of before: no new object may get the identity of an old one.
namespace_kept: list[list[object]] = []


def run_apart(cells: list[str], files: dict[str, str]) -> object:
    """Run a notebook in a forked process and a folder of its own; return what it needs, or a text with its error."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for name, content in files.items():
                with open(name, "w") as file:
                    file.write(content)
            silent = os.open(os.devnull, os.O_WRONLY)
            for number in (1, 2):
                os.dup2(silent, number)
            try:
                answer: object = run_notebook(cells)
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            with os.fdopen(sender, "w") as pipe:
                json.dump(answer, pipe)
            os.chdir("/")
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else "the process died"


def main() -> None:
    """Answer for each notebook on stdin."""
    import warnings

    warnings.simplefilter("ignore")
    os.environ["MPLBACKEND"] = "agg"
    import IPython.core.interactiveshell  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import seaborn  # noqa: F401
    import sklearn.ensemble
    import sklearn.model_selection  # noqa: F401

    request = json.load(sys.stdin)
    builtins.print(json.dumps([run_apart(cells, request["files"]) for cells in request["notebooks"]]))


if __name__ == "__main__":
    main()
