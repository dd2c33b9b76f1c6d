"""Hidden state, files and the parts of libraries that a cell reads and changes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from orchestra_nb.notebooks import hidden_state, mutations
from orchestra_nb.notebooks.abstract_expressions import AbstractExpressions
from orchestra_nb.notebooks.abstract_values import WILDCARD, Thing, Value, reachable
from orchestra_nb.notebooks.file_patterns import ANY_FILE, is_remote, may_be_same, normal

#: Kinds that are shown the same whatever the options of pandas and NumPy are.
_PLAINLY_SHOWN: Final = frozenset(
    "number str none path tuple function class matplotlib sklearn file connection cursor rng time regex iterator "
    "seaborn".split()
)

_CONTAINERS: Final = frozenset({"list", "dict", "set", "tuple", "instance"})


@dataclass(slots=True)
class Resources:
    """Which cells have written which hidden state and files, so far."""

    #: resource to the cells that made it what it is
    writers: dict[str, list[int]] = field(default_factory=dict)
    #: resource to the cells that have read it since
    readers: dict[str, list[int]] = field(default_factory=dict)
    #: (pattern, cell) for each file that was written
    files: list[tuple[str, int]] = field(default_factory=list)
    #: attribute that was put into a class or module of a library, to its value
    patches: dict[str, Value] = field(default_factory=dict)
    #: top-level module to the cells that have imported it
    imports: dict[str, list[int]] = field(default_factory=dict)
    #: figures of one cell can be drawn into by a later one
    keeps_figures: bool = False


class AbstractResources(AbstractExpressions):
    """Notes what happens to resources."""

    def __init__(self, cell: int, shares_frames: bool, resources: Resources) -> None:
        super().__init__(cell, shares_frames)
        self.resources = resources
        self.resource_reads: set[str] = set()
        self.resource_writes: set[str] = set()
        #: resources that the cell has set whatever they were
        self.resources_set: set[str] = set()
        self.file_reads: set[str] = set()
        self.file_writes: set[str] = set()
        #: folders that must be there
        self.folders_needed: set[str] = set()
        #: files whose content is known to be this cell's
        self.files_replaced: set[str] = set()
        #: random states that were drawn from before anybody seeded them
        self.unseeded: set[str] = set()
        self.imported: set[str] = set()
        #: modules that an attribute needs (``import hvplot.pandas`` gives ``df.hvplot``)
        self.needed_modules: set[str] = set()

    def is_written(self, resource: str) -> bool:
        """Tell whether a cell before, or this one, has written a resource."""
        return resource in self.resources.writers or resource in self.resource_writes

    def read_resource(self, resource: str) -> None:
        """Note that the cell needs a resource as cells before have left it."""
        if resource not in self.resources_set:
            self.resource_reads.add(resource)

    def write_resource(self, resource: str, *, sets: bool = False) -> None:
        """Note that the cell changes a resource; ``sets``: whatever it was."""
        if sets and not self.uncertain:
            self.resources_set.add(resource)
        elif not sets:
            self.read_resource(resource)
        self.resource_writes.add(resource)

    def draw(self, resource: str) -> None:
        """Draw from a random state: it matters to others only once it was seeded."""
        if self.is_written(resource):
            self.write_resource(resource)
        else:
            self.unseeded.add(resource)

    def touch(self, path: str, arguments: Iterable[Value] = ()) -> None:
        """Note what a call of a library's function touches."""
        values = list(arguments)
        for how, resource in hidden_state.call_touches(path):
            if resource == hidden_state.PANDAS_OPTIONS and how == "change":
                resource = _option_resource(values)
            elif resource == hidden_state.ENVIRONMENT:
                self._touch_environment(how, values)
                continue
            if resource in hidden_state.RANDOM and how == "change":
                self.draw(resource)
            elif how == "read":
                if self.is_written(resource):
                    self.read_resource(resource)
            else:
                self.write_resource(resource, sets=how == "set")
        if path.startswith("matplotlib.pyplot."):
            if self.is_written(hidden_state.PLOT_DISPLAY):
                self.read_resource(hidden_state.PLOT_DISPLAY)
            if self.resources.keeps_figures:
                self.write_resource(hidden_state.CURRENT_FIGURE, sets=path.endswith((".figure", ".subplots")))
        elif path.startswith("seaborn.") and self.is_written(hidden_state.PLOT_DISPLAY):
            self.read_resource(hidden_state.PLOT_DISPLAY)

    def plots(self) -> None:
        """A plot is drawn by a method of a table or of axes."""
        for resource in (hidden_state.PLOT_SETTINGS, hidden_state.PLOT_DISPLAY):
            if self.is_written(resource):
                self.read_resource(resource)

    def _touch_environment(self, how: str, values: list[Value]) -> None:
        name = values[0].exact_text() if values else None
        resource = f"environment variable {name}" if name else hidden_state.ENVIRONMENT
        if how == "read":
            self._read_environment(name)
        else:
            self.write_resource(resource, sets=name is not None)

    def _read_environment(self, name: str | None) -> None:
        for resource in (*self.resources.writers, *self.resource_writes):
            if resource == hidden_state.ENVIRONMENT or (
                resource.startswith("environment variable ")
                and (name in (None, WILDCARD) or resource == f"environment variable {name}")
            ):
                self.read_resource(resource)

    # Files

    def read_file(self, pattern: str | None) -> None:
        """Read a file or folder; None where nothing is known of its name."""
        name = ANY_FILE if pattern is None else re.sub(r"[*?]+|\[[^\]]*\]", WILDCARD, pattern)
        if is_remote(name):
            return
        self._needs_folder(name)
        if normal(name) not in self.files_replaced:
            self.file_reads.add(normal(name))

    def write_file(self, pattern: str | None, *, replaces: bool = True) -> None:
        """Write a file."""
        name = ANY_FILE if pattern is None else pattern
        if is_remote(name):
            return
        self._needs_folder(name)
        name = normal(name)
        self.file_writes.add(name)
        if replaces and not self.uncertain and WILDCARD not in name:
            self.files_replaced.add(name)
        folder = posixpath.dirname(name)
        if folder not in ("", "/"):
            self.folders_needed.add(folder)

    def _needs_folder(self, name: str) -> None:
        if not name.startswith("/") and self.is_written(hidden_state.FOLDER):
            self.read_resource(hidden_state.FOLDER)

    def touch_file_of(self, thing: Thing) -> None:
        """A thing with a file behind it is changed: so is the file."""
        if thing.file is not None and thing.writes_file:
            self.write_file(thing.file, replaces=False)

    def file_writers(self) -> dict[int, set[str]]:
        """Return the cells before that wrote what this one reads, with the files."""
        found: dict[int, set[str]] = {}
        for pattern in self.file_reads:
            for written, cell in self.resources.files:
                if cell != self.cell and may_be_same(pattern, written):
                    found.setdefault(cell, set()).add("file " + written.replace(WILDCARD, "…"))
        for folder in self.folders_needed:
            for written, cell in self.resources.files:
                if cell != self.cell and (written == folder or folder.startswith(written + "/")):
                    found.setdefault(cell, set()).add("file " + written)
        return found

    # Libraries

    def library_attribute(self, path: str) -> None:
        """Look at an attribute or item of a library."""
        if path.startswith("os.environ"):
            if path != "os.environ":
                self._read_environment(path[len("os.environ[") : -1])
            return
        package = path.partition(".")[0]
        if not mutations.is_trusted(path):
            resource = f"module {package}"
        else:
            found = hidden_state.stored_resource(path.partition("[")[0])
            if found is None or found in (hidden_state.WARNINGS, hidden_state.LOGGING, hidden_state.DECIMALS):
                return
            resource = found
        if self.is_written(resource):
            self.read_resource(resource)

    def store_to_library(self, path: str, key: Value | None, value: Value) -> None:
        """Store to an attribute or item of a library."""
        if path.startswith("os.environ"):
            name = key.exact_text() if key is not None else None
            if name:
                self.write_resource(f"environment variable {name}", sets=True)
            else:
                self.write_resource(hidden_state.ENVIRONMENT)
            return
        if not mutations.is_trusted(path):
            self.write_resource(f"module {path.partition('.')[0]}")
            return
        resource = hidden_state.stored_resource(path)
        if resource is not None:
            self.write_resource(resource)
            return
        attribute = path.rpartition(".")[2]
        self.write_resource(f"attribute {attribute} of {path.partition('.')[0]}")
        self.resources.patches[attribute] = value

    def attribute_needs(self, name: str, value: Value) -> None:
        """Note the resources that an attribute of this name needs, of whatever object."""
        if self.resources.patches and name in self.resources.patches:
            for resource in (*self.resources.writers, *self.resource_writes):
                if resource.startswith(f"attribute {name} of "):
                    self.read_resource(resource)
        touched = hidden_state.METHODS.get(name)
        if touched is not None and self.is_written(touched.resource):
            self.read_resource(touched.resource)
        if value.things and name in self.resources.imports and not mutations.is_trusted(name):
            self.needed_modules.add(name)

    # What is shown

    def shown(self, value: Value) -> None:
        """A value is shown as the result of the cell, or by ``display``."""
        self.shown_within_text(value)
        for resource in (hidden_state.CELL_DISPLAY,):
            if self.is_written(resource):
                self.read_resource(resource)
        if "matplotlib" in value.kinds():
            self.plots()

    def shown_within_text(self, value: Value) -> None:
        """A value is turned into a text."""
        options = (hidden_state.PANDAS_DISPLAY, hidden_state.NUMPY_PRINTING)
        if not any(self.is_written(resource) for resource in options):
            return
        held = reachable(value.things)
        kinds = {thing.kind for thing in held if thing.is_open or thing.kind not in _CONTAINERS}
        if not kinds and not value.things:
            kinds = {value.kind}
        kinds -= _PLAINLY_SHOWN
        if kinds & {"pandas", "array", "", "mask", "unknown", "groups"} and value.things:
            self._reads_if_written(hidden_state.PANDAS_DISPLAY)
        if kinds & {"pandas", "numpy", "array", "", "mask", "unknown"}:
            self._reads_if_written(hidden_state.NUMPY_PRINTING)

    def _reads_if_written(self, resource: str) -> None:
        if self.is_written(resource):
            self.read_resource(resource)

    def whole_library_object(self, value: Value) -> None:
        """An object of a library, such as ``os.environ``, is looked at as a whole."""
        if "os.environ" in value.paths:
            self._read_environment(None)

    def shared_thing_changed(self, thing: Thing) -> None:
        """An object that a library hands out to everybody is changed."""
        if thing.kind == "decimal":
            self.write_resource(hidden_state.DECIMALS)

    def touches_decimals(self) -> None:
        """Reckon with decimals."""
        self._reads_if_written(hidden_state.DECIMALS)

    # Modules

    def imports(self, module: str, names: Iterable[str] = ()) -> None:
        """Import a module of this dotted name."""
        package = module.lstrip(".").partition(".")[0]
        self.imported.add(package)
        if package == "sklearn":
            if module.startswith("sklearn.experimental"):
                self.write_resource("experiments of scikit-learn")
            elif any(name in ("IterativeImputer", "HalvingGridSearchCV", "HalvingRandomSearchCV") for name in names):
                self._reads_if_written("experiments of scikit-learn")
        if not mutations.is_standard(package) and package not in self.resources.imports:
            self._reads_if_written(hidden_state.PACKAGES)
        if mutations.is_trusted(package):
            return
        for resource in (hidden_state.IMPORT_PATH, hidden_state.FOLDER, "reloading of modules"):
            self._reads_if_written(resource)
        inside = module.strip(".").replace(".", "/")
        for written, _ in self.resources.files:
            path = written.removesuffix(".py").removesuffix("/__init__")
            if WILDCARD not in written and (path.endswith((inside, package)) or f"{package}/" in written):
                self.file_reads.add(written)


def _option_resource(values: list[Value]) -> str:
    name = values[0].exact_text() if values else None
    if name is None:
        return hidden_state.PANDAS_OPTIONS
    if "plotting" in name:
        return hidden_state.PLOT_SETTINGS
    is_display = name.startswith("display") or "." not in name
    return hidden_state.PANDAS_DISPLAY if is_display else hidden_state.PANDAS_OPTIONS
