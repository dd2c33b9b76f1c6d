"""What all REST handlers share: who may call, how answers and errors look, how the store is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from tornado import web

from orchestra_nb.errors import CallInProgress, InvalidInput, OrchestraError
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.operations.problems import problem_of
from orchestra_nb.server.callers import AUTH_RESOURCE
from orchestra_nb.server.languages import reader_language
from orchestra_nb.server.sentences import in_language
from orchestra_nb.server.token_identity import TokenIdentity

if TYPE_CHECKING:
    from orchestra_nb.server.store_access import StoreAccess
    from orchestra_nb.store.run_store import RunStore

P = ParamSpec("P")
T = TypeVar("T")

#: No form has more fields; what is said of further places stays in English.
_MOST_PLACES = 50

#: What problems are called where answers say what they are.
PROBLEM_TYPE = "application/problem+json"


class OrchestraAPIHandler(TokenIdentity, APIHandler):
    """A REST handler: JSON out, errors as problem+json (RFC 9457), nothing for the unauthenticated.

    Handlers still put ``@web.authenticated`` and ``@authorized`` on each method; :meth:`prepare` is the net below, for
    methods that a handler does not have, and for servers that let unmarked methods through.
    """

    auth_resource = AUTH_RESOURCE
    #: Methods that anybody may call; each also has ``@allow_unauthenticated``, and checks by itself who calls.
    public_methods: ClassVar[frozenset[str]] = frozenset()
    #: An error, and what it is answered with.
    _prepared: tuple[BaseException | None, tuple[int, bytes]] = (None, (500, b""))

    def initialize(self, access: StoreAccess) -> None:
        """Take the way to the store from the route."""
        self._access = access

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself
        """Refuse whoever is not logged in, whatever the method."""
        await super().prepare()
        is_preflight = self.request.method == "OPTIONS" and bool(self.allow_origin or self.allow_origin_pat)
        is_public = self.request.method in self.public_methods
        if self.current_user is None and not is_preflight and not is_public:
            raise web.HTTPError(403)

    @allow_unauthenticated
    def options(self, *args: Any, **kwargs: Any) -> None:
        """Answer a preflight request; without a credential only where the server allows other origins."""
        super().options()

    async def call(self, function: Callable[Concatenate[RunStore, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function of ``operations`` gives for the open store; it runs in a thread."""
        return await self._access.call(function, *args, **kwargs)

    async def call_long(
        self, function: Callable[Concatenate[RunStore, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as :meth:`call` for what may take its time."""
        return await self._access.call_long(function, *args, **kwargs)

    def answer(self, body: object, status: int = 200) -> None:
        """Finish with a record, or with containers of records, as JSON; 304 where the caller has it already."""
        self.answer_json(encode_json(body), status)

    def answer_json(self, body: bytes, status: int = 200) -> None:
        """Finish with JSON, as :meth:`answer`."""
        self.set_status(status)
        # whoever keeps it asks by its ETag whether it is still so
        self.set_header("Cache-Control", "private, no-cache" if self.request.method == "GET" else "no-store")
        self.finish(body)

    def integer(self, name: str, default: int) -> int:
        """Return an integer of the query.

        Raises
        ------
        InvalidInput
            It is none.
        """
        text = self.get_query_argument(name, None)
        if text is None:
            return default
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20):
            raise InvalidInput(f"{name}={text[:40]!r} is no whole number.")
        return int(text)

    @property
    def reading_language(self) -> str | None:
        """In which language the caller reads; None for one that does not say so, as programs and commands do not."""
        return reader_language(self.request.headers)

    def words(self, name: str) -> list[str]:
        """Return the words of a list with commas in the query."""
        return [word for word in self.get_query_argument(name, "").split(",") if word]

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log errors that are answers as one line, others with their trace."""
        if isinstance(value, OrchestraError):
            self.log.debug("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)

    async def prepare_problem(self, error: Exception) -> None:
        """Have what an error is answered with put into the caller's language in a thread, before it is answered."""
        if isinstance(error, OrchestraError) and self.reading_language is not None:
            self._prepared = error, await asyncio.to_thread(problem_answer, 500, error, self.reading_language)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a problem; what is not ours to tell stays in the server's log."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        known, answer = self._prepared
        if error is None or error is not known:
            answer = problem_answer(status_code, error, self.reading_language)
        status, body = answer
        self.set_status(status)
        if isinstance(error, CallInProgress):
            self.set_header("Retry-After", "1")
        self.finish(body, set_content_type=PROBLEM_TYPE)


class UnknownRouteHandler(OrchestraAPIHandler):
    """Answers what no other route does."""

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself
        """Say that there is nothing, to those who are logged in."""
        await super().prepare()
        raise web.HTTPError(404, "There is no such route.")


def problem_answer(status_code: int, error: BaseException | None, language: str | None = None) -> tuple[int, bytes]:
    """Return the status and the body that an error is answered with (RFC 9457).

    Parameters
    ----------
    language
        Of whoever reads what is wrong; None where that is not known.
    """
    if isinstance(error, OrchestraError):
        problem = problem_of(error)
        status, code, title, detail = problem.status, problem.code, problem.title, problem.detail
        places = problem.errors
    else:
        status, title, places = status_code, _phrase(status_code), ()
        code = code_of_status(status_code)
        told = error.log_message if isinstance(error, web.HTTPError) and status < 500 else None
        detail = told or ("The server's log says more." if status >= 500 else title)
    body: dict[str, object] = {
        "type": f"urn:orchestra-nb:{code}",
        "title": title,
        "status": status,
        "detail": in_language(detail, language),
        "code": code,
    }
    if places:
        first = [replace(place, detail=in_language(place.detail, language)) for place in places[:_MOST_PLACES]]
        body["errors"] = [*first, *places[_MOST_PLACES:]]
    return status, encode_json(body)


def code_of_status(status: int) -> str:
    """Return the code of the problem that a status says by itself: ``"not_found"``."""
    return _phrase(status).lower().replace(" ", "_")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
