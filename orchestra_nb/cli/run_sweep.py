"""``orchestra run --sweep``: one notebook with many combinations of parameters, and a table of what they gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.late_progress import LateProgress
from orchestra_nb.cli.stop_signals import signals_stop
from orchestra_nb.cli.sweep_progress import open_sweep_progress
from orchestra_nb.cli.sweep_tables import echo_end, print_sweep, sweep_document
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import SweepRequest, TypedText, product_of
from orchestra_nb.notebooks.sweep_axes import read_axes, read_sweep_file
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.notebook_sweep import NotebookSweep
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.sweep_result import SweepResult
from orchestra_nb.settings import load_settings

_INTERRUPTED = 130


def sweep_of(
    request: NotebookRequest, words: Sequence[str], file: str | None, limit: int | None, stops_on_failure: bool
) -> SweepRequest:
    """Return the sweep that the options ask for.

    Raises
    ------
    InvalidInput
        An option or the file has another form, a parameter is given twice, OUTPUT is stdout, or an option is for one
        run.
    """
    _check_runs(request)
    if request.output_path == "-":
        raise InvalidInput("The executed notebooks of a sweep go into a folder. Name it as OUTPUT.")
    axes, listed = read_sweep_file(file) if file is not None else ({}, [])
    for name, values in read_axes(words).items():
        axes.pop(name, None)  # the command line wins over the file, as with -f and -p
        axes[name] = values
    texts = {name: TypedText(text) for name, text in request.parameter_texts.items()}
    combinations, swept = product_of(axes, listed, {**request.parameters, **texts})
    return SweepRequest(
        path=request.path,
        combinations=combinations,
        swept=swept,
        output_folder=request.output_path,
        cwd=request.cwd,
        kernel_name=request.kernel_name,
        cluster=request.cluster,
        is_strict=request.is_strict,
        limit=limit,
        stops_on_failure=stops_on_failure,
        timeout_seconds=request.timeout_seconds,
        start_timeout_seconds=request.start_timeout_seconds,
        cell_timeout_seconds=request.cell_timeout_seconds,
        report_mode=request.report_mode,
        is_cached=request.is_cached,
        is_refreshed=request.is_refreshed,
        visible_parameters=(*request.visible_parameters, *read_axes(words)),
    )


def _check_runs(request: NotebookRequest) -> None:
    """Refuse how the runs of a sweep cannot go: several run at once, each of its cells in order."""
    if request.is_parallel:
        raise InvalidInput(
            "--parallel is for one run: a sweep has several notebooks run at once instead. Leave it out, or leave out "
            "--sweep."
        )


def run_sweep(request: SweepRequest, as_json: bool) -> int:
    """Drive a sweep in this process; return the exit code."""
    settings = load_settings()
    home = StoreHome(settings, "shell")
    try:
        # of the request as it was checked
        shown = LateProgress(lambda: open_sweep_progress(sweep.request))
        sweep = NotebookSweep(request, home, on_event=shown.take, settings=settings)
        return follow_sweep(sweep, sweep.execute, shown.close, as_json)
    finally:
        home.close()


def follow_sweep(
    sweep: NotebookSweep, execute: Callable[[], SweepResult], close: Callable[[], None], as_json: bool
) -> int:
    """Execute a sweep so that signals stop it, print its table, and return the exit code."""
    with signals_stop(sweep.stop) as was_interrupted:
        try:
            result = execute()
        finally:
            close()
    tell_sweep(result, as_json)
    if result.run.state is State.COMPLETED:
        return 0
    return _INTERRUPTED if was_interrupted() and result.run.state is State.CANCELLED else 1


def tell_sweep(result: SweepResult, as_json: bool) -> None:
    """Print a sweep that has ended: the table, or one JSON object, on stdout."""
    if as_json:
        print_json(sweep_document(result))
    else:
        print_sweep(result)
    echo_end(result)
