"""What an endpoint of the REST API is: a function of typed records, with its method, its path and who may call it.

The server, the OpenAPI document, the Python client and the command line in its remote mode all read these records, so
none of them can say something else than the others.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, Literal, ParamSpec, TypeVar
from urllib.parse import quote

import msgspec

from orchestra_nb.model.access import Role as Role

if TYPE_CHECKING:
    from orchestra_nb.settings import Settings
    from orchestra_nb.store.run_store import RunStore

P = ParamSpec("P")
R = TypeVar("R")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

#: How many entries a list has at most.
Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description="At most so many.")]

#: The number of a row.
Number = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]

#: The number of a version.
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]

#: A point in time; one without a zone is refused.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

#: Under what the paths of endpoints stand, below the server's own base URL.
PREFIX: Final = "/orchestra/api/v1"

_IN_BRACES = re.compile(r"\{(\w+)\}")


def path_names(path: str) -> list[str]:
    """Return the names of the parameters of a path.

    Examples
    --------
    >>> path_names("/runs/{run}/tasks/{task}")
    ['run', 'task']
    """
    return _IN_BRACES.findall(path)


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint gets beside what the request says.

    Parameters
    ----------
    actor
        Who calls, for records of who did what.
    user
        The name of who calls, by which what they make is theirs.
    role
        The highest that who calls has.
    role_by_name
        That of who calls without their groups, which no token tells of: the highest of tokens that act for them. None
        for none.
    owners
        Whose things who calls sees and may change; None for those of all, and for what is nobody's.
    is_owners_only
        Whether those who are no admins see only what is theirs, or shared with them.
    server_url
        The server's base URL as the caller reached it, without a slash at its end.
    notebook_at
        Returns the file of a notebook by its path relative to the server's root folder; raises InvalidInput,
        NotebookNotFound or, where the server's files are in no folder, Conflict.
    place_at
        The same of a notebook that need not be there any more.
    """

    store: RunStore
    settings: Settings
    actor: str
    now: datetime
    notebook_at: Callable[[str], Path]
    place_at: Callable[[str], Path]
    server_url: str = ""
    user: str | None = None
    role: Role = Role.ADMIN
    role_by_name: Role | None = Role.ADMIN
    owners: frozenset[str] | None = None
    is_owners_only: bool = False


@dataclass(frozen=True)
class Endpoint(Generic[P, R]):
    """One endpoint.

    Parameters
    ----------
    path
        Below :data:`PREFIX`, with the names of its parameters in braces: ``"/runs/{run}"``.
    function
        Gets the call, the parameters of the path by name, and, where it has them, ``query`` and ``body``.
    status
        Of its answer.
    area
        What it is about, for lists of endpoints.
    keeps_answer
        Whether a caller may give a key by which its answer is kept and given again. Not where the answer is to be kept
        nowhere.
    is_one_transaction
        Whether what it does may be one transaction with its conditions and with what the audit trail says of it. Not
        where something is done outside of the store that takes its time (a message is sent, code of users is imported):
        everybody who writes would wait.
    is_slow
        Whether it may take its time: it waits for others, or reads files. It is not done where short reads are.
    own_role
        Which role suffices for those who see only what is theirs, and so do it to what is theirs; None for the same.
    """

    method: Method
    path: str
    role: Role
    function: Callable[P, R]
    status: int
    area: str
    keeps_answer: bool = False
    is_one_transaction: bool = True
    is_slow: bool = False
    own_role: Role | None = None

    def role_for(self, owners: frozenset[str] | None) -> Role:
        """Return which role somebody needs who sees what is of these users; None for those of all."""
        return self.role if owners is None or self.own_role is None else self.own_role

    @property
    def name(self) -> str:
        """What it is called: the name of its function, which no other endpoint has."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return inspect.getdoc(self.function).partition("\n")[0].rstrip(".")  # type: ignore[union-attr]  # all have one

    @property
    def description(self) -> str:
        """What else there is to say of it."""
        return inspect.getdoc(self.function).partition("\n")[2].strip()  # type: ignore[union-attr]

    @cached_property
    def path_parameters(self) -> dict[str, Any]:
        """The names and types of what stands in the path."""
        return {name: self._hints[name] for name in path_names(self.path)}

    @property
    def query_type(self) -> type | None:
        """The record that the query is read as; None where it takes none."""
        return self._hints.get("query")

    @property
    def body_type(self) -> Any:
        """What the body is read as; None where it takes none."""
        return self._hints.get("body")

    @property
    def answer_type(self) -> Any:
        """What it answers; the type of None for nothing."""
        return self._hints["return"]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Match the path, whose parts are still quoted."""
        return re.compile(_IN_BRACES.sub(r"(?P<\1>[^/]+)", self.path))

    def url_path(self, parameters: dict[str, object]) -> str:
        """Return the path with its parameters in their places.

        Examples
        --------
        >>> endpoint = Endpoint("GET", "/runs/{run}", Role.VIEWER, print, 200, "runs")
        >>> endpoint.url_path({"run": "a/b"})
        '/runs/a%2Fb'
        """
        return _IN_BRACES.sub(lambda match: quote(str(parameters[match[1]]), safe=""), self.path)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.function, include_extras=True)


