"""Errors as callers see them: one table for the server and the command line."""

from __future__ import annotations

import pytest

from orchestra_nb import errors
from orchestra_nb.operations.problems import problem_of


@pytest.mark.parametrize(
    ("error", "code", "status", "exit_code"),
    [
        (errors.InvalidInput("x"), "invalid_input", 422, 2),
        (errors.InvalidSetting("x"), "invalid_setting", 422, 2),
        (errors.InvalidParameters("x"), "invalid_parameters", 422, 2),
        (errors.InvalidNotebook("x"), "invalid_notebook", 422, 2),
        (errors.RunNotFound("x"), "run_not_found", 404, 3),
        (errors.NotebookNotFound("x"), "notebook_not_found", 404, 3),
        (errors.Conflict("x"), "conflict", 409, 1),
        (errors.InvalidTransition("x"), "invalid_transition", 409, 1),
        (errors.ClusterUnavailable("x"), "cluster_unavailable", 503, 1),
        (errors.StoreUnavailable("x"), "store_unavailable", 503, 1),
        (errors.StoreReadOnly("x"), "store_read_only", 503, 1),
        (errors.StoreTooNew("x"), "store_too_new", 503, 1),
        (errors.TaskFailed("x"), "task_failed", 500, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_has_a_code_a_status_and_an_exit_code(
    error: errors.OrchestraError, code: str, status: int, exit_code: int
) -> None:
    problem = problem_of(error)

    assert (problem.code, problem.status, problem.exit_code, problem.detail) == (code, status, exit_code, "x")


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OrchestraError)],
)
def test_each_error_is_told(kind: type[errors.OrchestraError]) -> None:
    assert problem_of(kind("It went wrong.")).detail.startswith("It went wrong.")
