"""A work pool as people write it: on the command line, in files, in ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.variables import check_name
from orchestra_nb.model.work_pools import (
    IDLE_SECONDS,
    POOL_KINDS,
    DaskPlace,
    DockerPlace,
    KubernetesPlace,
    LocalPlace,
    Place,
    PoolKind,
    WorkPool,
)
from orchestra_nb.operations.deployment_request import read_seconds
from orchestra_nb.operations.error_places import pointer_to, told_at, told_below
from orchestra_nb.operations.job_templates import read_job

_MOST_RUNS: Final = 1_000_000
#: Fields that only pools of a kind have.
FIELDS_OF_KIND: Final[dict[PoolKind, tuple[str, ...]]] = {
    "local": (),
    "dask": ("cluster", "arguments", "minimum", "maximum", "idle"),
    "docker": ("job",),
    "kubernetes": ("job",),
}
_WITH_IMAGE: Final = ("docker", "kubernetes")


class PoolFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool says beside its name. What is said of a field here is what forms and the REST API say of it."""

    kind: Annotated[str, Meta(title="Kind", description="Where its runs go on.")] = "local"
    description: Annotated[str, Meta(title="Description", description="What it is for.")] = ""
    concurrency: Annotated[
        int | None,
        Meta(title="Runs at once", description="Empty for any number. To start nothing, pause the pool."),
    ] = None
    cluster: Annotated[
        str | None,
        Meta(
            title="Cluster",
            description="A class that makes it, by its dotted path, or the address of a scheduler: tcp://HOST:8786.",
        ),
    ] = None
    arguments: Annotated[
        dict[str, Any], Meta(title="Arguments of the class", description='Such as {"cores": 8, "memory": "32GB"}.')
    ] = {}
    minimum: Annotated[
        int | None, Meta(title="Fewest workers", description="The cluster scales itself down to so many.")
    ] = None
    maximum: Annotated[
        int | None, Meta(title="Most workers", description="The cluster scales itself up to so many.")
    ] = None
    idle: Annotated[
        str | int | float | None,
        Meta(title="Idle time", description="How long the cluster lives without a run: 10m. Empty for five minutes."),
    ] = None
    job: Annotated[
        dict[str, Any],
        Meta(
            title="Job variables",
            description="What the jobs of its runs are like; image is empty where each deployment names its own.",
        ),
    ] = {}


