"""``orchestra dead-letters``: what failed for good, and what is done about it, once each."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import actor, opened_store
from orchestra_nb.cli.run_tables import ago, one_line, print_table, printable
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.states import State
from orchestra_nb.operations import dead_letter_decisions as decisions

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_note = click.option("--note", default="", metavar="TEXT", help="Why, for the record.")


@click.group("dead-letters")
def dead_letters() -> None:
    """List what failed for good, show one, retry it, discard it.

    ID is a dead letter's id, or that of its run or task run.
    """


@dead_letters.command()
@click.option("--all", "is_all", is_flag=True, help="Also those that were decided about.")
@click.option("--run", metavar="RUN", help="Only those of this run.")
@click.option("--limit", type=click.IntRange(1, decisions.MAX_LETTERS), default=50, show_default=True)
@_as_json
def ls(is_all: bool, run: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    with opened_store() as store:
        found = decisions.list_dead_letters(store, state=None if is_all else LetterState.OPEN, run=run, limit=limit)
    if as_json:
        print_json({"dead_letters": [_document(letter) for letter in found]})
        return
    if not found:
        click.echo("No dead letters: nothing failed for good that nobody decided about.")
        return
    now = datetime.now(UTC)
    rows: list[list[str | State]] = [
        [
            letter.letter_id,
            "task" if letter.task_run_id else "run",
            letter.name,
            letter.flow_name,
            letter.ended_as,
            letter.state.value.lower(),
            ago(letter.created_at, now),
            one_line(letter.message),
        ]
        for letter in found
    ]
    print_table(("ID", "WHAT", "NAME", "FLOW", "ENDED AS", "LETTER", "CREATED", "MESSAGE"), rows)


@dead_letters.command()
@click.argument("id_", metavar="ID")
@_as_json
def show(id_: str, as_json: bool) -> None:
    """Show a dead letter."""
    with opened_store() as store:
        letter = decisions.show_dead_letter(store, id_)
    if as_json:
        print_json(_document(letter))
        return
    click.echo(f"{printable(letter.name)}  {letter.ended_as}  {letter.state.value.lower()}")
    click.echo(printable(letter.message))
    facts = (
        ("id", letter.letter_id),
        ("run", letter.run_id),
        ("flow", letter.flow_name),
        ("attempts", str(letter.attempts)),
        ("code", letter.code or ""),
        ("decided by", letter.closed_by or ""),
        ("note", letter.note),
    )
    for name, value in facts:
        if value:
            click.echo(f"  {name:<12}{one_line(value)}")
    if letter.error is not None and letter.error.traceback:
        click.echo(f"\n{printable(letter.error.traceback)}")


@dead_letters.command()
@click.argument("id_", metavar="ID")
@_note
@_as_json
def retry(id_: str, note: str, as_json: bool) -> int:
    """Run the run of a dead letter again, here, until it has ended."""
    from orchestra_nb.cli.run_retries import tell_end
    from orchestra_nb.operations.run_again import retry_dead_letter

    with opened_store() as store:
        ended = retry_dead_letter(store, id_, actor=actor(), now=datetime.now(UTC), note=note)
    return tell_end(ended, as_json)


@dead_letters.command()
@click.argument("id_", metavar="ID")
@_note
@_as_json
def discard(id_: str, note: str, as_json: bool) -> None:
    """Decide that nothing is done about a dead letter."""
    with opened_store() as store:
        letter = decisions.discard_dead_letter(store, id_, actor=actor(), now=datetime.now(UTC), note=note)
    if as_json:
        print_json(_document(letter))
    else:
        click.echo(f"Dead letter {letter.letter_id} is discarded.")


def _document(letter: DeadLetter) -> dict[str, object]:
    document: dict[str, object] = msgspec.to_builtins(letter)
    return {"id": letter.letter_id} | document
