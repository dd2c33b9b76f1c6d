"""The REST API over HTTP: finds the endpoint of a request, asks whether the caller may, calls it, answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from jupyter_core.utils import ensure_async
from tornado import web

from orchestra_nb.acting_user import acting_as
from orchestra_nb.errors import CallInProgress, InvalidSetting, StoreUnavailable
from orchestra_nb.model.access import Person
from orchestra_nb.model.api_tokens import Scope
from orchestra_nb.model.audit import Outcome
from orchestra_nb.reading_language import ENGLISH, read_in
from orchestra_nb.server.api_handler import code_of_status
from orchestra_nb.server.bounded_body import BoundedBodyHandler
from orchestra_nb.server.callers import ADMIN_RESOURCE, AUTH_RESOURCE
from orchestra_nb.server.sentences import has_words
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.model.audit import AuditEntry
    from orchestra_nb.rest.conditional_calls import Answer, Conditions
    from orchestra_nb.rest.endpoint import Endpoint, Role
    from orchestra_nb.store.run_store import RunStore

PREFIX: Final = "/orchestra/api/v1"

#: Role to what authorizers are asked, whether the user may do the action to the resource, and the scope of tokens.
_ASKED: Final = {
    "viewer": ("read", AUTH_RESOURCE, Scope.READ_RUNS),
    "runner": ("execute", AUTH_RESOURCE, Scope.WRITE_RUNS),
    "author": ("write", AUTH_RESOURCE, Scope.ADMIN),
    "admin": ("write", ADMIN_RESOURCE, Scope.ADMIN),
}
#: What the server's authorizer is asked at the least where somebody changes what is theirs.
_CHANGING_OWN: Final = ("execute", AUTH_RESOURCE)


class RestHandler(BoundedBodyHandler):
    """All endpoints of ``orchestra_nb.rest``, which is imported by the first request: the server's start stays fast.

    Whatever parts of the path a route has: the endpoints read it themselves.
    """

    _etag: str | None = None

    @web.authenticated
    async def get(self, *_parts: str) -> None:
        """Answer what is read."""
        await self._dispatch()

    @web.authenticated
    async def post(self, *_parts: str) -> None:
        """Make or do something."""
        await self._dispatch()

    @web.authenticated
    async def put(self, *_parts: str) -> None:
        """Set something."""
        await self._dispatch()

    @web.authenticated
    async def patch(self, *_parts: str) -> None:
        """Change a part of something."""
        await self._dispatch()

    @web.authenticated
    async def delete(self, *_parts: str) -> None:
        """Remove something."""
        await self._dispatch()

    async def _dispatch(self) -> None:
        # not the route's group: a quoted slash is part of a name
        path = self.request.path.partition(PREFIX)[2]
        if path == "/openapi.json":
            await self._check_role("viewer")
            from orchestra_nb.rest.openapi import openapi_json

            document = await asyncio.to_thread(openapi_json)
            self.finish(document, set_content_type="application/vnd.oai.openapi+json")
            return
        endpoint = await self._endpoint_at(path)
        entry = self._audit_entry(endpoint, path)
        try:
            await self._check_endpoint(endpoint)
            arguments, conditions = self._read_request(endpoint, path)
            facts = self._facts()
            fields = self.words("fields") if endpoint.method == "GET" else []
            call = self.call_long if endpoint.is_slow else self.call
            self.set_header("Vary", "Accept-Language")
            answer, self._etag = await call(
                _call_endpoint, endpoint, facts, arguments, conditions, fields, entry, self.reading_language
            )
        except Exception as error:
            await self.prepare_problem(error)
            if entry is not None and not isinstance(error, CallInProgress):  # that call is noted when it ends
                await self._note_failure(entry, error)
            raise
        if answer.is_repeated:
            self.set_header("Idempotency-Replayed", "true")
        self.answer_json(answer.body, status=answer.status)

    def _audit_entry(self, endpoint: Endpoint[..., Any], path: str) -> AuditEntry | None:
        from orchestra_nb.rest.audited_calls import entry_of

        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        body = bytes(self._body)
        origin = self.request.remote_ip or ""
        return entry_of(endpoint, path, query, body, actor=self.actor, origin=origin, at=datetime.now(UTC))

    async def _note_failure(self, entry: AuditEntry, error: Exception) -> None:
        """Have the trail say that this was not done; whatever comes of it, the caller hears of the first error."""
        from orchestra_nb.operations.audit_trail import failed, note_quietly

        if isinstance(error, web.HTTPError):
            outcome = Outcome.REFUSED if error.status_code in (401, 403) else Outcome.FAILED
            failure = msgspec.structs.replace(entry, outcome=outcome, code=code_of_status(error.status_code))
        else:
            failure = failed(entry, error)
        try:
            await self.call(note_quietly, failure)
        except Exception as another:
            self.log.warning("%s by %s is not in the audit trail: %s", entry.action, entry.actor, another)

    def _facts(self) -> dict[str, Any]:
        """Return what a call is told beside what the request says."""
        return {
            "settings": self._settings(),
            "actor": self.actor,
            "user": self.caller_name,
            "role": self.role,
            "role_by_name": self.access_rules.role_of(Person(self.caller_name)),
            "owners": self.owners,
            "is_owners_only": self.access_rules.is_owners_only,
            "server_url": f"{self.request.protocol}://{self.request.host}{self.base_url.rstrip('/')}",
            "notebook_at": self._notebook_at,
            "place_at": self._place_at,
        }

    def compute_etag(self) -> str | None:
        """Return the ETag of what was read, by which it may be read or changed again."""
        if self.request.method != "GET":
            return None
        from orchestra_nb.rest.conditional_calls import etag_of

        return self._etag or etag_of(b"".join(self._write_buffer))

    async def _endpoint_at(self, path: str) -> Endpoint[..., Any]:
        catalogue = await asyncio.to_thread(_catalogue)
        endpoints = catalogue.endpoints_at(path)
        if not endpoints:
            await self._check_role("viewer")
            raise web.HTTPError(404, "There is no such route.")
        endpoint: Endpoint[..., Any] | None = endpoints.get(self.request.method)
        if endpoint is None:
            await self._check_role("viewer")
            allowed = ", ".join(sorted({*endpoints, *self.public_methods}))
            self.set_header("Allow", allowed)
            raise web.HTTPError(405, f"{self.request.method} is not for this route, but {allowed}.")
        return endpoint

    async def _check_endpoint(self, endpoint: Endpoint[..., Any]) -> None:
        """Raise 403 where the caller may not; whom the server lets only look changes nothing of their own either."""
        # what somebody does to what is theirs is for themselves: a token could outlive itself by it
        role = endpoint.role_for(self.owners) if self.api_token is None else endpoint.role
        await self._check_role(role)
        is_asked_to_read = _ASKED[str(role)][0] == "read"
        if endpoint.method != "GET" and is_asked_to_read and not await self.is_allowed_by_server(*_CHANGING_OWN):
            raise web.HTTPError(403, f"The server's authorizer allows you to look only ({' on '.join(_CHANGING_OWN)}).")

    async def _check_role(self, role: Role | str) -> None:
        action, resource, scope = _ASKED[str(role)]
        self.read_scope = self.write_scope = scope  # for a caller with a token of ours
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, resource)):
            raise web.HTTPError(403, f"This needs the role {role} ({action} on {resource}).")

    def _read_request(self, endpoint: Endpoint[..., Any], path: str) -> tuple[dict[str, Any], Conditions]:
        from orchestra_nb.rest.conditional_calls import conditions_of
        from orchestra_nb.rest.request_reading import arguments_of

        query = {name: self.get_query_arguments(name) for name in self.request.query_arguments}
        headers = self.request.headers
        conditions = conditions_of(
            endpoint,
            path,
            query,
            self.body,
            caller=self._caller,
            key=headers.get("Idempotency-Key"),
            match=headers.get("If-Match"),
        )
        return arguments_of(endpoint, path, query, self.body), conditions

    @property
    def _caller(self) -> str:
        """Who calls, the same for each of its calls."""
        if self.api_token is not None:
            return f"token {self.api_token.token_id}"
        provider = self.identity_provider
        is_jupyters_own = type(provider).__module__.partition(".")[0] == "jupyter_server"
        if is_jupyters_own and (self.token_authenticated or not provider.auth_enabled):
            return "server"  # which makes a new name for each of its calls
        return f"user {self.caller_name}"

    def _notebook_at(self, path: str) -> Path:
        from orchestra_nb.server.contents_files import notebook_at

        return notebook_at(self.contents_manager, path)

    def _place_at(self, path: str) -> Path:
        from orchestra_nb.server.contents_files import place_at

        return place_at(self.contents_manager, path)

    def _settings(self) -> Any:
        try:
            return load_settings()
        except InvalidSetting as error:  # not the fault of whoever sent the request
            raise StoreUnavailable(str(error)) from error


def _catalogue() -> Any:
    from orchestra_nb.rest import catalogue

    return catalogue


def _call_endpoint(
    store: RunStore,
    endpoint: Endpoint[..., Any],
    facts: dict[str, Any],
    arguments: dict[str, Any],
    conditions: Conditions,
    fields: list[str],
    entry: AuditEntry | None,
    language: str | None,
) -> tuple[Answer, str | None]:
    """Return what is answered, in a language, and the ETag of what was read."""
    from orchestra_nb.rest.conditional_calls import answer_call, etag_of
    from orchestra_nb.rest.endpoint import Call
    from orchestra_nb.rest.ownership import own_things

    call = Call(store=store, now=datetime.now(UTC), **facts)
    arguments = own_things(endpoint, call, arguments)
    is_alone = call.owners is not None if call.is_owners_only else None
    with acting_as(call.user, is_alone=is_alone), read_in(language or ENGLISH):
        answer = answer_call(endpoint, call, arguments, conditions, fields=fields, entry=entry)
        etag = etag_of(answer.body) if endpoint.method == "GET" else None
    return (_told(answer, endpoint, fields, language) if has_words(language) else answer), etag


def _told(answer: Answer, endpoint: Endpoint[..., Any], fields: list[str], language: str | None) -> Answer:
    """Return an answer in a language: after all is done, for nobody has to wait for that who writes."""
    from orchestra_nb.rest.conditional_calls import body_of
    from orchestra_nb.server.told_fields import told_in

    value = answer.value
    if value is None:  # it was kept as JSON
        try:
            value = msgspec.json.decode(answer.body, type=endpoint.answer_type)
        except (msgspec.DecodeError, TypeError):
            return answer
        if body_of(value) != answer.body:
            return answer
    told = told_in(value, language)
    return answer if told is value else replace(answer, body=body_of(told, fields))


#: Registered after all other routes.
rest_routes = ((rf"{PREFIX}(?:/.*)?", RestHandler),)
