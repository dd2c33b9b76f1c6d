"""What makes two calls of a task the same call: recipes for cache keys, with Prefect 3's names and behaviour.

A policy computes a key from a call, or None for "not to be cached". Policies are added (``INPUTS + TASK_SOURCE``), and
an argument is left out by subtracting its name (``INPUTS - "connection"``). They never change, may be shared by all
threads, and can be pickled when their ``cache_key_fn`` can. Keys are equal in every process: they are made of
fingerprints (:mod:`orchestra_nb.model.fingerprints`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from orchestra_nb.errors import InvalidInput, ValueNotHashable
from orchestra_nb.model.fingerprints import fingerprint

#: Whether a second call with a key waits for the first one's result, or computes it, too.
IsolationLevelName = Literal["READ_COMMITTED", "SERIALIZABLE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheContext:
    """What a policy may know of the call beside its arguments; what ``cache_key_fn`` gets first.

    Parameters
    ----------
    task_source
        Returns the fingerprint of the task's function. Called only by a policy that needs it, and worth keeping: it
        costs more than the rest of a key.
    run_id
        The flow run; the run that a task has of its own where there is no flow.
    task, task_run, parameters
        The task (its ``name``, ``fn`` and ``task_key``), the record of its run, and its arguments by name, for
        functions of the user that look at them.
    """

    task_source: Callable[[], str | None]
    run_id: str | None
    task: Any = None
    task_run: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


CacheKeyFunction = Callable[[Any, dict[str, Any]], str | None]


class CachePolicy:
    """A recipe for cache keys. A class of the user's needs only :meth:`compute_key`.

    Attributes
    ----------
    key_storage
        URL or folder where the records of this policy's keys stand; None for the store.
    isolation_level
        None for the transaction's own.
    """

    key_storage: str | None = None
    isolation_level: IsolationLevelName | None = None

    @property
    def tells_tasks_apart(self) -> bool:
        """Whether its keys say all: two tasks with one key share a result.

        So it is where the user makes the key, and where the task's code is part of it. Of all other keys, such as the
        arguments alone, each task has its own.
        """
        return True

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: CacheKeyFunction) -> CacheKeyFnPolicy:
        """Return the policy whose keys a function makes from the call's context and its arguments."""
        return CacheKeyFnPolicy(cache_key_fn=cache_key_fn)

    def configure(
        self,
        key_storage: str | Path | None = None,
        lock_manager: None = None,
        isolation_level: object = None,
    ) -> Self:
        """Return this policy with other settings; None leaves one as it is.

        Parameters
        ----------
        key_storage
            A folder or URL for the keys, in place of the store; two calls at once then both run.
        isolation_level
            Accepted as Prefect does: in the store, two calls of one key never both run, at any level.

        Raises
        ------
        InvalidInput
            A lock manager was given, or an isolation level that does not exist.
        """
        if lock_manager is not None:
            raise InvalidInput("lock_manager: locks are kept in the store for every policy. Leave it out.")
        configured = copy.copy(self)
        if key_storage is not None:
            object.__setattr__(configured, "key_storage", str(key_storage))
        if isolation_level is not None:
            object.__setattr__(configured, "isolation_level", _isolation_level(isolation_level))
        return configured

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the key of a call, None when it is not to be cached.

        Parameters
        ----------
        inputs
            The call's arguments by name, defaults filled in.
        flow_parameters
            Those of the flow run; empty where there is none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define compute_key().")

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not isinstance(other, CachePolicy):
            return NotImplemented
        if isinstance(other, _None):
            return self
        compound = CompoundCachePolicy(policies=(*_parts_of(self), *_parts_of(other)))
        for name in ("key_storage", "isolation_level"):
            own, others = getattr(self, name), getattr(other, name)
            if own is not None and others is not None and own != others:
                raise InvalidInput(f"Two policies with different {name} ({own}, {others}) cannot be added.")
            if own is not None or others is not None:
                object.__setattr__(compound, name, others if own is None else own)
        return compound

    def __sub__(self, other: str) -> CachePolicy:
        _check_name(other)
        return self

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *sorted(vars(self).items())))


