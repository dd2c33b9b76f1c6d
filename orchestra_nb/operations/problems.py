"""The one mapping from errors to what callers see: a stable code, an HTTP status and the exit code of a command."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestra_nb.errors import (
    ClusterUnavailable,
    Conflict,
    InvalidInput,
    NotFound,
    OrchestraError,
    StoreUnavailable,
    WebhookRefused,
)


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
    """

    code: str
    title: str
    detail: str
    status: int
    exit_code: int


#: Class of error to (HTTP status, exit code); the first that fits holds.
_KINDS: tuple[tuple[type[OrchestraError], int, int], ...] = (
    (InvalidInput, 422, 2),
    (NotFound, 404, 3),
    (Conflict, 409, 1),
    (WebhookRefused, 401, 1),
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
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    status, exit_code = next((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    return Problem(
        code=words.replace(" ", "_"),
        title=words.capitalize(),
        detail=str(error),
        status=status,
        exit_code=exit_code,
    )
