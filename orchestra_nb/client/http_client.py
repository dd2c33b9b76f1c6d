"""The REST API over HTTP, a method for each call."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

import msgspec
import urllib3

from orchestra_nb import errors
from orchestra_nb.client.calls import ENDPOINT_MODULES, Calls
from orchestra_nb.errors import (
    InvalidInput,
    InvalidSetting,
    NotFound,
    OrchestraError,
    ScopeMissing,
    StoreUnavailable,
    TokenRefused,
)
from orchestra_nb.services.server_calls import base_address, connections_to, distrust_in, unreachable

if TYPE_CHECKING:
    from orchestra_nb.model.runs import RunKind
    from orchestra_nb.model.stream_views import Part
    from orchestra_nb.operations.run_changes import RunChanges
    from orchestra_nb.operations.run_views import RunSummary
    from orchestra_nb.operations.service_health import ServerHealth
    from orchestra_nb.rest.endpoint import Endpoint

#: Where the server is, and the token for it, where nothing else is said.
URL_VARIABLE: Final = "ORCHESTRA_API_URL"
TOKEN_VARIABLE: Final = "ORCHESTRA_API_TOKEN"

_CONNECT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 60.0
#: What changes something may import code of users before.
_LONG_ANSWER_SECONDS: Final = 330.0
#: What changes nothing, or is done once however often it is asked, is asked again where an answer gets lost.
_TRIES: Final = 3
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 2.0
#: So often a run is looked at that a service may run again, until it is taken to have ended.
_LOOKS_AFTER_END: Final = 10
_RUNS_A_PAGE: Final = 200
#: What a JupyterHub, and each server behind it, answers with.
_HUB_HEADER: Final = "X-JupyterHub-Version"

_log = logging.getLogger(__name__)


class Client(Calls):
    """A Jupyter server with the extension, or ``orchestra serve``. May be used from any thread, and in a ``with``.

    What only reads is asked again where the connection is lost or the server is away for a moment. So is what is sent
    with an ``Idempotency-Key``, as each call is that can: it is done once, however often it is asked.

    Parameters
    ----------
    url
        The server's base URL, as a browser has it before ``/lab`` or ``/orchestra``; default ``ORCHESTRA_API_URL``.
    token
        Of ``orchestra tokens create``, or the server's own; default ``ORCHESTRA_API_TOKEN``, where
        ``ORCHESTRA_API_URL`` names no other server.

    Raises
    ------
    InvalidSetting
        There is no URL, or it is none.

    Examples
    --------
    ::

        with Client("https://host:8888", token=token) as client:
            run = client.run_deployment("nightly", parameters={"region": "EU"})
            print(client.wait_for_run(run.run_id).state)
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        url = url or os.environ.get(URL_VARIABLE, "")
        if not url:
            raise InvalidSetting(f"Say where the server is: Client('https://host:8888'), or set {URL_VARIABLE}.")
        if token is None:
            named = os.environ.get(URL_VARIABLE, "")
            is_for_it = not named or url.rstrip("/") == named.rstrip("/")
            token = os.environ.get(TOKEN_VARIABLE, "") if is_for_it else ""
        self.url = base_address(url)
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._connections = connections_to(self.url)
        self._doubtful: OrchestraError | None = None
        self._is_of_hub = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        pools = self._connections.pools
        for key in pools.keys():  # noqa: SIM118  it is no mapping that could be iterated over
            with contextlib.suppress(KeyError):
                pools[key].close()  # which a pool that is only let go of does when it is collected
        self._connections.clear()

    def iterate_runs(self, **filters: Any) -> Iterator[RunSummary]:
        """Yield all runs that there are, the newest first, reading a page at a time.

        Parameters
        ----------
        filters
            As :meth:`list_runs` takes them.
        """
        before = None
        while True:
            page = self.list_runs(**{"limit": _RUNS_A_PAGE, **filters, "before": before})
            yield from page.runs
            before = page.next
            if before is None:
                return

    def wait_for_run(
        self,
        run: str,
        timeout_seconds: float | None = None,
        *,
        is_enough: Callable[[RunSummary], bool] = lambda found: False,
    ) -> RunSummary:
        """Return a run when it has ended, however it did, and no service is about to run it again.

        Parameters
        ----------
        is_enough
            Gets the run at each look; where it returns true, the run is returned as it is.

        Raises
        ------
        TimeoutError
            It goes on for longer.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        looks_left = _LOOKS_AFTER_END
        while True:
            answer = self.show_run(run)
            found = answer.run
            if is_enough(found):
                return found
            looks_left = looks_left - 1 if answer.may_go_on else _LOOKS_AFTER_END
            if found.state.is_terminal and (not answer.may_go_on or not looks_left):
                return found
            if until is not None and time.monotonic() + pause > until:
                raise TimeoutError(f"Run {run} is {found.state} after {timeout_seconds:g} s, and goes on.")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 1.5 * pause)

    def follow(
        self,
        *,
        runs: Sequence[str] = (),
        flow: str | None = None,
        deployment: str | None = None,
        kind: RunKind | None = None,
        owner: str | None = None,
        parts: Sequence[Part] = (),
        since: int | None = None,
    ) -> Iterator[RunChanges]:
        """Yield what changes, as it changes, for as long as it is wanted; at most ten times a second.

        A lost connection is made again, and what was missed meanwhile comes first. Where ``reset`` is true of a change
        there was too much of it: read the runs anew. Changes are not lost while one is worked on, and none waits in
        memory: the next one has the newest records.

        Parameters
        ----------
        runs
            Only these, by id or name, and the runs that they started.
        flow, deployment, kind, owner
            Only runs of these; ``"me"`` for the owner who calls.
        parts
            Only these of ``runs``, ``tasks``, ``cells``, ``logs``, ``artifacts`` and ``inputs``; empty for all.
        since
            A ``sequence`` that was answered before, of :meth:`list_runs` or of a change: goes on there. None for what
            happens from now on.

        Raises
        ------
        RunNotFound, InvalidInput, TokenRefused, ScopeMissing
            The server refuses.
        StoreUnavailable
            The server cannot be reached the first time.
        """
        from orchestra_nb.client.stream_follower import StreamFollower

        asked = {"run": runs, "parts": parts}
        said = {"flow": flow, "deployment": deployment, "kind": None if kind is None else kind.value, "owner": owner}
        asked |= {name: [value] for name, value in said.items() if value is not None}
        return iter(StreamFollower(self.url, self._headers, asked, self._error_of, since))

    def health(self) -> ServerHealth:
        """Tell whether the store can be used, whether deployments run, and of which version the server is."""
        from orchestra_nb.operations.service_health import ServerHealth

        answer = self._ask("GET", f"{self.url}{_prefix()}/health", None)
        if answer.status != 200:
            raise self._error_of(answer.status, answer.data)
        health: ServerHealth = self._read(answer, ServerHealth)
        return health

    def version_hint(self, error: OrchestraError) -> str:
        """Return in words that the server is of another version, where an error of its last call may be due to that.

        Empty where it is not, or the server does not say.
        """
        from orchestra_nb.version import __version__

        if error is not self._doubtful:
            return ""
        address = f"{self.url}{_prefix()}/health"
        with contextlib.suppress(OrchestraError, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            answer = self._ask("GET", address, None)
            version = msgspec.json.decode(answer.data, type=dict[str, Any]).get("version", __version__)
            if version != __version__:
                return (
                    f"The server {self.url} has orchestra-nb {version}, and this is {__version__}: install the same "
                    "version on both."
                )
        return ""

    def _call(
        self, name: str, path: Mapping[str, object], query: Mapping[str, object], body: Mapping[str, object] | None
    ) -> Any:
        endpoint = _endpoint(name)
        data = _document(endpoint, body)
        address = f"{self.url}{_prefix()}{endpoint.url_path(dict(path))}{_query_text(endpoint, query)}"
        key = uuid.uuid4().hex if endpoint.keeps_answer else None
        answer = self._ask(endpoint.method, address, data, key)
        if not 200 <= answer.status < 300:
            raise self._error_of(answer.status, answer.data)
        return self._read(answer, endpoint.answer_type)

    def _read(self, answer: urllib3.BaseHTTPResponse, type_: Any) -> Any:
        try:
            return msgspec.json.decode(answer.data, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._may_be_of_version(
                OrchestraError(
                    f"The answer of {self.url} is not understood ({error}). Is its orchestra-nb of another version?"
                )
            ) from None

    def _ask(self, method: str, address: str, data: bytes | None, key: str | None = None) -> urllib3.BaseHTTPResponse:
        """Return the answer to a request.

        Parameters
        ----------
        key
            By which the server knows the request again; None where it may not be sent twice unless it changes nothing.
        """
        headers = {**self._headers, **({"Content-Type": "application/json"} if data is not None else {})}
        if key is not None:
            headers["Idempotency-Key"] = key
        seconds = _ANSWER_SECONDS if method == "GET" else _LONG_ANSWER_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        until = time.monotonic() + seconds
        tries_left = _TRIES if method == "GET" or key is not None else 1
        while True:
            tries_left -= 1
            asked_at = time.monotonic()
            try:
                answer = self._connections.request(
                    method,
                    address,
                    body=data,
                    headers=headers,
                    timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=seconds),
                    retries=False,
                    redirect=False,
                )
                if key is not None and _is_being_answered(answer) and time.monotonic() < until:
                    tries_left += 1  # it is asked for what is done already
                elif not tries_left or answer.status not in (502, 503, 504):
                    self._is_of_hub = _HUB_HEADER in answer.headers
                    return answer
            except urllib3.exceptions.ReadTimeoutError as error:
                if time.monotonic() - asked_at < seconds:  # it was waited for TLS
                    raise StoreUnavailable(unreachable(self.url, error)) from error
                raise StoreUnavailable(
                    f"The server {self.url} has not answered within {seconds:g} s. What was asked may have been done."
                ) from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if not tries_left or distrust_in(error) is not None:
                    raise StoreUnavailable(unreachable(self.url, error)) from error
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)

    def _error_of(self, status: int, data: bytes) -> OrchestraError:
        problem: dict[str, Any] = {}
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            problem = msgspec.json.decode(data, type=dict[str, Any])
        detail, code = str(problem.get("detail", "")), str(problem.get("code", ""))
        if not code and self._is_of_hub:
            return StoreUnavailable(
                f"No server runs at {self.url}: a JupyterHub answers there (with {status}). Start the server on the "
                "hub's page, or give the base URL of one that runs, as a browser has it before /lab."
            )
        if not code:
            return StoreUnavailable(
                f"What answers at {self.url} (with {status}) is no Orchestra. Give the base URL of a Jupyter "
                "server in which the extension orchestra_nb is enabled, as a browser has it before /lab."
            )
        otherwise = OrchestraError if status >= 500 else InvalidInput
        by_status: dict[int, type[OrchestraError]] = {401: TokenRefused, 403: ScopeMissing, 503: StoreUnavailable}
        kind = _kinds().get(code) or by_status.get(status, otherwise)
        if kind in (TokenRefused, ScopeMissing) and code not in _kinds():  # Jupyter's own words are few: "Forbidden"
            detail = f"The server {self.url} does not allow this: {detail.rstrip('.')}."
            if self._is_of_hub:
                detail += " It takes tokens that its JupyterHub makes, on the hub's page Token."
        places = {one["pointer"].removeprefix("#"): one["detail"] for one in problem.get("errors", ())}
        if issubclass(kind, InvalidInput):
            return self._may_be_of_version(kind(detail, places))
        if kind is NotFound or status == 405:  # no thing is not there, but the route, or this method of it
            return self._may_be_of_version(
                kind(
                    f"{self.url} has no such route: {detail} Give the base URL of the server, as a browser has it "
                    "before /lab; or its orchestra-nb is of another version than this one."
                )
            )
        error = kind(detail)
        if isinstance(error, NotFound):
            error.at = places
        return error

    def _may_be_of_version(self, error: OrchestraError) -> OrchestraError:
        """Remember an error that another version of the server can be the cause of, and return it."""
        self._doubtful = error
        return error


def _is_being_answered(answer: urllib3.BaseHTTPResponse) -> bool:
    """Tell whether an earlier try, whose answer got lost, is being answered still."""
    from orchestra_nb.operations.problems import code_of

    return answer.status == 409 and code_of(errors.CallInProgress).encode() in answer.data


def _document(endpoint: Endpoint[..., Any], body: Mapping[str, object] | None) -> bytes | None:
    """Return a body as JSON, without what was left out."""
    if body is None:
        return None
    if isinstance(endpoint.body_type, type) and issubclass(endpoint.body_type, msgspec.Struct):
        body = {
            field.encode_name: body[field.name]
            for field in msgspec.structs.fields(endpoint.body_type)
            if field.name in body and not (body[field.name] is None and _is_servers_own(field))
        }
    try:
        return msgspec.json.encode(body, enc_hook=_refuse)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{endpoint.name}: {error}") from None


def _is_servers_own(field: msgspec.structs.FieldInfo) -> bool:
    """Tell whether None stands for a default that is the server's."""
    return field.default_factory is not msgspec.NODEFAULT or isinstance(field.default, Enum)


