"""What may be said of a pool of each kind, as JSON Schemas: for forms."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from orchestra_nb.model.docker_jobs import DockerJob
from orchestra_nb.model.kubernetes_jobs import KubernetesJob
from orchestra_nb.model.work_pools import POOL_KINDS, PoolKind
from orchestra_nb.operations.pool_form import FIELDS_OF_KIND, PoolForm

_JOBS: Final[dict[PoolKind, type[msgspec.Struct]]] = {"docker": DockerJob, "kubernetes": KubernetesJob}
_FIRST: Final = ("name", "kind", "description", "concurrency", "paused")
#: Field to the least that it may be.
_LEAST: Final = {"concurrency": 1, "minimum": 0, "maximum": 1}
#: Of a pool the image may be left to its deployments.
_IMAGE: Final = "Empty where each deployment names its own. Else one that has orchestra-nb: NAME:TAG."


def pool_schema(kind: PoolKind) -> dict[str, Any]:
    """Return what the form of a pool of a kind may have: its fields, with titles, what they are for, and defaults.

    Examples
    --------
    >>> list(pool_schema("local")["properties"])
    ['name', 'kind', 'description', 'concurrency', 'paused']
    >>> pool_schema("docker")["properties"]["job"]["properties"]["image_pull_policy"]["default"]
    'missing'
    """
    whole = msgspec.json.schema(PoolForm)["$defs"]["PoolForm"]
    of_others = {name for names in FIELDS_OF_KIND.values() for name in names} - set(FIELDS_OF_KIND[kind])
    names = dict.fromkeys((*_FIRST, *whole["properties"]))
    properties = {name: whole["properties"][name] for name in names if name not in of_others}
    for name in _LEAST.keys() & properties.keys():
        properties[name]["anyOf"][0]["minimum"] = _LEAST[name]
    properties["kind"] = {**properties["kind"], "default": kind, "const": kind}
    required = ["name", *(name for name in ("cluster",) if name in properties)]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if kind not in _JOBS:
        return schema
    job_type = _JOBS[kind]
    definitions = msgspec.json.schema(job_type)["$defs"]
    job = definitions.pop(job_type.__name__)
    job["properties"]["image"] |= {"description": _IMAGE, "default": ""}
    properties["job"] = {**job, **properties["job"], "required": []}
    return {**schema, "$defs": definitions}


def schema_words() -> list[str]:
    """Return what people read of the schemas: titles and what fields are for, each once."""
    found: dict[str, None] = {}
    for kind in POOL_KINDS:
        properties: dict[str, Any] = pool_schema(kind)["properties"]
        for one in [*properties.values(), *properties.get("job", {}).get("properties", {}).values()]:
            found |= dict.fromkeys(one[name] for name in ("title", "description") if name in one)
    return list(found)
