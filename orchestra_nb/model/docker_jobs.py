"""Runs as containers of Docker: what one is like, checked, and as arguments of ``docker run``.

https://docs.docker.com/reference/cli/docker/container/run/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.findings import Findings

#: What a container runs; the run and who has claimed it are appended.
DEFAULT_COMMAND: Final = ("python", "-m", "orchestra_nb.operations.deployed_job")

_IMAGE: Final = re.compile(
    r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEMORY: Final = re.compile(r"[1-9]\d*[bkmg]?", re.IGNORECASE)
#: Mappings whose values are texts.
_OF_TEXTS: Final = ("env", "labels", "annotations", "node_selector")
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


J = TypeVar("J", bound=msgspec.Struct)


class DockerJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A container of one run. What is said of a field here is what forms and the REST API say of it."""

    image: Annotated[str, Meta(description="An image that has orchestra-nb and what its runs import: NAME:TAG.")]
    command: Annotated[
        tuple[str, ...], Meta(description="What it runs; the run's id and that of its claim are appended.")
    ] = DEFAULT_COMMAND
    env: Annotated[
        dict[str, str | None], Meta(description="Variables that it gets; one that is null is that of the worker.")
    ] = {}
    volumes: Annotated[tuple[str, ...], Meta(description="What it sees of the machine: SOURCE:/TARGET[:ro].")] = ()
    networks: Annotated[tuple[str, ...], Meta(description="Networks of Docker that it is in.")] = ()
    labels: Annotated[dict[str, str], Meta(description="Labels of the container.")] = {}
    mem_limit: Annotated[str | None, Meta(description="The most memory that it gets: 512m, 2g.")] = None
    cpus: Annotated[float | None, Meta(description="The most processors that it gets: 1.5.")] = None
    gpus: Annotated[str | None, Meta(description="The graphics cards that it gets: all, device=0.")] = None
    shm_size: Annotated[str | None, Meta(description="The size of its /dev/shm: 64m.")] = None
    user: Annotated[str | None, Meta(description="As whom it runs: NAME or UID:GID.")] = None
    working_dir: Annotated[str | None, Meta(description="Its working folder, a path in the container.")] = None
    entrypoint: Annotated[str | None, Meta(description="In place of the entry point of the image.")] = None
    platform: Annotated[str | None, Meta(description="The platform of the image: linux/amd64.")] = None
    privileged: Annotated[bool, Meta(description="Whether it may do all that the machine may.")] = False
    image_pull_policy: Annotated[
        Literal["always", "missing", "never"], Meta(description="When the image is fetched from its registry.")
    ] = "missing"
    auto_remove: Annotated[bool, Meta(description="Whether it is removed at its end.")] = True
    stop_grace_seconds: Annotated[
        int, Meta(description="How many seconds it gets to end by itself when it is stopped.")
    ] = 10
    extra_arguments: Annotated[
        tuple[str, ...], Meta(description="Further words for docker run, before the image.")
    ] = ()


