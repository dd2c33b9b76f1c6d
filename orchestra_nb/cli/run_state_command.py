"""``orchestra runs set-state``: say by hand what became of a run."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.model.states import SETTABLE_STATES


@click.command("set-state")
@click.argument("run")
@click.argument("state", type=click.Choice([state.value for state in SETTABLE_STATES], case_sensitive=False))
@click.option("--note", default="", metavar="TEXT", help="Why, for the run's history.")
@as_json_option
def set_state(run: str, state: str, note: str, as_json: bool) -> None:
    """Set the state of a run that has ended, is suspended, or whose process has gone.

    Nothing is run, also no retry of its deployment. Set to COMPLETED, what is open of its dead letters is closed;
    automations and notifications follow as from any other end.
    """
    from orchestra_nb.operations.run_state_setting import set_run_state

    with opened_backend() as backend:
        found = backend.call(set_run_state, run, state, actor=caller(), now=datetime.now(UTC), note=note)
    if as_json:
        print_json({"run_id": found.run_id, "name": found.name, "state": found.state, "message": found.message})
    else:
        click.echo(f"Run {found.name} is {found.state}: {found.message}.")