def _refuse(value: object) -> object:
    raise TypeError(f"{value!r:.80} is no JSON. Give texts, numbers, lists and mappings of these.")


def _query_text(endpoint: Endpoint[..., Any], query: Mapping[str, object]) -> str:
    if endpoint.query_type is None:
        return ""
    defaults = {field.name: field.default for field in msgspec.structs.fields(endpoint.query_type)}
    given = [
        (name, word)
        for name, value in query.items()
        if value is not None and value != defaults[name]
        for word in _words(value)
    ]
    return f"?{urlencode(given)}" if given else ""


def _words(value: object) -> list[str]:
    """Return a value as a query has it: a list by giving its name several times."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [word for one in value for word in _words(one)]
    if isinstance(value, Enum):
        return [str(value.value)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, datetime):
        return [value.isoformat()]
    return [str(value)]


@functools.cache
def _endpoint(name: str) -> Endpoint[..., Any]:
    # late and alone: the records of all that can be asked are many, and most programs ask for little
    endpoint: Endpoint[..., Any] = getattr(importlib.import_module(ENDPOINT_MODULES[name]), name)
    return endpoint


def _prefix() -> str:
    from orchestra_nb.rest.endpoint import PREFIX

    return PREFIX


@functools.cache
def _kinds() -> Mapping[str, type[OrchestraError]]:
    """Return code of a problem to the class of error that it tells of."""
    from orchestra_nb.operations.problems import code_of

    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, OrchestraError)]
    return {code_of(kind): kind for kind in kinds}
