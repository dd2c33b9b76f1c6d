"""State of the process that cells read and change without naming it: generators, options, folder, environment.

Each is a *resource* with a name, that can be looked at, kept and put back. Which cells read one cannot be told from
their names; each resource says how it is told.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import os
import random
import re
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.engine.calculation_settings import (
    is_of_display,
    look_at_decimals,
    look_at_locale,
    look_at_numpy_errors,
    look_at_pandas_options,
    look_at_sklearn,
    pristine_decimals,
    pristine_locale,
    pristine_numpy_errors,
    pristine_pandas_options,
    pristine_sklearn,
    put_decimals,
    put_locale,
    put_numpy_errors,
    put_pandas_options,
    put_sklearn,
)
from orchestra_nb.engine.driver_environment import changes_between
from orchestra_nb.engine.random_generators import (
    look_at_numpy_random,
    look_at_torch_random,
    put_numpy_random,
    put_torch_random,
)
from orchestra_nb.model.cell_records import RESOURCE
from orchestra_nb.model.environment_variables import environment_that_counts

_PLOTS = re.compile(r"\b(plt|sns|mpl|matplotlib|seaborn|plot\w*|hist\w*|fig|figure|ax|axs|axes)\b")
#: What numpy prints with when it has just been imported; it keeps no copy of that itself.
_NUMPY_PRINTING = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "legacy": False,
    "override_repr": None,
}
#: What makes a text of a table or an array, which may be shown elsewhere.
_TEXTS = re.compile(
    r"\b(str|repr|format|to_html|to_string|to_markdown|to_latex|array2string|array_str)\b|\b[fF][rR]?['\"]"
)
_ARGUMENTS = re.compile(r"argv|pars|args|ArgumentParser|\b(main|click|typer|fire|docopt)\b")
_GENERATOR_STATE = re.compile(r"\b(getstate|get_state|get_rng_state)\b")
_ENVIRONMENT = re.compile(r"\b(environ|getenv|putenv|expandvars)\b")


@dataclass(frozen=True, slots=True)
class CellTraits:
    """What tells which resources a cell may have read.

    Parameters
    ----------
    shows
        Types of what it showed: MIME types, and ``"stream"``.
    reads_environment
        Whether its code, or a function or module of the user's, looked up an environment variable.
    """

    source: str
    shows: frozenset[str] = frozenset()
    reads_environment: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource.

    Parameters
    ----------
    look
        Returns its state, fit to be packed; None while its package is not loaded.
    put
        Puts a state back; the package is imported.
    is_read_by
        Whether a cell reads it that did not change it; who changes it reads it too, but for a seeded generator.
    whole
        Returns all that is compared, where ``look`` tells only what changed since a beginning; None if ``look`` does.
    pristine
        Returns the state as its package makes it when it is imported, which counts as if the package were not loaded:
        who loads it, the kernel or a cell, makes no difference. None where there is no such state.
    """

    name: str
    look: Callable[[], object]
    put: Callable[[Any], None]
    is_read_by: Callable[[CellTraits], bool]
    whole: Callable[[], object] | None = None
    pristine: Callable[[], object] | None = None

    @property
    def key(self) -> str:
        """The name among the names of the notebook."""
        return RESOURCE + self.name


def _look_at_rc() -> object:
    matplotlib: Any = sys.modules.get("matplotlib")
    params = getattr(matplotlib, "rcParams", None)
    return None if params is None else _rc(params)


def _rc(params: Any) -> dict[str, object]:
    # the backend is chosen when the first figure is made; its own accessor would choose it
    return {
        name: dict.__getitem__(params, name)
        for name in sorted(params)
        if name[:7] != "backend" and name != "interactive"
    }


def _pristine_rc() -> object:
    return _rc(sys.modules["matplotlib"].rcParamsOrig)


def _put_rc(state: Any) -> None:
    matplotlib: Any = importlib.import_module("matplotlib")

    for name, value in state.items():
        dict.__setitem__(matplotlib.rcParams, name, value)


class _PandasOptions:
    """Those options of pandas that a rule picks by their full names."""

    def __init__(self, is_picked: Callable[[str], bool]) -> None:
        self._is_picked = is_picked

    def look(self) -> object:
        state = look_at_pandas_options()
        return None if state is None else self._picked(state)

    def pristine(self) -> object:
        return self._picked(pristine_pandas_options())

    def _picked(self, state: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in state.items() if self._is_picked(name)}


def _look_at_numpy_printing() -> object:
    numpy: Any = sys.modules.get("numpy")
    return None if numpy is None or not hasattr(numpy, "get_printoptions") else numpy.get_printoptions()


def _pristine_numpy_printing() -> object:
    now = _look_at_numpy_printing()
    assert isinstance(now, dict)
    return {name: _NUMPY_PRINTING.get(name, value) for name, value in now.items()}


def _put_numpy_printing(state: Any) -> None:
    import numpy

    numpy.set_printoptions(**{name: value for name, value in state.items() if name != "override_repr"})


