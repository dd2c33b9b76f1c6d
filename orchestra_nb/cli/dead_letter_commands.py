"""``orchestra dead-letters``: tasks and flows that failed for good, and what is decided about them."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_retries import is_here_option, is_waiting_option, tell_rerun, watching
from orchestra_nb.cli.run_tables import ago, name_and_id, one_line, print_table, printable, say_if_cut, state_text
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.operations import dead_letter_decisions
from orchestra_nb.operations.runs import names_of_runs, names_of_tasks
from orchestra_nb.time_zones import time_text

_letter_argument = click.argument("letter")


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, retry and discard tasks and flows that used up their attempts.

    LETTER is a letter's id, or the id of its task run or run.
    """


@dead_letters.command()
@click.option("--all", "is_all", is_flag=True, help="Also those that were decided about.")
@click.option("--run", metavar="RUN", help="Only those of this run: its id or name.")
@click.option(
    "--limit",
    type=click.IntRange(1, dead_letter_decisions.MAX_LETTERS),
    default=20,
    show_default=True,
    help="At most so many.",
)
@as_json_option
def ls(is_all: bool, run: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    with opened_backend() as backend:
        state = None if is_all else LetterState.OPEN
        most = min(limit + 1, dead_letter_decisions.MAX_LETTERS)
        found = backend.call(dead_letter_decisions.list_dead_letters, state=state, run=run, limit=most)
        names = backend.call(names_of_runs, [letter.run_id for letter in found])
    is_cut, found = len(found) > limit, found[:limit]
    if as_json:
        print_json({"dead_letters": [_document(letter) for letter in found]})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("LETTER", "NAME", "RUN", "ENDED AS", "SINCE", *(("DECIDED",) if is_all else ()), "MESSAGE"),
            [
                [
                    letter.letter_id,
                    letter.name,
                    names.get(letter.run_id, letter.run_id),
                    letter.ended_as,
                    ago(letter.created_at, now),
                    *((letter.state.value.lower(),) if is_all else ()),
                    letter.message,
                ]
                for letter in found
            ],
        )
        say_if_cut(is_cut, limit, dead_letter_decisions.MAX_LETTERS)
    else:
        click.echo("No dead letters." if is_all else "No open dead letters. --all lists those decided about, too.")


@dead_letters.command()
@_letter_argument
@as_json_option
def show(letter: str, as_json: bool) -> None:
    """Show a dead letter with its inputs and its error."""
    with opened_backend() as backend:
        found = backend.call(dead_letter_decisions.show_dead_letter, letter)
        names, tasks = backend.call(names_of_runs, [found.run_id]), backend.call(names_of_tasks, [found.task_run_id])
        inputs = backend.call(dead_letter_decisions.describe_inputs, found)
    if as_json:
        print_json({**_document(found), "inputs": inputs})
        return
    click.echo(
        f"{found.letter_id}  {printable(found.name)} of {printable(found.flow_name)}  {state_text(found.ended_as)}"
    )
    click.echo(printable(found.message))
    facts = (
        ("run", name_and_id(found.run_id, names)),
        ("task run", name_and_id(found.task_run_id, tasks)),
        ("attempts", str(found.attempts)),
        ("code", found.code),
        ("since", time_text(found.created_at)),
        ("decided", _decision(found)),
    )
    for name, value in facts:
        if value:
            click.echo(f"  {name:<12}{one_line(value)}")
    for name, value in inputs.items():
        click.echo(f"  {'input':<12}{one_line(name)}: {one_line(value)}")
    if found.error is not None and found.error.traceback:
        click.echo(f"\n{printable(found.error.traceback)}")


@dead_letters.command()
@_letter_argument
@click.option("--note", default="", metavar="TEXT", help="Why.")
@is_here_option
@is_waiting_option
@as_json_option
def retry(letter: str, note: str, is_here: bool, is_waiting: bool, as_json: bool) -> int:
    """Run what a dead letter tells of again; each is decided about once.

    A run is run again in the same run: one of a deployment waits in its pool for the services or workers that serve it,
    any other runs here, until it has ended. A task of a flow is run alone, here, in a run of its own.
    """
    from orchestra_nb.operations.shell_reruns import retry_letter_from_shell

    with opened_backend(is_lasting=is_waiting) as backend:
        with watching() as watcher:
            rerun = backend.call(
                retry_letter_from_shell,
                letter,
                is_here=is_here,
                actor=caller(),
                now=datetime.now(UTC),
                note=note,
                watcher=watcher,
            )
        return tell_rerun(backend, rerun, is_waiting, as_json)


@dead_letters.command()
@_letter_argument
@click.option("--note", default="", metavar="TEXT", help="Why.")
@as_json_option
def discard(letter: str, note: str, as_json: bool) -> None:
    """Decide that nothing is done about a dead letter; each is decided about once."""
    with opened_backend() as backend:
        found = backend.call(
            dead_letter_decisions.discard_dead_letter, letter, actor=caller(), now=datetime.now(UTC), note=note
        )
    if as_json:
        print_json(_document(found))
    else:
        click.echo(f"{found.letter_id} is discarded.")


def _decision(letter: DeadLetter) -> str | None:
    if letter.closed_at is None:
        return None
    note = f": {letter.note}" if letter.note else ""
    return f"{letter.state.value.lower()} by {letter.closed_by} at {time_text(letter.closed_at)}{note}"


def _document(letter: DeadLetter) -> dict[str, object]:
    return {"id": letter.letter_id, **msgspec.structs.asdict(letter)}
