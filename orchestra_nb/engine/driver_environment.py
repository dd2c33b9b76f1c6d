"""The environment variables of a driver, as its tasks on a cluster of this machine get them.

The local cluster is shared, and has the environment of whoever started it. So a driver's own travels with its tasks: as
a digest, and once as a whole. It may hold secrets: it goes to our own cluster, over TLS, and nowhere else; nothing logs
or stores it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from orchestra_nb.model.environment_variables import belongs_to_process

_Text = TypeVar("_Text", str, bytes)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class DriverEnvironment:
    """The variables of a process at a moment, but for those that belong to it alone.

    There is one object for each content that is in use.

    Parameters
    ----------
    digest
        Names the content.
    data
        The variables, for :func:`unpack_variables`.
    """

    digest: str
    data: bytes = field(repr=False)

    def __reduce__(self) -> Any:
        raise TypeError("An environment may hold secrets: it is not pickled along with something else.")


class EnvironmentChanges:
    """What is changed in the environment of this process from the moment when this object is made."""

    def __init__(self) -> None:
        self._before = variables_of_process()

    def now(self) -> dict[str, str | None]:
        """Return what is changed by now; None for what was removed."""
        return changes_between(self._before, variables_of_process())


def changes_between(before: Mapping[_Text, _Text], now: Mapping[_Text, _Text]) -> dict[_Text, _Text | None]:
    """Return what differs; None for what is no longer there."""
    changes: dict[_Text, _Text | None] = {name: value for name, value in now.items() if before.get(name) != value}
    changes.update(dict.fromkeys(before.keys() - now.keys()))
    return changes


def stored_variables() -> dict[Any, Any]:
    """Return where Python keeps the environment of this process, encoded; not to be changed.

    It can be compared at once, in a microsecond. To look variable by variable takes fifty times as long, and would
    count as code of the user's that asks for them.
    """
    environ: Any = os.environ
    stored: dict[Any, Any] = getattr(environ, "_data", environ)
    return stored


def variables_of_process() -> dict[str, str]:
    """Return the environment of this process."""
    return {os.fsdecode(name): os.fsdecode(value) for name, value in stored_variables().copy().items()}


_in_use: WeakValueDictionary[str, DriverEnvironment] = WeakValueDictionary()
#: what was stored when it was looked at last, and what that makes
_latest: tuple[dict[Any, Any], DriverEnvironment] | None = None


def environment_of_driver() -> DriverEnvironment:
    """Return the environment of this process as it is now. Costs about a microsecond where nothing has changed."""
    global _latest
    stored, latest = stored_variables(), _latest
    if latest is not None and latest[0] == stored:
        return latest[1]
    stored = stored.copy()
    variables = {os.fsdecode(name): os.fsdecode(value) for name, value in stored.items()}
    travelling = {name: variables[name] for name in sorted(variables) if not belongs_to_process(name)}
    data = pickle.dumps(travelling, protocol=5)
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    found = _in_use.setdefault(digest, DriverEnvironment(digest, data))
    _latest = stored, found
    return found


def unpack_variables(data: bytes) -> dict[str, str]:
    """Return the variables of a :class:`DriverEnvironment`."""
    variables: dict[str, str] = pickle.loads(data)
    return variables
