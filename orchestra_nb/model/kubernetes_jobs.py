"""Runs as jobs of Kubernetes: what one is like, checked, and as a manifest.

The rules are those of https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.31/#job-v1-batch and of
https://kubernetes.io/docs/concepts/overview/working-with-objects/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from orchestra_nb.model.docker_jobs import (
    DEFAULT_COMMAND,
    convert_job,
    wrong_common_fields,
    wrong_field,
)
from orchestra_nb.model.findings import Findings

_LABEL_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_QUANTITY: Final = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_SOURCES: Final = ("persistent_volume_claim", "config_map", "secret", "host_path", "empty_dir")
_LONGEST_NAME: Final = 63


class SecretKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of a variable, from a secret of Kubernetes."""

    secret: str
    key: str


class Mount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A volume at a path of the container: exactly one of those below ``read_only`` says what it is."""

    path: str
    read_only: bool = False
    persistent_volume_claim: str | None = None
    config_map: str | None = None
    secret: str | None = None
    host_path: str | None = None
    empty_dir: bool = False


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Resource to quantity, such as ``cpu: 500m`` and ``memory: 2Gi``."""

    requests: dict[str, str | int | float] = {}
    limits: dict[str, str | int | float] = {}


class KubernetesJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job of one run. What is said of a field here is what forms and the REST API say of it."""

    image: Annotated[str, Meta(description="An image that has orchestra-nb and what its runs import: NAME:TAG.")]
    command: Annotated[
        tuple[str, ...], Meta(description="What it runs; the run's id and that of its claim are appended.")
    ] = DEFAULT_COMMAND
    namespace: Annotated[str, Meta(description="The namespace that its jobs are made in.")] = "default"
    env: Annotated[
        dict[str, str | SecretKey],
        Meta(description='Variables that it gets: a text, or a key of a secret, {"secret": NAME, "key": KEY}.'),
    ] = {}
    env_from_secrets: Annotated[tuple[str, ...], Meta(description="Secrets all of whose keys become variables.")] = ()
    labels: Annotated[dict[str, str], Meta(description="Labels of the job and its pod.")] = {}
    annotations: Annotated[dict[str, str], Meta(description="Annotations of the job and its pod.")] = {}
    service_account_name: Annotated[str | None, Meta(description="The service account that it runs as.")] = None
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"],
        Meta(description="When the image is fetched from its registry."),
    ] = "IfNotPresent"
    image_pull_secrets: Annotated[
        tuple[str, ...], Meta(description="Secrets that the registry of the image asks for.")
    ] = ()
    resources: Annotated[
        Resources, Meta(description='What it gets: {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}}.')
    ] = Resources()
    volumes: Annotated[
        tuple[Mount, ...],
        Meta(description='What is mounted: [{"path": "/data", "persistent_volume_claim": "data"}].'),
    ] = ()
    working_dir: Annotated[str | None, Meta(description="Its working folder, a path in the container.")] = None
    node_selector: Annotated[dict[str, str], Meta(description="Labels of the nodes that it may run on.")] = {}
    tolerations: Annotated[
        tuple[dict[str, Any], ...], Meta(description="Taints of nodes that it puts up with, as Kubernetes has them.")
    ] = ()
    backoff_limit: Annotated[
        int,
        Meta(description="How often Kubernetes starts it again; the deployment says what follows a run that was lost."),
    ] = 0
    finished_job_ttl: Annotated[
        int, Meta(description="After how many seconds Kubernetes deletes a job that has ended.")
    ] = 600
    active_deadline_seconds: Annotated[
        int | None, Meta(description="How many seconds it may take, its wait for a node included.")
    ] = None
    grace_seconds: Annotated[int, Meta(description="How many seconds it gets to end by itself when it is deleted.")] = (
        30
    )
    pod: Annotated[
        dict[str, Any],
        Meta(description="Further fields of the pod's spec, as Kubernetes has them, in place of those made here."),
    ] = {}


def read_kubernetes_job(variables: Mapping[str, object], what: str) -> KubernetesJob:
    """Return the job that job variables describe.

    Parameters
    ----------
    what
        Where they stand, for errors: ``"pool gpu"``.

    Raises
    ------
    InvalidInput
        A field is unknown, missing, or cannot be used.
    """
    findings = Findings()
    job = convert_job(variables, KubernetesJob, what, findings)
    findings.errors += (wrong_field(what, field, message) for field, message in _wrong_fields(job))
    findings.tell()
    return job


def _wrong_fields(job: KubernetesJob) -> Iterator[tuple[str, str]]:
    """Yield the name of each field, or of a part of one, that cannot be used, with what is wrong with it."""
    yield from wrong_common_fields(job.image, job.command, job.env)
    yield from _wrong_names(job)
    for field, labels in (("labels", job.labels), ("node_selector", job.node_selector)):
        for key, value in labels.items():
            yield from _wrong_key(key, field)
            if not _LABEL_VALUE.fullmatch(value):
                yield field, f"{value!r} of {key} is no value: at most 63 letters, digits, -_."
    for key in job.annotations:
        yield from _wrong_key(key, "annotations")
    for field, quantities in (("requests", job.resources.requests), ("limits", job.resources.limits)):
        for key, quantity in quantities.items():
            yield from _wrong_key(key, f"resources.{field}")
            if not _QUANTITY.fullmatch(str(quantity)):
                yield f"resources.{field}.{key}", f"{quantity!r} is no quantity. Write 500m, 2, 512Mi or 4Gi."
    for number, mount in enumerate(job.volumes):
        yield from _wrong_mount(mount, f"volumes[{number}]")
    for field, least in (("backoff_limit", 0), ("finished_job_ttl", 0), ("grace_seconds", 0)):
        if getattr(job, field) < least:
            yield field, f"{least} or more, not {getattr(job, field)}."
    if job.active_deadline_seconds is not None and job.active_deadline_seconds < 1:
        yield "active_deadline_seconds", f"1 or more, not {job.active_deadline_seconds}."
    if "containers" in job.pod:
        yield "pod", "containers are made from image, command and the rest. Leave it out."


def _wrong_names(job: KubernetesJob) -> Iterator[tuple[str, str]]:
    """Yield the names of other things in Kubernetes that none can have."""
    yield from _wrong_dns(job.namespace, _LABEL_NAME, 63, "namespace")
    if job.service_account_name is not None:
        yield from _wrong_dns(job.service_account_name, _SUBDOMAIN, 253, "service_account_name")
    secrets = [value.secret for value in job.env.values() if isinstance(value, SecretKey)]
    for field, names in (
        ("env", secrets),
        ("env_from_secrets", job.env_from_secrets),
        ("image_pull_secrets", job.image_pull_secrets),
    ):
        for name in names:
            yield from _wrong_dns(name, _SUBDOMAIN, 253, field)


def job_manifest(
    job: KubernetesJob, *, name: str, run_id: str, claimant: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the manifest, of ``batch/v1``, of a run's job."""
    marks = {**job.labels, **labels}
    container = {
        "name": "run",
        "image": job.image,
        "imagePullPolicy": job.image_pull_policy,
        "command": [*job.command, run_id, claimant],
        "workingDir": job.working_dir,
        "env": [_variable(variable, value) for variable, value in job.env.items()],
        "envFrom": [{"secretRef": {"name": secret}} for secret in job.env_from_secrets],
        "resources": _present(
            {field: {key: str(value) for key, value in getattr(job.resources, field).items()} for field in _AMOUNTS}
        ),
        "volumeMounts": [
            _present({"name": f"volume-{number}", "mountPath": mount.path, "readOnly": mount.read_only or None})
            for number, mount in enumerate(job.volumes)
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": job.service_account_name,
        "imagePullSecrets": [{"name": secret} for secret in job.image_pull_secrets],
        "nodeSelector": job.node_selector,
        "tolerations": list(job.tolerations),
        "terminationGracePeriodSeconds": job.grace_seconds,
        "volumes": [_volume(f"volume-{number}", mount) for number, mount in enumerate(job.volumes)],
        "containers": [_present(container)],
        **job.pod,
    }
    spec = {
        "backoffLimit": job.backoff_limit,
        "ttlSecondsAfterFinished": job.finished_job_ttl,
        "activeDeadlineSeconds": job.active_deadline_seconds,
        "template": {"metadata": _present({"labels": marks, "annotations": job.annotations}), "spec": _present(pod)},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _present(
            {"name": name, "namespace": job.namespace, "labels": marks, "annotations": job.annotations}
        ),
        "spec": _present(spec),
    }


_AMOUNTS: Final = ("requests", "limits")


def job_name(run_name: str, run_id: str, epoch: int) -> str:
    """Return a name that Kubernetes and Docker take, of one attempt at a run.

    Examples
    --------
    >>> job_name("calm-fox", "0198f2a7c0de4e5f8a9b0c1d2e3f4a5b", 2)
    'orchestra-calm-fox-2e3f4a5b-2'
    """
    clean = re.sub(r"[^a-z0-9]+", "-", run_name.lower()).strip("-")[:30].strip("-") or "run"
    return f"orchestra-{clean}-{run_id[-8:].lower()}-{epoch}"[:_LONGEST_NAME]


def _variable(name: str, value: str | SecretKey) -> dict[str, Any]:
    if isinstance(value, SecretKey):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}}
    return {"name": name, "value": value}


