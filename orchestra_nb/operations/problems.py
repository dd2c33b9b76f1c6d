"""The one mapping from errors to what callers see: a stable code, an HTTP status and the exit code of a command."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestra_nb.errors import (
    ClusterUnavailable,
    Conflict,
    InvalidInput,
    NameTaken,
    NotFound,
    NotYours,
    OrchestraError,
    PreconditionFailed,
    ScopeMissing,
    StoreUnavailable,
    TokenRefused,
    WebhookRefused,
)


@dataclass(frozen=True, slots=True)
class ErrorAt:
    """What is wrong at one place.

    Parameters
    ----------
    pointer
        A JSON pointer into the request's body, or to a parameter of its query where it has no body, as a fragment of a
        URL (``"#/parameters/share"``).
    detail
        In few words, for a form that shows it there.
    """

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as its callers see it.

    Parameters
    ----------
    code
        The error's class in lower case with underscores (``"run_not_found"``): stable, for scripts.
    title
        The class in words (``"Run not found"``).
    detail
        What happened, to which value, and what to do.
    status
        The HTTP status.
    exit_code
        The exit code of a command that ends with it.
    errors
        What is wrong at which place of the request, where that can be told.
    """

    code: str
    title: str
    detail: str
    status: int
    exit_code: int
    errors: tuple[ErrorAt, ...] = ()


#: Class of error to (HTTP status, exit code); the first that fits holds.
_KINDS: tuple[tuple[type[OrchestraError], int, int], ...] = (
    (InvalidInput, 422, 2),
    (NotFound, 404, 3),
    (PreconditionFailed, 412, 1),
    (Conflict, 409, 1),
    (WebhookRefused, 401, 1),
    (TokenRefused, 401, 1),
    (ScopeMissing, 403, 1),
    (NotYours, 403, 1),
    (ClusterUnavailable, 503, 1),
    (StoreUnavailable, 503, 1),
    (OrchestraError, 500, 1),
)


def problem_of(error: OrchestraError) -> Problem:
    """Return an error as its callers see it.

    Examples
    --------
    >>> from orchestra_nb.errors import RunNotFound
    >>> problem_of(RunNotFound("No run 'x'.")).code
    'run_not_found'
    """
    words = _words_of(type(error))
    status, exit_code = next((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    places = error.at if isinstance(error, InvalidInput | NotFound | NameTaken) else {}
    return Problem(
        code=words.replace(" ", "_"),
        title=words.capitalize(),
        detail=str(error),
        status=status,
        exit_code=exit_code,
        errors=tuple(ErrorAt(f"#{pointer}", detail) for pointer, detail in places.items()),
    )


def code_of(kind: type[OrchestraError]) -> str:
    """Return the code of the problems that errors of a class are.

    Examples
    --------
    >>> code_of(NotFound)
    'not_found'
    """
    return _words_of(kind).replace(" ", "_")


def _words_of(kind: type[OrchestraError]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()
