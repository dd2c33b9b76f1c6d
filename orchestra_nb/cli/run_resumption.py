"""``orchestra runs resume``: answer what a paused run waits for."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_input import json_or_text
from orchestra_nb.cli.run_retries import is_here_option, tell_rerun


@click.command()
@click.argument("run")
@click.option("--input", "input_json", metavar="JSON", help="The answer. Text that is no JSON is taken as text.")
@click.option("--key", metavar="KEY", help="Which question, when the run waits for several.")
@is_here_option
@as_json_option
def resume(run: str, input_json: str | None, key: str | None, is_here: bool, as_json: bool) -> int:
    """Let a paused run go on, with an answer where it asks for one.

    A suspended run is run again from its beginning: one of a deployment waits in its pool for the services or workers
    that serve it, any other runs here, until it has ended.
    """
    from orchestra_nb.operations.shell_reruns import resume_from_shell

    value = None if input_json is None else json_or_text(input_json)
    with opened_backend() as backend:
        resumed = backend.call(
            resume_from_shell, run, value, is_here=is_here, actor=caller(), now=datetime.now(UTC), key=key
        )
        if resumed.place != "its process":
            return tell_rerun(backend, resumed, False, as_json)
    if as_json:
        print_json({"resumed": resumed.run.run_id})
    else:
        click.echo(f"Run {resumed.run.name} goes on.")
    return 0
