"""``orchestra run``: run a notebook with parameters, and see each cell and task as it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from orchestra_nb.cli.execution_options import (
    ExecutionOptions,
    execution_options,
    notebook_path,
    print_notebook,
    write_prepared,
)
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.late_progress import LateProgress
from orchestra_nb.cli.parameter_hints import ParametersCommand, check_pairs
from orchestra_nb.cli.parameter_options import parameter_flags
from orchestra_nb.cli.secret_parameters import read_secret_parameters
from orchestra_nb.cli.server_choice import chosen_server
from orchestra_nb.cli.stop_signals import signals_stop
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.runs import ErrorInfo, Run, error_of
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.notebooks.parameter_flags import collect_parameters
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_notebook import NotebookDriver, RunResult, new_run_id
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.cli.remote.notebook_run import ServersNotebook
    from orchestra_nb.cli.server_choice import Server

_INTERRUPTED = 130


@click.command(cls=ParametersCommand)
@click.argument("notebook", type=click.Path(path_type=str))
@click.argument("output", required=False, type=click.Path(path_type=str))
@parameter_flags(
    typed_help="A parameter, read as the type that the notebook declares, or that its default has.",
    secret_help="A parameter whose value is a stored secret; - asks for it, or reads it from a pipe.",
)
@click.option("--cwd", metavar="FOLDER", help="The kernel's working folder. Default: the notebook's own.")
@click.option("-k", "--kernel", "kernel_name", metavar="NAME", help="The kernel. Default: the one the notebook names.")
@click.option(
    "--cluster",
    metavar="CLUSTER",
    help="Where %%task cells run, and the notebooks of a sweep: local, an address, or {class: …} as YAML.",
)
@click.option(
    "--cache",
    "is_cached",
    is_flag=True,
    help="Replay cells whose code and inputs are as in an earlier run, and keep what the others give.",
)
@click.option("--refresh", "is_refreshed", is_flag=True, help="With --cache: run all cells, and keep them anew.")
@click.option(
    "--parallel", "is_parallel", is_flag=True, help="Run cells ahead of their turn on the cluster, where that pays."
)
@click.option(
    "--wait/--no-wait",
    "is_waiting",
    default=True,
    help="Stay until the run has ended, or print its id once it is recorded and leave it to itself.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--no-strict", is_flag=True, help="Accept parameters that the notebook does not declare.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="NAME=VALUES",
    help="Run once for each of these values: V,V,… or START:STOP:STEP; several are multiplied.",
)
@click.option("--sweep-file", metavar="FILE", help="A grid or a list of combinations, as YAML or JSON.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="So many runs of a sweep at once. Default: one a core, or a slot of the cluster.",
)
@click.option(
    "--on-failure",
    type=click.Choice(["continue", "stop"]),
    default=None,
    help="What a failed run of a sweep does to the others. Default: continue.",
)
@execution_options
def run(
    notebook: str,
    output: str | None,
    typed: tuple[tuple[str, str], ...],
    raw: tuple[tuple[str, str], ...],
    files: tuple[str, ...],
    yaml_texts: tuple[str, ...],
    secrets: tuple[tuple[str, str], ...],
    cwd: str | None,
    kernel_name: str | None,
    cluster: str | None,
    is_cached: bool,
    is_refreshed: bool,
    is_parallel: bool,
    is_waiting: bool,
    as_json: bool,
    no_strict: bool,
    sweeps: tuple[str, ...],
    sweep_file: str | None,
    limit: int | None,
    on_failure: str | None,
    execution: ExecutionOptions,
) -> int:
    """Run NOTEBOOK from top to bottom, and write the executed notebook to OUTPUT.

    Without OUTPUT it goes beside NOTEBOOK, under the run's own name. The flags of papermill mean what they mean there,
    but the kernel's working folder is the notebook's own. NOTEBOOK itself is never changed.

    With --sweep or --sweep-file it runs once for each combination of parameters, several at once, and OUTPUT is a
    folder; a table tells what each of them returned.

    - as NOTEBOOK reads it from stdin, and as OUTPUT prints the executed one on stdout.

    Exit code: 0 completed, 1 ended otherwise, 2 refused (nothing ran), 3 not found, 130 interrupted by Ctrl-C.
    """
    run_id = new_run_id()
    yaml_texts = (*execution.yaml_texts(), *yaml_texts)
    check_pairs("-p", typed)
    check_pairs("-r", raw)
    given = collect_parameters(files=files, yaml_texts=yaml_texts, typed=typed, raw=raw)
    secret_values = read_secret_parameters(secrets)
    texts = {name: text for name, text in given.texts.items() if name not in secret_values}
    settings = load_settings()
    if (server := chosen_server(settings)) is not None:
        from orchestra_nb.cli.remote.notebook_run import ServersNotebook, check_options

        check_options()
        asked = ServersNotebook(
            path=notebook,
            parameters=given.values | secret_values,
            texts=texts,
            kernel_name=kernel_name,
            cluster=cluster,
            is_cached=is_cached,
            is_refreshed=is_refreshed,
            is_parallel=is_parallel,
            cell_timeout_seconds=execution.execution_timeout,
        )
        return _run_at_server(server, asked, is_waiting, as_json, execution)
    with notebook_path(notebook, run_id, is_run=not execution.is_prepare_only) as path:
        request = NotebookRequest(
            path=path,
            run_id=run_id,
            parameters=execution.paths(notebook, output) | given.values | secret_values,
            parameter_texts=texts,
            visible_parameters=tuple(given.visible - secret_values.keys()),
            output_path="-" if notebook == "-" and output is None else output,
            cwd="." if notebook == "-" and cwd is None else cwd,
            kernel_name=kernel_name,
            cluster=cluster,
            is_strict=not no_strict,
            is_cached=is_cached or is_refreshed,
            is_refreshed=is_refreshed,
            is_parallel=is_parallel,
        )
        request = execution.apply_to(request)
        if sweeps or sweep_file is not None:
            from orchestra_nb.cli.run_sweep import run_sweep, sweep_of

            if not is_waiting:
                raise InvalidInput(
                    "A sweep is driven by its command: leave out --no-wait, or put the command behind nohup."
                )
            execution.check_sweep()
            return run_sweep(sweep_of(request, sweeps, sweep_file, limit, on_failure == "stop"), as_json)
        for option, value in (("--limit", limit), ("--on-failure", on_failure)):
            if value is not None:
                raise InvalidInput(f"{option} is for sweeps: name what to sweep over with --sweep NAME=VALUE,VALUE.")
        if request.output_path == "-" and (as_json or not is_waiting):
            raise InvalidInput("The notebook can be printed on stdout without --json and --no-wait only.")
        if execution.is_shown and not is_waiting:
            raise InvalidInput("What the cells show can be told while the command waits: leave out --no-wait.")
        if execution.is_prepare_only:
            write_prepared(request)
            return 0
        if is_waiting:
            return _run_here(request, as_json, execution)
        _leave_to_itself(request, as_json)
        return 0


def _run_here(request: NotebookRequest, as_json: bool, execution: ExecutionOptions) -> int:
    """Drive the run in this process; return the exit code."""
    shown = LateProgress(is_shown=execution.shows_progress)
    driver = NotebookDriver(request, kind="shell", on_event=shown.take, on_shown=execution.show)
    with signals_stop(driver.stop) as was_interrupted:
        try:
            result = driver.execute()
        finally:
            shown.close()
    _print_end(result, as_json)
    if request.output_path == "-" and result.run.output_path:
        print_notebook(result.run.output_path)
    if result.run.state is State.COMPLETED:
        return 0
    return _INTERRUPTED if was_interrupted() and result.run.state is State.CANCELLED else 1


def _run_at_server(
    server: Server, asked: ServersNotebook, is_waiting: bool, as_json: bool, execution: ExecutionOptions
) -> int:
    """Have a server run a notebook of its folder; return the exit code."""
    from orchestra_nb.cli.backend import connected
    from orchestra_nb.cli.remote.notebook_run import follow_notebook, start_notebook

    with connected(server) as client:
        started = start_notebook(client, asked)
        if not is_waiting:
            _tell_left(started, as_json)
            return 0
        result, was_interrupted = follow_notebook(client, started, shows_progress=execution.shows_progress)
    _print_end(result, as_json)
    if result.run.state is State.COMPLETED:
        return 0
    return _INTERRUPTED if was_interrupted and result.run.state is State.CANCELLED else 1


def _leave_to_itself(request: NotebookRequest, as_json: bool) -> None:
    from orchestra_nb.operations.detached_run import start_detached

    _tell_left(start_detached(request).run, as_json)


def _tell_left(run: Run, as_json: bool) -> None:
    """Print which run goes on by itself."""
    if as_json:
        print_json(_document(RunResult(run, (), ())))
    else:
        click.echo(run.run_id)
    typed = typed_run(run)
    click.echo(f"{run.name} runs by itself now: orchestra runs show {typed}, orchestra runs logs -f {typed}", err=True)


def _print_end(result: RunResult, as_json: bool) -> None:
    from orchestra_nb.cli.run_progress import ending_lines

    for line in ending_lines(result.run, result.cells, result.tasks):
        click.echo(line, err=True)
    if result.records:
        from orchestra_nb.cli.run_results import returned_text

        click.echo(f"  returned {returned_text(result.records)}", err=True)
    if as_json:
        print_json(_document(result))


def _document(result: RunResult) -> dict[str, object]:
    """Return a result as ``--json`` prints it."""
    run: Run = result.run
    return {
        "run_id": run.run_id,
        "state": run.state,
        "message": run.message,
        "output": run.output_path,
        "parameters": to_readable(run.parameters),
        "values": {record.name: to_readable(record.readable) for record in result.records},
        "cells": [
            {
                "index": cell.index,
                "number": cell.index + 1 if cell.number is None else cell.number,
                "id": cell.cell_id,
                "state": cell.state,
                "is_cached": cell.is_cached,
                "attempts": cell.attempt,
                "message": cell.message,
                "started_at": cell.started_at,
                "ended_at": cell.ended_at,
                "error": _error_document(cell.error),
            }
            for cell in result.cells
        ],
        "tasks": [
            {
                "name": task.name,
                "state": task.state,
                "attempts": task.attempt,
                "started_at": task.started_at,
                "ended_at": task.ended_at,
                "worker": task.worker,
                "error": _error_document(error_of(task)),
            }
            for task in result.tasks
        ],
    }


def _error_document(error: ErrorInfo | None) -> dict[str, object] | None:
    return None if error is None else msgspec.structs.asdict(error)
