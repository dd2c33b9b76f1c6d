"""The contents of all names of a notebook's namespace: a look at them before and after a cell tells what it changed."""

from __future__ import annotations

import re
import secrets
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra_nb.engine.process_resources import Resource
from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model.cell_records import ABSENT, LIVE
from orchestra_nb.model.code_encodings import Apart
from orchestra_nb.model.fingerprints import fingerprint, fingerprint_apart

#: Names that IPython keeps in the namespace: the history, and what it offers.
_OF_SHELL = re.compile(r"^(_{1,3}|_i{1,3}|_\d+|_i\d+|_[ido]h|In|Out|get_ipython|exit|quit|__\w+__)$")
_OFFERED = frozenset({"display", "open"})


@dataclass(frozen=True, slots=True)
class NameContent:
    """What one name holds.

    Parameters
    ----------
    content
        The fingerprint of its value; of one that has none a mark that nothing else equals.
    has_none
        Why it has no fingerprint; None where it has one.
    uses
        Names of the notebook that functions within it use.
    objects
        Ids of the objects by which another name may share it, which live as long as the value does.
    """

    content: str
    has_none: str | None = None
    uses: tuple[str, ...] = ()
    objects: frozenset[int] = frozenset()


@dataclass(slots=True)
class NameContents:
    """Looks at the names of a namespace. Keeps what has no fingerprint apart by the object that it is."""

    namespace: dict[str, Any]
    _marks: dict[str, tuple[object, str]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the notebook's own names."""
        return [name for name, value in list(self.namespace.items()) if not is_of_shell(name, value)]

    def look(self, names: Iterable[str] | None = None) -> dict[str, NameContent]:
        """Return what names hold, by default all; costs one pass over their values."""
        found: dict[str, NameContent] = {}
        for name in self.names() if names is None else names:
            if name in self.namespace:
                found[name] = self._look_at(name, self.namespace[name])
        return found

    def _look_at(self, name: str, value: object) -> NameContent:
        if is_pending(value):
            return NameContent(self._mark(name, value), "it is given by a task")
        apart = Apart(self.namespace)
        try:
            content = fingerprint_apart(value, apart, name=name)
        except ValueNotHashable as error:
            return NameContent(self._mark(name, value), str(error), objects=frozenset(apart.objects))
        except Exception as error:  # looking at a value runs code of its class
            return NameContent(self._mark(name, value), f"{type(error).__name__}: {error}")
        if isinstance(value, types.ModuleType):
            return NameContent(content)
        return NameContent(content, None, tuple(sorted(apart.names)), frozenset(apart.objects))

    def _mark(self, name: str, value: object) -> str:
        known = self._marks.get(name)
        if known is None or known[0] is not value:
            known = self._marks[name] = value, LIVE + secrets.token_hex(8)
        return known[1]


class ResourceContents:
    """Looks at the resources of the process; one that equals what it was costs no fingerprint.

    One that is as its package made it has the content of one that is not there.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)
        self._last: dict[str, tuple[object, str]] = {}

    def look(self) -> dict[str, str]:
        """Return key to fingerprint of the resources that are there."""
        found: dict[str, str] = {}
        for resource in self._resources:
            try:
                state = (resource.whole or resource.look)()
                if state is not None:
                    found[resource.key] = self._content(resource, state)
            except Exception:  # a package of a version that is looked at in another way
                continue
        return found

    def _content(self, resource: Resource, state: object) -> str:
        last = self._last.get(resource.key)
        if last is not None and _are_equal(last[0], state):
            return last[1]
        is_pristine = resource.pristine is not None and _are_equal(resource.pristine(), state)
        self._last[resource.key] = state, ABSENT if is_pristine else fingerprint(state)
        return self._last[resource.key][1]


def _are_equal(one: object, other: object) -> bool:
    """Tell whether two states are equal, where comparing them tells."""
    if not isinstance(other, dict | tuple | list | str):
        return False
    try:
        return bool(one == other)
    except ValueError:  # arrays within do not tell
        return False


def is_of_shell(name: str, value: object) -> bool:
    """Tell whether IPython itself put this under the name."""
    if name in _OFFERED:
        return str(getattr(value, "__module__", "")).startswith(("IPython", "io", "_io"))
    return _OF_SHELL.match(name) is not None


def is_pending(value: object) -> bool:
    """Tell whether a value stands for one that a task gives."""
    kind = type(value)
    return kind.__name__ == "PendingValue" and kind.__module__ == "orchestra_nb.engine.pending"


def partners_among(contents: Mapping[str, NameContent]) -> dict[str, frozenset[str]]:
    """Return name to the other names that share an object with it, directly or through others."""
    leader: dict[str, str] = {name: name for name in contents}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    first: dict[int, str] = {}
    for name, content in contents.items():
        for number in content.objects:
            other = first.setdefault(number, name)
            if other != name:
                leader[find(name)] = find(other)
    groups: dict[str, set[str]] = {}
    for name in contents:
        groups.setdefault(find(name), set()).add(name)
    return {name: frozenset(group - {name}) for group in groups.values() if len(group) > 1 for name in group}
