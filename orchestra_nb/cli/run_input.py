"""``orchestra runs input``: what a run asks people for, and the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_tables import ago, one_line, print_table
from orchestra_nb.model.example_values import example_of
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import Run
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.runs import is_suspended, waits_in_queue
from orchestra_nb.time_zones import time_text


@click.command("input")
@click.argument("run")
@click.argument("value", required=False)
@click.option("--key", metavar="KEY", help="Which question, when the run waits for several.")
@click.option("--go-on", is_flag=True, help="Answer a question that asks for no value.")
@as_json_option
def input_(run: str, value: str | None, key: str | None, go_on: bool, as_json: bool) -> None:
    """Show what a run asks for; with VALUE, answer it.

    VALUE is JSON; what is no JSON is text. --json shows the JSON Schema that it must fit. With its last answer a
    suspended run of a deployment waits in its pool to be run again.
    """
    from orchestra_nb.operations.run_questions import list_inputs
    from orchestra_nb.operations.run_resumption import answer_question
    from orchestra_nb.operations.runs import find_run

    if go_on and value is not None:
        raise click.UsageError("Pass a VALUE or --go-on, not both.")
    with opened_backend() as backend:
        if go_on or value is not None:
            answer = None if value is None else json_or_text(value)
            found = backend.call(answer_question, run, answer, actor=caller(), now=datetime.now(UTC), key=key)
            if as_json:
                print_json(question_document(found))
            else:
                click.echo(f"Run {one_line(run)} was told {one_line(found.key)}.")
                _tell_what_follows(backend.call(find_run, run), backend.call(list_inputs, run))
            return
        asked = backend.call(list_inputs, run)
    if as_json:
        print_json({"inputs": [question_document(question) for question in asked]})
    elif asked:
        print_table(
            ("KEY", "ANSWER", "ASKS"), [[question.key, _answer(question), _asks(question)] for question in asked]
        )
    else:
        click.echo(f"Run {one_line(run)} asks for nothing.")


def _tell_what_follows(run: Run, asked: Sequence[RunInput]) -> None:
    """Say what a run waits for that no process drives."""
    if is_suspended(run) and any(question.answered_at is None for question in asked):
        click.echo(f"It is suspended, and asks for more: `orchestra runs input {typed_run(run)}` shows what.")
    elif is_suspended(run) and run.deployment is None:
        resuming = f"orchestra runs resume {typed_run(run)}"
        click.echo(f"It is suspended: `{resuming}` runs it, on the machine where its code is.")
    elif waits_in_queue(run):
        click.echo(f"It waits in the pool {run.pool} to be run again: orchestra runs show {typed_run(run)}")


def json_or_text(word: str) -> object:
    """Return the value of JSON, and what is no JSON as text.

    Examples
    --------
    >>> json_or_text("[1, true]"), json_or_text("blue"), json_or_text('"1"')
    ([1, True], 'blue', '1')
    """
    try:
        value: object = json.loads(word)
    except ValueError:
        return word
    return value


def print_questions(asked: Sequence[RunInput], now: datetime) -> None:
    """Print what a run has asked people: who answered what, and when; nothing where it has asked nothing."""
    if not asked:
        return
    click.echo()
    rows = [
        [
            question.key,
            question.description or "-",
            _answer_text(question),
            question.answered_by or "-",
            "-"
            if question.answered_at is None
            else f"{time_text(question.answered_at)}, {ago(question.answered_at, now)}",
        ]
        for question in asked
    ]
    print_table(("QUESTION", "ASKS", "ANSWER", "BY", "ANSWERED"), rows)


def question_document(question: RunInput) -> dict[str, object]:
    """Return a question as ``--json`` prints it."""
    return {name: to_readable(getattr(question, name)) for name in RunInput.__struct_fields__}


def _answer(question: RunInput) -> str:
    return _answer_text(question) + ("" if question.answered_at is None else f", by {question.answered_by}")


def _answer_text(question: RunInput) -> str:
    if question.answered_at is None:
        return "waits"
    return "go on" if question.schema is None else json.dumps(question.value, ensure_ascii=False)


def _asks(question: RunInput) -> str:
    if question.schema is None:
        return question.description or "nothing but to go on: --go-on"
    return f"{question.description} (such as {json.dumps(example_of(question.schema))})".strip()