def read_docker_job(variables: Mapping[str, object], what: str) -> DockerJob:
    """Return the container that job variables describe.

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
    job = convert_job(variables, DockerJob, what, findings)
    findings.errors += (wrong_field(what, field, message) for field, message in _wrong_fields(job))
    findings.tell()
    return job


def _wrong_fields(job: DockerJob) -> Iterator[tuple[str, str]]:
    """Yield the name of each field that cannot be used, with what is wrong with it."""
    yield from wrong_common_fields(job.image, job.command, job.env)
    yield from _wrong_texts(job)
    for name in job.labels:
        if not _LABEL.fullmatch(name):
            yield "labels", f"{name!r} is no name of a label."
    for volume in job.volumes:
        parts = volume.split(":")
        if len(parts) not in (2, 3) or not all(parts) or not parts[1].startswith("/"):
            yield "volumes", f"{volume!r} is none. Write SOURCE:/TARGET or SOURCE:/TARGET:ro."
    for field in ("mem_limit", "shm_size"):
        size = getattr(job, field)
        if size is not None and not _MEMORY.fullmatch(size):
            yield field, f"{size!r} is no size. Write 512m or 2g."
    if job.cpus is not None and job.cpus <= 0:
        yield "cpus", f"a number above 0, not {job.cpus:g}."
    if job.stop_grace_seconds < 0:
        yield "stop_grace_seconds", f"0 or more, not {job.stop_grace_seconds}."
    if job.working_dir is not None and not job.working_dir.startswith("/"):
        yield "working_dir", f"a path in the container begins with /, not {job.working_dir!r}."


def _wrong_texts(job: DockerJob) -> Iterator[tuple[str, str]]:
    """Yield what no process can be given."""
    for field in job.__struct_fields__:
        value = getattr(job, field)
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        for text in texts:
            if isinstance(text, str) and "\0" in text:
                yield field, f"{text!r} cannot be given to a process."
    for field in ("command", "extra_arguments", "volumes", "networks"):
        if "" in getattr(job, field):
            yield field, "an empty text is no word of a command."


def docker_arguments(
    job: DockerJob, *, name: str, run_id: str, claimant: str, labels: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the words of ``docker run``.

    Values of variables are not among them, since everybody can read a command line: ``docker`` takes those from its
    own environment (:func:`docker_environment`).
    """
    options = {
        "--name": name,
        "--pull": job.image_pull_policy,
        "--memory": job.mem_limit,
        "--cpus": None if job.cpus is None else f"{job.cpus:g}",
        "--gpus": job.gpus,
        "--shm-size": job.shm_size,
        "--user": job.user,
        "--workdir": job.working_dir,
        "--entrypoint": job.entrypoint,
        "--platform": job.platform,
        "--stop-timeout": str(job.stop_grace_seconds),
    }
    words = ["docker", "run", "--init"]
    words += ["--rm"] if job.auto_remove else []
    words += ["--privileged"] if job.privileged else []
    words += [word for option, value in options.items() if value is not None for word in (option, value)]
    words += [word for key, value in {**job.labels, **labels}.items() for word in ("--label", f"{key}={value}")]
    words += [word for variable in job.env for word in ("--env", variable)]
    words += [word for volume in job.volumes for word in ("--volume", volume)]
    words += [word for network in job.networks for word in ("--network", network)]
    return (*words, *job.extra_arguments, job.image, *job.command, run_id, claimant)


def docker_environment(job: DockerJob) -> dict[str, str]:
    """Return what the environment of ``docker`` has beside that of the worker."""
    return {name: value for name, value in job.env.items() if value is not None}


def convert_job(variables: Mapping[str, object], kind: type[J], what: str, findings: Findings) -> J:
    """Return job variables as a record; what is wrong with them goes to the findings, by field, and is left out.

    Without an image that could be read it has another one.
    """
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    said: dict[str, Any] = {}
    for name, value in variables.items():
        if name not in fields:
            message = f"there is no job variable {name!r}. They are {', '.join(fields)}."
            findings.errors.append(InvalidInput(f"{what}: {message}", {f"/{name}": message}))
        elif name != "image" or value:
            text = _texts(value) if name in _OF_TEXTS else value
            try:
                said[name] = msgspec.convert(text, fields[name].type, strict=True)
            except msgspec.ValidationError as error:
                message, _, path = str(error).partition(" - at `$")
                findings.errors.append(wrong_field(what, name + path.rstrip("`"), f"{message}."))
    if not variables.get("image"):
        message = "it is missing. Name the image that has orchestra-nb: image=NAME:TAG."
        findings.errors.append(wrong_field(what, "image", message))
    return kind(**{"image": "any", **said})


def wrong_field(what: str, field: str, message: str) -> InvalidInput:
    """Return what is raised of a job variable, or a part of one: ``"resources.limits"``; its place is that variable."""
    return InvalidInput(f"{what}: {field}: {message}", {f"/{re.split(r'[.[]', field)[0]}": message})


def _texts(value: object) -> object:
    """Return a mapping with numbers as texts: nobody writes a variable's ``1`` in quotes."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one
        for name, one in value.items()
    }


def wrong_common_fields(
    image: str, command: tuple[str, ...], variables: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """Yield what names no image, an empty command, and what no shell takes for the name of a variable.

    What an image is called: https://docs.docker.com/reference/cli/docker/image/tag/.
    """
    if not _IMAGE.fullmatch(image):
        yield "image", f"{image!r} names none. Write NAME:TAG or REGISTRY/NAME:TAG, in lower case."
    if not command:
        yield "command", f"it is empty. Leave it out for {' '.join(DEFAULT_COMMAND)}."
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            yield "env", f"{name!r} is no name of a variable."