class Area:
    """Collects the endpoints of one area.

    Examples
    --------
    >>> area = Area("runs")
    >>> @area.get("/runs/{run}")
    ... def show_run(call: Call, run: str) -> dict[str, str]:
    ...     "Show a run."
    >>> [endpoint.name for endpoint in area.endpoints]
    ['show_run']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.endpoints: list[Endpoint[Any, Any]] = []

    def get(
        self, path: str, role: Role = Role.VIEWER, *, is_slow: bool = False, own_role: Role | None = None
    ) -> Callable[[Callable[P, R]], Endpoint[P, R]]:
        """Make a function the endpoint that reads something."""
        return self._endpoint("GET", path, role, 200, is_slow=is_slow, own_role=own_role)

    def post(
        self,
        path: str,
        role: Role = Role.AUTHOR,
        status: int = 200,
        *,
        keeps_answer: bool = True,
        is_one_transaction: bool = True,
        own_role: Role | None = None,
    ) -> Callable[[Callable[P, R]], Endpoint[P, R]]:
        """Make a function the endpoint that makes or does something."""
        return self._endpoint(
            "POST",
            path,
            role,
            status,
            keeps_answer=keeps_answer,
            is_one_transaction=is_one_transaction,
            own_role=own_role,
        )

    def put(
        self, path: str, role: Role = Role.AUTHOR, *, is_one_transaction: bool = True, own_role: Role | None = None
    ) -> Callable[[Callable[P, R]], Endpoint[P, R]]:
        """Make a function the endpoint that sets something, however often it is called."""
        return self._endpoint("PUT", path, role, 200, is_one_transaction=is_one_transaction, own_role=own_role)

    def patch(
        self, path: str, role: Role = Role.AUTHOR, *, is_one_transaction: bool = True
    ) -> Callable[[Callable[P, R]], Endpoint[P, R]]:
        """Make a function the endpoint that changes a part of something."""
        return self._endpoint("PATCH", path, role, 200, is_one_transaction=is_one_transaction)

    def delete(
        self, path: str, role: Role = Role.AUTHOR, *, own_role: Role | None = None
    ) -> Callable[[Callable[P, R]], Endpoint[P, R]]:
        """Make a function the endpoint that removes something."""
        return self._endpoint("DELETE", path, role, 200, own_role=own_role)

    def _endpoint(
        self,
        method: Method,
        path: str,
        role: Role,
        status: int,
        *,
        keeps_answer: bool = False,
        is_one_transaction: bool = True,
        is_slow: bool = True,
        own_role: Role | None = None,
    ) -> Callable[[Callable[P, R]], Endpoint[P, R]]:
        def collect(function: Callable[P, R]) -> Endpoint[P, R]:
            endpoint = Endpoint(
                method, path, role, function, status, self.name, keeps_answer, is_one_transaction, is_slow, own_role
            )
            self.endpoints.append(endpoint)
            return endpoint

        return collect
