"""``orchestra runs again``: start a new run of a flow, with the code and the parameters of an earlier one."""

from __future__ import annotations

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, opened_store
from orchestra_nb.cli.run_tables import printable, state_text
from orchestra_nb.model.states import State


@click.command()
@click.argument("run")
@as_json_option
def again(run: str, as_json: bool) -> int:
    """Start a new run of the flow that RUN ran, here, with the parameters that it had.

    RUN stays as it is, however it ended; `orchestra runs retry` runs one again in the same run. It is for runs of no
    deployment: a deployment is run by `orchestra deployments run`, a notebook by `orchestra run`.

    Exits with 1 when it does not end well.
    """
    from orchestra_nb.operations.new_runs import start_anew

    with opened_store(is_lasting=True) as store:
        new = start_anew(store, run)
    if as_json:
        print_json({"run_id": new.run_id, "name": new.name, "state": new.state})
    else:
        message = f"  {printable(new.message)}" if new.message else ""
        click.echo(f"{new.name}  {printable(new.flow_name)}  {state_text(new.state)}{message}", err=True)
    return 0 if new.state in (State.COMPLETED, State.PAUSED) else 1
