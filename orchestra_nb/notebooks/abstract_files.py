"""Calls that touch files, connections and other processes."""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from orchestra_nb.notebooks import hidden_state
from orchestra_nb.notebooks.abstract_calls import AbstractCalls
from orchestra_nb.notebooks.abstract_methods import Arguments
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    NUMBER,
    TEXT,
    WILDCARD,
    Value,
    thing_value,
)
from orchestra_nb.notebooks.file_patterns import is_remote
from orchestra_nb.notebooks.library_types import ITERATORS
from orchestra_nb.notebooks.notebook_magics import notebook_magic
from orchestra_nb.notebooks.shell_effects import shell_effect

#: Functions that read the file that is their first argument.
_READERS: Final = frozenset(
    """
    numpy.load numpy.loadtxt numpy.genfromtxt numpy.fromfile joblib.load matplotlib.pyplot.imread
    matplotlib.image.imread PIL.Image.open cv2.imread skimage.io.imread imageio.imread os.listdir os.scandir os.walk
    os.stat os.path.exists
    os.path.getsize os.path.isfile os.path.isdir os.path.getmtime glob.glob glob.iglob torch.load yaml.safe_load
    pandas.ExcelFile pyarrow.parquet.read_table xarray.open_dataset
    scipy.io.loadmat scipy.io.wavfile.read tensorflow.keras.models.load_model keras.models.load_model shutil.copy
    shutil.copyfile shutil.copy2 shutil.copytree shutil.move shutil.disk_usage shutil.unpack_archive os.rename
    os.replace dotenv.load_dotenv matplotlib.pyplot.style.use linecache.getline geopandas.read_file
    IPython.display.Image
    IPython.display.Audio IPython.display.Video
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
    "dill.dump": 1, "pandas.ExcelWriter": 0, "wget.download": 99, "gdown.download": 1,
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
_IMAGE_READERS: Final = ("imread", "Image.open", "Image", "listdir", "glob", "iglob", "exists", "walk", "scandir")


class AbstractFiles(AbstractCalls):
    """Evaluates calls that reach out of the notebook."""

    #: whether the notebook may have ended before its end, or names have come from elsewhere
    may_end: bool

    @abstractmethod
    def run_code(self, trees: Sequence[ast.Module], *, is_local: bool) -> None:
        """Run statements in the present scope, or in one of their own."""

    @abstractmethod
    def known_names(self) -> set[str]:
        """Return the names that the notebook has now."""

    def _joined_path(self, parts: Sequence[Value], kind: str) -> Value:
        texts = [part.text() if part.kind in ("str", "path") else None for part in parts]
        if not parts:
            return Value(const=".", kind=kind)
        return Value(const="/".join(WILDCARD if text is None else text for text in texts), kind=kind)

    def _open(self, arguments: Arguments, node: ast.AST, kind: str = "file") -> Value:
        name = arguments.argument(0, "file", "path", "name", "filename")
        mode_value = arguments.argument(1, "mode", "flag")
        opened = self._opened(name, mode_value, node)
        for thing in opened.things:
            thing.kind = kind if kind != "archive" else ""
        return opened

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
                    elif thing.kind in ("", "unknown"):
                        self.read_file(None)
            else:
                self.read_file(source.text())
        is_iterator = arguments.keyword("chunksize") is not None or arguments.keyword("iterator") is not None
        made = self.new("iterator" if is_iterator else "pandas", node, is_open=not is_iterator)
        if is_iterator:
            self.put(made, None, thing_value(self.new("pandas", node, use="chunk")))
        return thing_value(made)

    def _touch_files(self, path: str, arguments: Arguments) -> None:
        if path in _READERS:
            images = path.endswith(_IMAGE_READERS)
            source = arguments.argument(0, "path", "file", "fname", "pathname", "src", "name", "filename")
            if source is None or _may_be_name(source):
                text = source.text() if source is not None else "."
                if text is None or not is_remote(text):
                    self.read_file(text, images=images)
        if path in _WRITERS:
            target = arguments.argument(_WRITERS[path], "path", "fname", "file", "filename", "f", "dst", "name")
            if target is None or _may_be_name(target):
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
        self._read_environment(None)
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


def _may_be_name(value: Value) -> bool:
    """Tell whether a value may be the name of a file, not an open one."""
    return not value.things or any(thing.kind in ("", "unknown") for thing in value.things)
