"""Work pools: named places where runs of deployments go on, and how many at once."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import msgspec

#: What a pool may be.
PoolKind = Literal["local", "dask", "docker", "kubernetes"]
POOL_KINDS: Final[tuple[PoolKind, ...]] = get_args(PoolKind)

#: The pool of whatever names none. It is there in each store.
DEFAULT_POOL: Final = "default"

#: How long the cluster of a pool lives without a run, where the pool does not say.
IDLE_SECONDS: Final = 300.0


class LocalPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="local"):
    """Processes of the machine whose worker serves the pool."""


class DaskPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="dask"):
    """A Dask cluster that the runs of the pool share; their drivers are processes of the worker's machine.

    Parameters
    ----------
    cluster
        The dotted path of a class, or the address of a scheduler that runs.
    arguments
        Keyword arguments of the class.
    minimum, maximum
        Between how many workers the cluster scales by itself; both None for as many as it was made with.
    idle_seconds
        How long it lives without a run.
    """

    cluster: str
    arguments: dict[str, object] = {}
    minimum: int | None = None
    maximum: int | None = None
    idle_seconds: float = IDLE_SECONDS


class DockerPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="docker"):
    """A container for each run, started by ``docker`` on the worker's machine.

    Parameters
    ----------
    job
        What the containers of all its runs are like: fields of :class:`~orchestra_nb.model.docker_jobs.DockerJob`.
    """

    job: dict[str, object] = {}


class KubernetesPlace(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="kubernetes"
):
    """A job in Kubernetes for each run, made by ``kubectl`` on the worker's machine.

    Parameters
    ----------
    job
        What the jobs are like: fields of :class:`~orchestra_nb.model.kubernetes_jobs.KubernetesJob`.
    """

    job: dict[str, object] = {}


Place: TypeAlias = LocalPlace | DaskPlace | DockerPlace | KubernetesPlace


class WorkPool(msgspec.Struct, frozen=True, kw_only=True):
    """A named place to run.

    Parameters
    ----------
    place
        Where its runs go on.
    concurrency
        How many of its runs go on at once, whoever serves it; None for any number.
    is_paused
        Whether its runs wait, due or not.
    """

    name: str
    place: Place = LocalPlace()
    description: str = ""
    concurrency: int | None = None
    is_paused: bool = False

    @property
    def kind(self) -> PoolKind:
        """What it is."""
        match self.place:
            case LocalPlace():
                return "local"
            case DaskPlace():
                return "dask"
            case DockerPlace():
                return "docker"
            case KubernetesPlace():
                return "kubernetes"