@dataclass(frozen=True, eq=False)
class CacheKeyFnPolicy(CachePolicy):
    """The keys that a function of the user returns."""

    cache_key_fn: CacheKeyFunction

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return what the function returns."""
        key = self.cache_key_fn(task_ctx, inputs)
        if key is not None and not isinstance(key, str):
            name = getattr(self.cache_key_fn, "__name__", "cache_key_fn")
            raise InvalidInput(f"{name} returned {key!r} as a cache key. Return text, or None for no caching.")
        return key


@dataclass(frozen=True, eq=False)
class CompoundCachePolicy(CachePolicy):
    """Several policies at once: their keys together make the key, in any order; a None among them does not count."""

    policies: tuple[CachePolicy, ...] = ()

    def __post_init__(self) -> None:
        inputs = [policy for policy in self.policies if isinstance(policy, Inputs)]
        others = [policy for policy in self.policies if not isinstance(policy, Inputs)]
        if inputs:
            excluded = {name for policy in inputs for name in policy.exclude}
            others.append(Inputs(exclude=tuple(sorted(excluded))))
        object.__setattr__(self, "policies", tuple(others))

    @property
    def tells_tasks_apart(self) -> bool:
        """Whether the task's code is part of it, or all of it is made by the user."""
        has_source = any(isinstance(policy, TaskSource) for policy in self.policies)
        return has_source or all(policy.tells_tasks_apart for policy in self.policies)

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the fingerprint of the parts' keys; None when all of them are None."""
        keys = [policy.compute_key(task_ctx, inputs, flow_parameters, **kwargs) for policy in self.policies]
        present = sorted(key for key in keys if key is not None)
        return fingerprint(present) if present else None

    def __sub__(self, other: str) -> CachePolicy:
        _check_name(other)
        if not any(isinstance(policy, Inputs) for policy in self.policies):
            return self
        without = copy.copy(self)
        object.__setattr__(without, "policies", (*self.policies, Inputs(exclude=(other,))))
        without.__post_init__()
        return without


@dataclass(frozen=True, eq=False)
class Inputs(CachePolicy):
    """The call's arguments, but for the excluded ones. A task without arguments has no key of this kind."""

    exclude: tuple[str, ...] = ()

    tells_tasks_apart = False

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the fingerprint of the arguments.

        Raises
        ------
        ValueNotHashable
            An argument has no content; the message names it and what to do.
        """
        if not inputs:
            return None
        prints = []
        for name in sorted(inputs):
            if name in self.exclude:
                continue
            try:
                prints.append((name, fingerprint(inputs[name], name=name)))
            except ValueNotHashable as error:
                raise ValueNotHashable(
                    f"{str(error).partition(' Leave it out')[0]} Leave it out of the cache key with "
                    f'cache_policy=INPUTS - "{name}", write a cache_key_fn, or turn caching off with '
                    "cache_policy=NO_CACHE."
                ) from error
        return fingerprint(prints)

    def __sub__(self, other: str) -> CachePolicy:
        _check_name(other)
        without = copy.copy(self)
        object.__setattr__(without, "exclude", tuple(sorted({*self.exclude, other})))
        return without


@dataclass(frozen=True, eq=False)
class TaskSource(CachePolicy):
    """The task's code and, unlike Prefect's, all that it uses: a changed helper or constant is another task."""

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the fingerprint of the task's function."""
        return task_ctx.task_source()


@dataclass(frozen=True, eq=False)
class FlowParameters(CachePolicy):
    """The parameters of the flow run; none without a flow or without parameters."""

    tells_tasks_apart = False

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the fingerprint of the flow's parameters."""
        return fingerprint(flow_parameters, name="the flow's parameters") if flow_parameters else None


@dataclass(frozen=True, eq=False)
class RunId(CachePolicy):
    """The flow run, or the task's own run where there is no flow: nothing is shared between runs."""

    tells_tasks_apart = False

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the run's id."""
        return task_ctx.run_id


@dataclass(frozen=True, eq=False)
class StorageKey(CachePolicy):
    """The file that ``result_storage_key`` names: where it was written, its result is the call's, whatever wrote it.

    Parameters
    ----------
    url
        Of the folder of results.
    template
        Of the file's name below it.
    """

    url: str
    template: str

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the file's URL."""
        from orchestra_nb.engine.storage_keys import fill_storage_key  # of a floor above: it knows what runs

        return f"file {self.url}/{fill_storage_key(self.template, inputs)}"


@dataclass(frozen=True, eq=False)
class _None(CachePolicy):
    """No key, so no caching; added to another policy it changes nothing."""

    def compute_key(
        self, task_ctx: CacheContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return None."""
        return None

    def __add__(self, other: CachePolicy) -> CachePolicy:
        return other if isinstance(other, CachePolicy) else NotImplemented


def task_input_hash(context: CacheContext, arguments: dict[str, Any]) -> str | None:
    """Return a key of the task's code and its arguments: a ``cache_key_fn`` that Prefect's users know."""
    return (INPUTS + TASK_SOURCE).compute_key(context, arguments, {})


def _parts_of(policy: CachePolicy) -> tuple[CachePolicy, ...]:
    return policy.policies if isinstance(policy, CompoundCachePolicy) else (policy,)


def _isolation_level(value: object) -> IsolationLevelName:
    name = getattr(value, "name", value)
    if name == "READ_COMMITTED" or name == "SERIALIZABLE":
        return name
    raise InvalidInput(f"isolation_level {value!r} does not exist. Use READ_COMMITTED or SERIALIZABLE.")


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f'Only the name of an argument can be subtracted, as in INPUTS - "name"; not {name!r}.')


#: The call's arguments.
INPUTS = Inputs()
#: The task's code.
TASK_SOURCE = TaskSource()
#: The run.
RUN_ID = RunId()
#: The parameters of the flow run.
FLOW_PARAMETERS = FlowParameters()
#: No caching.
NONE = _None()
#: No caching, and no stored result.
NO_CACHE = _None()
#: The same call in the same run.
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
