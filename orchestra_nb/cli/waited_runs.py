"""Staying with a run until it has ended: what it asks people for meanwhile, and what is to be done where it is left."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.run_tables import one_line
from orchestra_nb.model.example_values import example_of
from orchestra_nb.model.runs import Run
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.runs import is_suspended

if TYPE_CHECKING:
    from orchestra_nb.cli.backend import Backend


def stay_with(backend: Backend, run: Run) -> Run:
    """Return a run of a deployment when it has ended, or is suspended; say on stderr what it asks people for."""
    from orchestra_nb.operations.deployment_run import wait_for_run

    found = backend.call(wait_for_run, run.run_id, _tell_asking)
    if is_suspended(found):
        click.echo(_suspended_words(backend, found), err=True)
    return found


def _tell_asking(run: Run) -> None:
    click.echo(f"Run {run.name} {one_line(run.message)}", err=True)


def _suspended_words(backend: Backend, run: Run) -> str:
    """Say that nothing drives a run any more, and how it goes on."""
    from orchestra_nb.operations.run_questions import list_inputs

    resuming = f"orchestra runs resume {typed_run(run)}"
    asked = [question for question in backend.call(list_inputs, run.run_id) if question.answered_at is None]
    if not asked:
        return f"Run {run.name} is suspended: no process drives it. `{resuming}` has it go on."
    question = asked[0]
    if question.schema is not None:
        resuming += f" --input {shlex.quote(json.dumps(example_of(question.schema)))}"
    if len(asked) > 1:
        resuming += f" --key {shlex.quote(question.key)}"
    asks = f" for {one_line(question.description or question.key)}"
    return f"Run {run.name} is suspended: no process drives it until somebody answers{asks}. `{resuming}` does."