class _Environment:
    """What was changed in the environment since this object was made."""

    def __init__(self) -> None:
        self._before = environment_that_counts(os.environ)

    def look(self) -> object:
        return changes_between(self._before, environment_that_counts(os.environ))

    def put(self, state: Mapping[str, str | None]) -> None:
        for name, value in {**self._back(state), **state}.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def _back(self, state: Mapping[str, str | None]) -> dict[str, str | None]:
        changed: Any = self.look()
        return {name: self._before.get(name) for name in changed if name not in state}


def _put_arguments(state: list[str]) -> None:
    sys.argv[:] = state


def _look_at_time_zone() -> object:
    # what code of C takes for it, and what it is made from
    return [os.environ.get("TZ"), *time.tzname]


def _put_time_zone(state: list[str | None]) -> None:
    if state[0] is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = state[0]
    if hasattr(time, "tzset"):
        time.tzset()


def _put_path(state: list[str]) -> None:
    sys.path[:] = state


def resources_of_process() -> tuple[Resource, ...]:
    """Return all resources; what is told relative to a beginning begins now."""
    environment = _Environment()
    shown, modes = _PandasOptions(is_of_display), _PandasOptions(lambda name: not is_of_display(name))

    arguments, time_zone = list(sys.argv), _look_at_time_zone()

    def reads_arguments(traits: CellTraits) -> bool:
        return bool(_ARGUMENTS.search(traits.source))

    def asks_for_state(traits: CellTraits) -> bool:
        return bool(_GENERATOR_STATE.search(traits.source))

    def never(_: CellTraits) -> bool:
        return False

    def always(_: CellTraits) -> bool:
        return True

    def makes_text(traits: CellTraits) -> bool:
        return bool(traits.shows) or bool(_TEXTS.search(traits.source))

    def reads_environment(traits: CellTraits) -> bool:
        return traits.reads_environment or bool(_ENVIRONMENT.search(traits.source))

    def plots(traits: CellTraits) -> bool:
        return bool(_PLOTS.search(traits.source)) or any(kind.startswith("image/") for kind in traits.shows)

    return (
        # who draws from a generator changes its state
        Resource("random", random.getstate, random.setstate, asks_for_state),
        Resource("numpy.random", look_at_numpy_random, put_numpy_random, asks_for_state),
        Resource("torch.random", look_at_torch_random, put_torch_random, asks_for_state),
        Resource("rcParams", _look_at_rc, _put_rc, plots, pristine=_pristine_rc),
        Resource("pandas options", shown.look, put_pandas_options, makes_text, pristine=shown.pristine),
        Resource("pandas modes", modes.look, put_pandas_options, always, pristine=modes.pristine),
        Resource(
            "numpy print options",
            _look_at_numpy_printing,
            _put_numpy_printing,
            makes_text,
            pristine=_pristine_numpy_printing,
        ),
        # that these always count costs nothing where nobody sets them
        Resource("numpy errors", look_at_numpy_errors, put_numpy_errors, always, pristine=pristine_numpy_errors),
        Resource("decimal context", look_at_decimals, put_decimals, always, pristine=pristine_decimals),
        Resource("scikit-learn configuration", look_at_sklearn, put_sklearn, always, pristine=pristine_sklearn),
        Resource("time zone", _look_at_time_zone, _put_time_zone, always, pristine=lambda: time_zone),
        Resource("locale", look_at_locale, put_locale, always, pristine=pristine_locale),
        Resource(
            "environment",
            environment.look,
            environment.put,
            reads_environment,
            whole=lambda: environment_that_counts(os.environ),
        ),
        # a run works in its notebook's folder: that it always counts costs nothing
        Resource("working folder", os.getcwd, os.chdir, always),
        Resource("sys.path", lambda: list(sys.path), _put_path, never),
        # a kernel begins with its own
        Resource("sys.argv", lambda: list(sys.argv), _put_arguments, reads_arguments, pristine=lambda: arguments),
    )


def states_of(resources: Iterable[Resource]) -> dict[str, object]:
    """Return key to state of the resources that are there."""
    states: dict[str, object] = {}
    for resource in resources:
        try:
            state = resource.look()
        except Exception:  # a package of a version that is looked at in another way
            continue
        if state is not None:
            states[resource.key] = state
    return states


def put_back(resources: Iterable[Resource], states: Mapping[str, object]) -> None:
    """Put states back; what was not there when they were looked at, to how its package made it, if that is known."""
    for resource in resources:
        with contextlib.suppress(Exception):  # a folder that has gone, a package of another version
            if resource.key in states:
                resource.put(states[resource.key])
            elif resource.pristine is not None and resource.look() is not None:
                resource.put(resource.pristine())


#: What a notebook replaced in modules of others.
PATCHES = RESOURCE + "patches"


