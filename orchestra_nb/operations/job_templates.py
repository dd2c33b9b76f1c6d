"""What is submitted for a run of a pool of the kind docker or kubernetes: the pool's job as the deployment wants it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.docker_jobs import DockerJob, docker_arguments, docker_environment, read_docker_job
from orchestra_nb.model.kubernetes_jobs import KubernetesJob, job_manifest, job_name, read_kubernetes_job
from orchestra_nb.model.runs import Run
from orchestra_nb.model.work_pools import DockerPlace, KubernetesPlace, WorkPool

#: Mappings of which a deployment says single entries; all else it says as a whole.
_MERGED: Final = ("env", "labels", "annotations", "node_selector", "pod", "resources")
STORE_VARIABLE: Final = "ORCHESTRA_STORE_URL"
#: Options of ``docker run`` by which a container sees files of the machine.
_MOUNTS: Final = frozenset({"-v", "--volume", "--mount", "--volumes-from"})

J = TypeVar("J", DockerJob, KubernetesJob)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedJob:
    """What is submitted.

    Parameters
    ----------
    words
        The command that submits it.
    environ
        What that command's environment has beside the worker's.
    manifest
        What it reads from stdin; None for a container.
    grace_seconds
        What the job gets to end by itself when it is stopped.
    labels
        What its run is found by.
    notes
        What whoever looks at it should know.
    """

    name: str
    words: tuple[str, ...]
    environ: dict[str, str]
    manifest: dict[str, Any] | None
    namespace: str | None
    grace_seconds: int
    labels: dict[str, str]
    notes: tuple[str, ...] = ()


def merged_variables(pool: WorkPool, job_variables: Mapping[str, object]) -> dict[str, object]:
    """Return the job variables of a pool with those of a deployment in their place; of mappings, entry by entry.

    Raises
    ------
    InvalidInput
        There are some, and the pool has no job.
    """
    if not isinstance(pool.place, DockerPlace | KubernetesPlace):
        if job_variables:
            raise InvalidInput(
                f"Job variables ({', '.join(job_variables)}) are for pools of the kind docker or kubernetes, and "
                f"{pool.name} is {pool.kind}."
            )
        return {}
    found = dict(pool.place.job)
    for name, value in job_variables.items():
        before = found.get(name)
        if name in _MERGED and isinstance(before, Mapping) and isinstance(value, Mapping):
            found[name] = {**before, **value}
        else:
            found[name] = value
    return found


def read_job(pool: WorkPool, job_variables: Mapping[str, object], what: str) -> DockerJob | KubernetesJob | None:
    """Return the checked job of a pool with the words of a deployment; None where its kind has none.

    Raises
    ------
    InvalidInput
        Something in it cannot be used; the message has its field.
    """
    variables = merged_variables(pool, job_variables)
    match pool.place:
        case DockerPlace():
            return read_docker_job(variables, what)
        case KubernetesPlace():
            return read_kubernetes_job(variables, what)
        case _:
            return None


def render_job(
    pool: WorkPool, job_variables: Mapping[str, object], run: Run, claimant: str, store_url: str
) -> RenderedJob:
    """Return what is submitted for a run.

    Parameters
    ----------
    store_url
        What the job gets as ``ORCHESTRA_STORE_URL``, where it does not say that itself.

    Raises
    ------
    InvalidInput
        The job cannot be used, or could not reach the store.
    """
    what = f"Pool {pool.name}"
    job = read_job(pool, job_variables, what)
    name = job_name(run.name, run.run_id, run.epoch)
    labels = {"orchestra-nb/run-id": run.run_id, "orchestra-nb/epoch": str(run.epoch)}
    if isinstance(job, DockerJob):
        if (why := unseen_store(job, store_url)) is not None:
            raise InvalidInput(f"{what}: {why}")
        path = _file_of(store_url)
        job = _with_store(job, store_url if path is None else f"sqlite:///{path}")
        words = docker_arguments(job, name=name, run_id=run.run_id, claimant=claimant, labels=labels)
        environ = docker_environment(job)
        return RenderedJob(
            name=name,
            words=words,
            environ=environ,
            manifest=None,
            namespace=None,
            grace_seconds=job.stop_grace_seconds,
            labels=labels,
        )
    assert isinstance(job, KubernetesJob)
    if STORE_VARIABLE not in job.env and not job.env_from_secrets:
        if store_url.startswith("sqlite"):
            raise InvalidInput(
                f"{what}: env: a job in Kubernetes cannot reach the store, a file of this machine. Use PostgreSQL, or "
                f"give env: {{{STORE_VARIABLE}: …}}."
            )
        if _has_password(store_url):  # whoever may see jobs of the namespace would see it
            raise InvalidInput(
                f"{what}: env: the address of the store has a password, which would stand in the job for all to see. "
                f"Put it into a secret of Kubernetes: env: {{{STORE_VARIABLE}: {{secret: NAME, key: KEY}}}}."
            )
        job = _with_store(job, store_url)
    return RenderedJob(
        name=name,
        words=("kubectl", "create", "--namespace", job.namespace, "-f", "-"),
        environ={},
        manifest=job_manifest(job, name=name, run_id=run.run_id, claimant=claimant, labels=labels),
        namespace=job.namespace,
        grace_seconds=job.grace_seconds,
        labels=labels,
    )


def unseen_store(job: DockerJob, store_url: str) -> str | None:
    """Return why a container would not have the store, and what to do about it; None where nothing says so.

    What it names itself as its store, and what its own words for ``docker run`` mount, is its affair.
    """
    path = _file_of(store_url)
    mounted = [volume.split(":")[1] for volume in job.volumes]
    if path is None or STORE_VARIABLE in job.env or _MOUNTS.intersection(_options(job.extra_arguments)):
        return None
    if any(path.is_relative_to(target) for target in mounted):
        return None
    return (
        f"volumes: a container does not see the store, the file {path} of this machine. Give it a volume, "
        f'volumes=["{path.parent}:{path.parent}"], use PostgreSQL, or name another store for it: '
        f"env.{STORE_VARIABLE}=…."
    )


def _file_of(store_url: str) -> Path | None:
    """Return the file that a store is, with its whole path; None for a database elsewhere."""
    from orchestra_nb.store.database import parse_store_url

    url = parse_store_url(store_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _options(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        yield word.partition("=")[0] if word.startswith("--") else word[:2]


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.password) or "password" in parse_qs(parts.query)


def _with_store(job: J, store_url: str) -> J:
    return msgspec.structs.replace(job, env={STORE_VARIABLE: store_url, **job.env})
