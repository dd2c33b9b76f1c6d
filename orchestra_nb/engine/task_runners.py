"""Where a flow's submitted tasks run: the names are Prefect's, and they are values, not resources.

A task runner only says where; the driver keeps one loop for each place and shares it between flows.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from orchestra_nb.engine.task_settings import InvalidOption
from orchestra_nb.errors import InvalidSetting
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.engine.executors import Executor


class TaskRunner:
    """The base of all task runners."""

    #: whether tasks run in this process, on the objects that they are given
    is_in_process = False
    #: whether its workers are processes of this machine that may take over this process's folder
    is_on_this_machine = False

    def __new__(cls, *args: object, **options: object) -> Self:
        """Refuse an option that there is not, with what to write in its place."""
        known = inspect.signature(cls).parameters
        unknown = [name for name in options if name not in known]
        if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            hint = (
                f"Write cluster_kwargs={{{unknown[0]!r}: {options[unknown[0]]!r}}}: it is one of the cluster's."
                if "cluster_kwargs" in known
                else f"The options are: {', '.join(known) or 'none'}."
            )
            raise InvalidOption(f"{cls.__name__} has no option {unknown[0]!r}. {hint}")
        return super().__new__(cls)

    @property
    def place(self) -> str:
        """What tells two places apart, and is shown to people."""
        raise NotImplementedError(f"{type(self).__name__} does not say where it runs tasks.")

    def make_executor(self) -> Executor:
        """Return what runs attempts there; not open yet."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it runs tasks.")

    def duplicate(self) -> TaskRunner:
        """Return an equal one."""
        return self

    def __enter__(self) -> TaskRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the driver lets go of the place when the process ends."""


@dataclass(frozen=True)
class DaskTaskRunner(TaskRunner):
    """Runs tasks on a Dask cluster.

    Parameters
    ----------
    cluster
        ``"local"``, an address (``tcp://…``, ``tls://…``), or a mapping with ``class`` and its arguments; None means as
        the settings say.
    address
        The same as ``cluster`` with an address: Prefect's name for it.
    cluster_class, cluster_kwargs
        A class path, such as ``"dask_jobqueue.SLURMCluster"``, and its arguments: Prefect's names for the mapping.
        Arguments alone are those of ``dask.distributed.LocalCluster``, which is then this process's own.

    Raises
    ------
    InvalidOption
        Two clusters are named.
    """

    cluster: str | Mapping[str, object] | None = None
    address: str | None = None
    cluster_class: str | None = None
    cluster_kwargs: Mapping[str, object] | None = None

    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        named = {name: getattr(self, name) for name in ("cluster", "address", "cluster_class")}
        given = [name for name, value in named.items() if value is not None]
        if self.cluster_kwargs is not None and "cluster_class" not in given:
            given.append("cluster_kwargs")
        if len(given) > 1:
            raise InvalidOption(f"DaskTaskRunner: {' and '.join(given)} name two clusters. Write one of them.")

    @property
    def spec(self) -> str | Mapping[str, object]:
        """The cluster, as :func:`~orchestra_nb.engine.clusters.parse_cluster` reads it."""
        if self.address is not None:
            return self.address
        if self.cluster_class is not None or self.cluster_kwargs is not None:
            name = self.cluster_class or "dask.distributed.LocalCluster"
            if not isinstance(name, str):
                name = f"{name.__module__}.{name.__qualname__}"
            return {"class": name, **(self.cluster_kwargs or {})}
        return self.cluster if self.cluster is not None else load_settings().cluster

    @property
    def place(self) -> str:
        """The cluster as text."""
        spec = self.spec
        return spec if isinstance(spec, str) else json.dumps(dict(spec), sort_keys=True, default=str)

    @property
    def is_on_this_machine(self) -> bool:  # type: ignore[override]
        """Whether it is the local cluster."""
        return self.spec in ("local", "")

    def make_executor(self) -> Executor:
        """Return an executor on this cluster."""
        from orchestra_nb.engine.dask_executor import DaskExecutor

        return DaskExecutor(self.spec)


@dataclass(frozen=True)
class ThreadPoolTaskRunner(TaskRunner):
    """Runs tasks in threads of this process: for small things, without a cluster.

    Parameters
    ----------
    max_workers
        How many run at a time; None for five more than there are cores.
    """

    max_workers: int | None = None

    is_in_process = True

    def __post_init__(self) -> None:
        count = self.max_workers
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise InvalidOption(f"ThreadPoolTaskRunner: max_workers is {count!r}. Write a whole number from 1.")

    @property
    def place(self) -> str:
        """The pool as text."""
        return f"threads:{self.max_workers}"

    def make_executor(self) -> Executor:
        """Return a new pool."""
        from orchestra_nb.engine.thread_executor import ThreadExecutor

        return ThreadExecutor(self.max_workers)


#: Prefect's older name.
ConcurrentTaskRunner = ThreadPoolTaskRunner


def task_runner_of_settings() -> TaskRunner:
    """Return what ``ORCHESTRA_TASK_RUNNER`` names.

    Raises
    ------
    InvalidSetting
        It is neither ``dask`` nor ``threads``.
    """
    name = load_settings().task_runner
    if name == "dask":
        return DaskTaskRunner()
    if name == "threads":
        return ThreadPoolTaskRunner()
    raise InvalidSetting(f"task_runner is {name!r} (ORCHESTRA_TASK_RUNNER). Write dask or threads.")
