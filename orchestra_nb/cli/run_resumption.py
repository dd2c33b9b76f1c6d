"""``orchestra runs resume``: answer what a paused run waits for."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller, opened_store
from orchestra_nb.cli.run_input import json_or_text
from orchestra_nb.cli.run_retries import tell_end


@click.command()
@click.argument("run")
@click.option("--input", "input_json", metavar="JSON", help="The answer. Text that is no JSON is taken as text.")
@click.option("--key", metavar="KEY", help="Which question, when the run waits for several.")
@as_json_option
def resume(run: str, input_json: str | None, key: str | None, as_json: bool) -> int:
    """Let a paused run go on, with an answer where it asks for one.

    A suspended run is run here, until it has ended.
    """
    from orchestra_nb.operations import run_resumption
    from orchestra_nb.operations.run_again import resume_suspended
    from orchestra_nb.operations.runs import find_run, is_suspended

    with opened_store() as store:
        value = None if input_json is None else json_or_text(input_json)
        found = find_run(store, run)
        suspended = is_suspended(found)
        if not (suspended and input_json is None and run_resumption.is_answered(store, found)):
            run_resumption.give_answer(store, found.run_id, value, actor=caller(), now=datetime.now(UTC), key=key)
        if suspended:
            return tell_end(store, resume_suspended(store, found.run_id, actor=caller()), as_json)
    if as_json:
        print_json({"resumed": found.run_id})
    else:
        click.echo(f"Run {found.name} goes on.")
    return 0
