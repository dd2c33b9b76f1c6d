"""Where a flow's submitted tasks run: the names are Prefect's, and they are values, not resources.

A task runner only says where; the driver keeps one loop for each place and shares it between flows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

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
    """

    cluster: str | Mapping[str, object] | None = None
    address: str | None = None
    cluster_class: str | None = None
    cluster_kwargs: Mapping[str, object] | None = None

    __hash__ = None  # type: ignore[assignment]

    @property
    def spec(self) -> str | Mapping[str, object]:
        """The cluster, as :func:`~orchestra_nb.engine.clusters.parse_cluster` reads it."""
        if self.address is not None:
            return self.address
        if self.cluster_class is not None:
            name = self.cluster_class
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