def _volume(name: str, mount: Mount) -> dict[str, Any]:
    sources: dict[str, Any] = {
        "persistentVolumeClaim": {"claimName": mount.persistent_volume_claim},
        "configMap": {"name": mount.config_map},
        "secret": {"secretName": mount.secret},
        "hostPath": {"path": mount.host_path},
    }
    found = {key: value for key, value in sources.items() if next(iter(value.values())) is not None}
    return {"name": name, **(found or {"emptyDir": {}})}


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, {}, [], ())}


def _wrong_mount(mount: Mount, place: str) -> Iterator[tuple[str, str]]:
    given = [name for name in _SOURCES if getattr(mount, name)]
    if len(given) != 1:
        yield place, f"it is one of {', '.join(_SOURCES)}, and {len(given) or 'none'} of them is given."
    for field in ("path", "host_path"):
        path = getattr(mount, field)
        if path is not None and not path.startswith("/"):
            yield f"{place}.{field}", f"a path begins with /, not {path!r}."
    for field in ("persistent_volume_claim", "config_map", "secret"):
        name = getattr(mount, field)
        if name is not None:
            yield from _wrong_dns(name, _SUBDOMAIN, 253, f"{place}.{field}")


def _wrong_dns(name: str, form: re.Pattern[str], longest: int, field: str) -> Iterator[tuple[str, str]]:
    if len(name) > longest or not form.fullmatch(name):
        yield field, f"{name!r} is no name in Kubernetes: at most {longest} of a-z, 0-9 and -."


def _wrong_key(key: str, field: str) -> Iterator[tuple[str, str]]:
    prefix, slash, name = key.rpartition("/")
    if not _KEY_NAME.fullmatch(name) or (slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix))):
        yield field, f"{key!r} is no key: [PREFIX/]NAME with at most 63 letters, digits, - _ and . in NAME."
