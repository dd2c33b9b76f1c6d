"""Classes of Dask clusters that only their users know: found by a dotted path, checked, and made."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from typing import Any

from orchestra_nb.engine.cluster_failures import said_by, why_not_made
from orchestra_nb.engine.clusters import ClusterSpec
from orchestra_nb.engine.spawned_workers import leave_main_out
from orchestra_nb.errors import ClusterUnavailable, InvalidInput


def make_cluster(spec: ClusterSpec) -> Any:
    """Make a cluster of a class that only its user knows; in a thread of its own, since it may block.

    Raises
    ------
    ClusterUnavailable
        The message begins with the class, says why and what to do. Texts and long numbers among the arguments are
        hidden in it: they may be secret.
    """
    module_name, _, class_name = spec.target.rpartition(".")
    try:
        cluster_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ClusterUnavailable(
            f"The cluster class {spec.target} cannot be imported ({error}). Install the package that has it "
            f"(pip install {module_name.partition('.')[0].replace('_', '-')}), or correct the path."
        ) from error
    except (Exception, SystemExit) as error:  # it is code of users
        raise ClusterUnavailable(
            f"The cluster class {spec.target} cannot be imported: its module raised {why_not_made(error)}"
        ) from error
    leave_main_out()
    try:
        cluster = cluster_class(**spec.arguments)
    except (Exception, SystemExit) as error:
        wrong = " ".join(_wrong_arguments(cluster_class, spec.arguments))
        reason = f"it {wrong}" if wrong else why_not_made(error, spec.arguments)
        raise ClusterUnavailable(f"{spec.target} could not be started: {reason}") from error
    if "://" not in str(getattr(cluster, "scheduler_address", "")):
        _close_quietly(cluster)
        raise ClusterUnavailable(
            f"{spec.target} makes no Dask cluster that runs: what it gave, a {type(cluster).__name__}, has no "
            "scheduler_address. Name a class as dask.distributed.LocalCluster is one, and leave out `asynchronous`."
        )
    return cluster


def make_chosen_cluster(spec: ClusterSpec) -> Any:
    """Make a cluster as :func:`make_cluster` does; where it cannot be made it is said, too, which setting names it."""
    try:
        return make_cluster(spec)
    except ClusterUnavailable as error:
        origin = said_by(spec)
        if not origin:
            raise
        origin += "," * (", " in origin)
        raise ClusterUnavailable(f"The cluster set by {origin} cannot be made: {error}") from error


def check_cluster(path: str, arguments: Mapping[str, object]) -> bool:
    """Refuse a class that is not there and arguments that it does not take; False where its package is not installed.

    Arguments that a class passes on count as its own where it is known to what: to the classes that it derives from,
    to the job of dask-jobqueue, to the workers of a local cluster. Of other classes what looks mistyped is refused.

    Raises
    ------
    InvalidInput
        The message has the class, the argument and what it takes.
    """
    module_name, _, class_name = path.rpartition(".")
    try:
        if importlib.util.find_spec(module_name.partition(".")[0]) is None:
            return False
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InvalidInput(f"cluster: {module_name} cannot be imported: {error}.") from None
    except (Exception, SystemExit) as error:  # it is code of users
        raised = f"{type(error).__name__}: {error}"[:500]
        raise InvalidInput(f"cluster: {path} cannot be imported: its module raised {raised}.") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise InvalidInput(f"cluster: {module_name} has no class {class_name!r}.")
    if not isinstance(found, type):
        raise InvalidInput(f"cluster: {path} is no class.")
    wrong = _wrong_arguments(found, arguments)
    if wrong:
        lines = [f"{path} {one}" for one in wrong]
        raise InvalidInput("\n".join(f"arguments: {line}" for line in lines), {"/arguments": "\n".join(lines)})
    return True


def _wrong_arguments(kind: object, arguments: Mapping[str, object]) -> list[str]:
    """Return which arguments a class does not take, and what it takes, a line each."""
    if not isinstance(kind, type):
        return []
    names, is_complete = _argument_names(kind)
    wrong = []
    for name in arguments:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
        if name not in names and (is_complete or near):
            meant = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(sorted(names))}."
            wrong.append(f"takes no {name!r}. {meant}")
    return wrong


def _close_quietly(cluster: object) -> None:
    close = getattr(cluster, "close", None)
    if callable(close):
        with contextlib.suppress(Exception):  # it is something else than it should be
            close()


def _argument_names(kind: type) -> tuple[set[str], bool]:
    """Return what a class takes, and whether that is all."""
    names: set[str] = set()
    passes_on: bool | None = None
    for one in kind.__mro__:
        own = one.__dict__.get("__init__")
        if own is None or one is object:
            continue
        parameters = inspect.signature(own).parameters.values()
        names |= {
            parameter.name
            for parameter in parameters
            if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        }
        if passes_on is None:
            passes_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
        if not passes_on:
            break
    names.discard("self")
    if not passes_on:
        return names, True
    job: object = getattr(kind, "job_cls", None)
    others = [job] if isinstance(job, type) else _of_local_workers(kind)
    for other in others:
        names |= _argument_names(other)[0]
    return names, bool(others)


def _of_local_workers(kind: type) -> list[type]:
    if not kind.__module__.startswith("distributed.deploy.local"):
        return []
    from distributed import Nanny, Worker

    return [Nanny, Worker]