class PoolForm(PoolFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pool as a file says it."""

    name: Annotated[str, Meta(title="Name", description="Deployments name their pool by it.")]
    paused: Annotated[bool, Meta(title="Paused", description="Its runs wait until it is resumed.")] = False


def read_pool(form: PoolForm, findings: Findings | None = None) -> WorkPool:
    """Return the pool that a form describes.

    Parameters
    ----------
    findings
        What is known to be wrong already.

    Raises
    ------
    InvalidInput
        A field cannot be used, or is of another kind of pool.
    """
    found = Findings() if findings is None else findings
    found.trying(told_at("/name")(lambda: _check_pool_name(form.name)))
    return _pool(form, found)


def changed_pool(form: PoolForm) -> WorkPool:
    """Return the pool that a form describes, of one that is there: its name is what it is.

    Raises
    ------
    InvalidInput
        As :func:`read_pool`.
    """
    return _pool(form, Findings())


def _pool(form: PoolForm, findings: Findings) -> WorkPool:
    kind = next((one for one in POOL_KINDS if one == form.kind), None)
    if kind is None:
        findings.errors.append(_wrong("kind", f"{form.kind!r} is none of {', '.join(POOL_KINDS)}."))
    if form.concurrency is not None and not 1 <= form.concurrency <= _MOST_RUNS:
        message = f"1 to {_MOST_RUNS:,} runs go on at a time, not {form.concurrency}. To start nothing, pause the pool."
        findings.errors.append(_wrong("concurrency", message))
    place: Place = LocalPlace()
    if kind is not None:
        owners = {name: owner for owner, names in reversed(FIELDS_OF_KIND.items()) for name in names}
        for name, owner in owners.items():
            if name not in FIELDS_OF_KIND[kind] and getattr(form, name) not in (None, {}):
                message = f"a pool of the kind {kind} has none, but one of the kind {owner}."
                findings.errors.append(_wrong(name, message))
        place = _place_of(kind, form, findings)
    pool = WorkPool(
        name=form.name,
        place=place,
        description=form.description,
        concurrency=form.concurrency,
        is_paused=form.paused,
    )
    if kind in _WITH_IMAGE:
        if "image" not in form.job:
            message = (
                "it is missing. Name the image that has orchestra-nb: image=NAME:TAG. Where each deployment names its "
                "own, say so by an empty one: image=."
            )
            findings.errors.append(InvalidInput(f"Pool {form.name}: image: {message}", {"/job/image": message}))
        filled = {} if form.job.get("image") else {"image": "given-by-each-deployment"}
        findings.trying(told_below("/job")(lambda: read_job(pool, filled, f"Pool {form.name}")))
    findings.tell()
    return pool


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", {f"/{field}": message})


def _check_pool_name(name: str) -> None:
    check_name(name, "pool")
    if name.startswith("-") or "," in name or name != name.strip():
        raise InvalidInput(
            f"{name!r} is no name of a pool: it may not begin with -, nor have commas, nor blanks around it."
        )


def pool_form(pool: WorkPool) -> dict[str, Any]:
    """Return what a pool says, without what goes without saying; :func:`read_pool` takes it."""
    form: dict[str, Any] = {
        "name": pool.name,
        "kind": pool.kind,
        "description": pool.description or None,
        "concurrency": pool.concurrency,
        "paused": pool.is_paused or None,
    }
    match pool.place:
        case DaskPlace() as place:
            form |= {
                "cluster": place.cluster,
                "arguments": place.arguments or None,
                "minimum": place.minimum,
                "maximum": place.maximum,
                "idle": None if place.idle_seconds == IDLE_SECONDS else write_duration(place.idle_seconds),
            }
        case DockerPlace() | KubernetesPlace() as job_place:
            form["job"] = {"image": None, **job_place.job}
        case LocalPlace():
            pass
    return {name: value for name, value in form.items() if value is not None}


def changed_form(pool: WorkPool, changes: Mapping[str, object]) -> PoolForm:
    """Return the form of a pool with other words; of its job, variable by variable, where None takes one away.

    Raises
    ------
    InvalidInput
        There is no such field, or a value is of another type than it.
    """
    form = pool_form(pool)
    for name, value in changes.items():
        if name in ("job", "arguments") and isinstance(value, Mapping):
            form[name] = _merged(form.get(name, {}), value)
        elif value is None:
            form.pop(name, None)
        else:
            form[name] = value
    try:
        return msgspec.convert(form, PoolForm)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise InvalidInput(
            f"{path.strip('.`') or 'pool'}: {message}.", {pointer_to(path.rstrip("`")): message}
        ) from None


def _merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(before)
    for name, value in after.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(found.get(name), Mapping):
            found[name] = _merged(found[name], value)
        else:
            found[name] = value
    return found


def _place_of(kind: PoolKind, form: PoolForm, findings: Findings) -> Place:
    match kind:
        case "local":
            return LocalPlace()
        case "docker":
            return DockerPlace(job=form.job)
        case "kubernetes":
            return KubernetesPlace(job=form.job)
        case "dask":
            return _cluster_of(form, findings)


def _cluster_of(form: PoolForm, findings: Findings) -> DaskPlace:
    cluster = form.cluster or ""
    is_address = findings.trying(told_at("/cluster")(lambda: _check_cluster(cluster, form.arguments)))
    if is_address:
        for name in ("arguments", "minimum", "maximum", "idle"):
            if getattr(form, name) not in (None, {}):
                message = f"the cluster at {cluster} is made, and scaled, by others. Leave it out."
                findings.errors.append(_wrong(name, message))
    least, most = form.minimum, form.maximum
    if (least is not None and least < 0) or (most is not None and most < max(1, least or 0)):
        message = f"{least} to {most} is no number of workers to scale between."
        wrong = "minimum" if least is not None and least < 0 else "maximum"
        findings.errors.append(InvalidInput(f"minimum, maximum: {message}", {f"/{wrong}": message}))
    idle = None if form.idle is None else findings.trying(lambda: _idle_seconds(form.idle or ""))
    return DaskPlace(
        cluster=cluster,
        arguments=form.arguments,
        minimum=least,
        maximum=most,
        idle_seconds=IDLE_SECONDS if idle is None else idle,
    )


def _check_cluster(cluster: str, arguments: Mapping[str, object]) -> bool:
    """Refuse what names no cluster; tell whether it is the address of one."""
    if not cluster:
        raise InvalidInput(
            "cluster: it is missing. Name a class, such as dask.distributed.LocalCluster or "
            "dask_jobqueue.SLURMCluster, or the address of a scheduler, tcp://HOST:8786."
        )
    if "://" in cluster:
        from orchestra_nb.engine.clusters import parse_cluster

        parse_cluster(cluster)
        return True
    if not all(part.isidentifier() for part in cluster.split(".")) or "." not in cluster:
        raise InvalidInput(f"cluster: {cluster!r} is no dotted path of a class, and no address.")
    from orchestra_nb.engine.cluster_class import check_cluster

    check_cluster(cluster, arguments)
    return False


@told_at("/idle")
def _idle_seconds(idle: str | float) -> float:
    return read_seconds(idle if isinstance(idle, str) else write_duration(idle), "idle")
