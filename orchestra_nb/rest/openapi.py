"""The OpenAPI 3.1 document of the API, made from the endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec

from orchestra_nb.rest.catalogue import ENDPOINTS, endpoints_at
from orchestra_nb.rest.conditional_calls import ETAGS, MATCHED_METHODS
from orchestra_nb.rest.endpoint import PREFIX, Endpoint, Role, path_names
from orchestra_nb.rest.other_routes import ROUTES, Route
from orchestra_nb.version import __version__

_REFERENCE = "#/components/schemas/{name}"

_ABOUT = """\
Runs, deployments and all else that Orchestra NB keeps, as JSON.

Whoever may use the Jupyter server may call it: with the server's token (`Authorization: token …`), with a token of
`orchestra tokens create` (`Authorization: Bearer orc_…`), or with the cookie of a browser that is logged in. Each
operation names the role that it needs; a role may do what those before it may: viewer, runner, author, admin.

Errors are problems as RFC 9457 has them; `code` is stable. Every list takes `fields`, names with commas, and answers
those alone.
"""

_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "What went wrong, to which value, and what to do.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "description": "What is wrong at which place of the body, where that can be told.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "description": "A JSON pointer, as a fragment: #/parameters/share.",
                        "type": "string",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_FIELDS: dict[str, Any] = {
    "name": "fields",
    "in": "query",
    "required": False,
    "description": "Only these fields: of each entry of the list, or of what has none.",
    "style": "form",
    "explode": False,
    "schema": {"type": "array", "items": {"type": "string"}},
}

_KNOWN_ETAG: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "An ETag that was answered before: 304 where the answer would be the same.",
    "schema": {"type": "string"},
}

_MATCHED_ETAG: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that GET of this path answers: 412 where it answers another one by now, or nothing.",
    "schema": {"type": "string", "pattern": ETAGS},
}

_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same call with the same key is done once within a day, and answered as the first time: 409 "
    "while it is being answered.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}

_ETAG_ANSWERED = {"ETag": {"description": "Changes with the answer.", "schema": {"type": "string"}}}
_REPLAYED = {
    "Idempotency-Replayed": {
        "description": "This was answered before to a call with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}

#: What every operation may answer.
_ERRORS = (400, 401, 403, 404, 409, 422, 503)


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document; the same object each time."""
    operations: list[Endpoint[..., Any] | Route] = [*ENDPOINTS, *ROUTES]
    types = [type_ for operation in operations for type_ in _types_of(operation)]
    schemas, components = msgspec.json.schema_components(
        types, schema_hook=_schema_of_anything, ref_template=_REFERENCE
    )
    following = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        schema_of = {type_: next(following) for type_ in _types_of(one)}
        if isinstance(one, Route):
            described = _route(one, schema_of)
        else:
            described = _operation(one, schema_of, components)
        paths.setdefault(one.path, {})[one.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orchestra NB", "version": __version__, "description": _ABOUT},
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())) | {"Problem": _PROBLEM},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `orchestra tokens create`, or of the Jupyter server.",
                },
                "cookie": {"type": "apiKey", "in": "cookie", "name": "_xsrf", "description": "A browser's session."},
                "worker_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `orchestra tokens create` with the scope `worker` or `worker:POOL`.",
                },
            },
        },
        "security": [{"token": []}, {"cookie": []}],
        "tags": [{"name": area} for area in dict.fromkeys(one.area for one in operations)],
    }


def openapi_json() -> bytes:
    """Return the document as JSON."""
    return json.dumps(openapi_document(), ensure_ascii=False).encode()


def _schema_of_anything(type_: type) -> dict[str, Any]:
    """Return the schema of what may be anything; called for types that have none by themselves."""
    if type_ is object:
        return {"description": "Anything that JSON has."}
    raise NotImplementedError


def _types_of(one: Endpoint[..., Any] | Route) -> list[Any]:
    if isinstance(one, Route):
        return [type_ for type_ in (one.body, one.answer) if type_ is not None and not isinstance(type_, Mapping)]
    return [type_ for type_ in (one.query_type, one.body_type, one.answer_type) if type_ is not None]


def _operation(
    endpoint: Endpoint[..., Any], schema_of: Mapping[Any, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    parameters = [_path_parameter(name, msgspec.json.schema(type_)) for name, type_ in endpoint.path_parameters.items()]
    if endpoint.query_type is not None:
        schema = schema_of[endpoint.query_type]
        record = components[schema["$ref"].rpartition("/")[2]]
        required = record.get("required", [])
        parameters += [_query_parameter(name, said, name in required) for name, said in record["properties"].items()]
    answer: dict[str, Any] = {
        "description": HTTPStatus(endpoint.status).phrase,
        "content": {"application/json": {"schema": schema_of[endpoint.answer_type]}},
    }
    responses: dict[str, Any] = {str(endpoint.status): answer}
    errors = set(_ERRORS)
    if endpoint.method == "GET":
        parameters += [_FIELDS, _KNOWN_ETAG]
        answer["headers"] = _ETAG_ANSWERED
        responses["304"] = {"description": HTTPStatus(304).phrase}
    else:
        errors.add(413)
    if endpoint.keeps_answer:
        parameters.append(_KEY)
        answer["headers"] = _REPLAYED
    if endpoint.method in MATCHED_METHODS and "GET" in endpoints_at(endpoint.path):
        parameters.append(_MATCHED_ETAG)
        errors.add(412)
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.area],
        "summary": endpoint.summary,
        "description": "\n\n".join(filter(None, (endpoint.description, _role_text(endpoint.role)))),
        "parameters": parameters,
        "responses": responses | {str(status): _problem_answer(status) for status in sorted(errors)},
        "x-role": endpoint.role.value,
    }
    if endpoint.body_type is not None:
        content = {"application/json": {"schema": schema_of[endpoint.body_type]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _route(route: Route, schema_of: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    def schema(one: Any) -> dict[str, Any]:
        return dict(one) if isinstance(one, Mapping) else schema_of[one]

    parameters = [_path_parameter(name, {"type": "string"}) for name in path_names(route.path)]
    for name, (said, is_required) in route.query.items():
        parameters.append({"name": name, "in": "query", "required": is_required, "schema": dict(said)})
    responses: dict[str, Any] = {str(status): _problem_answer(status) for status in route.problems}
    for status, words in route.answers.items():
        answer = responses.setdefault(str(status), {})
        answer["description"] = words
        if route.answer is not None:
            answer.setdefault("content", {})[route.answer_media] = {"schema": schema(route.answer)}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.area],
        "summary": route.summary,
        "parameters": parameters,
        "responses": dict(sorted(responses.items())),
    }
    if route.description:
        operation["description"] = route.description
    if route.security is not None:
        operation["security"] = [{name: []} for name in route.security]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {route.body_media: {"schema": schema(route.body)}}}
    return operation


def _path_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(name: str, schema: dict[str, Any], is_required: bool) -> dict[str, Any]:
    said = dict(schema)
    parameter: dict[str, Any] = {"name": name, "in": "query", "required": is_required}
    if "description" in said:
        parameter["description"] = said.pop("description")
    if said.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter | {"schema": said}


def _problem_answer(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
    }


def _role_text(role: Role) -> str:
    return f"Needs the role {role.value}."