class ModuleWatch:
    """Sees what is replaced in modules of others, and in their classes: a patch is state that no record can give back.

    Looked at are ``builtins`` and the modules that the notebook has names for, each with the classes in it, not what
    lies deeper. An attribute that was not there before is the package's own (a submodule, something made lazily).

    A kernel replaces a few functions itself while a cell runs. So two looks are compared that are both taken within a
    cell, or both between cells; :meth:`begin` is the look for who goes from one to the other.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, Any]] = {}
        #: dotted path to what stands there now
        self.patches: dict[str, object] = {}

    def begin(self, namespace: Mapping[str, object], is_users: Callable[[str], bool]) -> None:
        """Take all that stands there now as replaced by nobody; a patch that is gone is one no more."""
        self._seen = dict(_places(namespace, is_users))
        for place, value in list(self.patches.items()):
            path, _, name = place.rpartition(".")
            if path in self._seen and self._seen[path].get(name) is not value:
                del self.patches[place]

    def meet(self, names: Iterable[str], is_users: Callable[[str], bool]) -> None:
        """Take what stands now in modules that are about to get a name as put there by nobody."""
        loaded = {name: sys.modules[name] for name in names if name in sys.modules}
        for path, now in _places(loaded, is_users):
            self._seen.setdefault(path, now)

    def look(
        self, namespace: Mapping[str, object], is_users: Callable[[str], bool], *, is_after_cell: bool = False
    ) -> list[str]:
        """Return the dotted paths that were replaced since the last look.

        Parameters
        ----------
        is_after_cell
            Of a module that has a name for the first time what the notebook has put there was put there by the cell.
        """
        return [
            place for path, now in _places(namespace, is_users) for place in self._compare(path, now, is_after_cell)
        ]

    def _compare(self, path: str, now: dict[str, Any], is_after_cell: bool) -> list[str]:
        before = self._seen.get(path)
        self._seen[path] = now
        if before is None:
            if not is_after_cell:
                return []
            before = {name: value for name, value in now.items() if not _is_defined_in_notebook(value)}
        changed = [
            f"{path}.{name}"
            for name, value in now.items()
            if name in before
            and before[name] is not value
            and (_is_replaced(before[name], value) or _is_defined_in_notebook(value))
            and name not in _RESTLESS
        ]
        changed += [f"{path}.{name}" for name in before.keys() - now.keys() if name not in _RESTLESS]
        # what a notebook puts into a module or class of others: `DataFrame.summary = summary`
        changed += [
            f"{path}.{name}" for name, value in now.items() if name not in before and _is_defined_in_notebook(value)
        ]
        # a library sets its own private names when it needs them (`pyplot._backend_mod`)
        changed = [place for place in changed if not _is_private(place) or _is_of_notebook(now, place)]
        changed = [place for place in changed if place not in _OF_KERNEL]
        for place in changed:
            value = now.get(place.rpartition(".")[2])
            self.patches[place] = getattr(value, "_accessor", value)
        return changed


#: ``Py_TPFLAGS_HEAPTYPE``: a class made by a ``class`` statement.
_HEAP_TYPE = 1 << 9
#: What modules and interpreters change by themselves.
_RESTLESS = frozenset(
    {
        "_",
        "__warningregistry__",
        "__dict__",
        "__abstractmethods__",
        "_abc_impl",
        "__annotations__",
        "draw_if_interactive",
    }
)
#: What the kernel sets for each cell and takes back after it, whatever the cell put there, and what it sets when a
#: cell fails.
_OF_KERNEL = frozenset(
    {
        "builtins.input",
        "getpass.getpass",
        "sys.displayhook",
        "sys.excepthook",
        "sys.last_exc",
        "sys.last_traceback",
        "sys.last_type",
        "sys.last_value",
    }
)


def _places(namespace: Mapping[str, object], is_users: Callable[[str], bool]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the dotted path of each module and class that is looked at, and what is in it now."""
    for module in {
        id(value): value for value in (builtins, *namespace.values()) if type(value) is types.ModuleType
    }.values():
        name = module.__name__
        if name == "__main__" or is_users(name):
            continue
        yield name, dict(vars(module))
        for attribute, value in list(vars(module).items()):
            if (
                isinstance(value, type)
                and value.__flags__ & _HEAP_TYPE
                and value.__module__.startswith(name.partition(".")[0])
            ):
                yield f"{name}.{attribute}", dict(vars(value))


def _is_private(place: str) -> bool:
    name = place.rpartition(".")[2]
    return name.startswith("_") and not name.endswith("__")


def _is_of_notebook(now: Mapping[str, object], place: str) -> bool:
    return _is_defined_in_notebook(now.get(place.rpartition(".")[2]))


def _is_defined_in_notebook(value: object) -> bool:
    """Tell whether a value, or the accessor of tables that it stands for, is a function or class of the notebook."""
    return getattr(getattr(value, "_accessor", value), "__module__", None) == "__main__"


def _is_replaced(before: object, now: object) -> bool:
    """Tell whether one thing in place of another is a patch: a function or class, not a counter or a cache."""
    return callable(before) or callable(now)
