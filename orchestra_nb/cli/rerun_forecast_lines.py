"""What a shell is told before a run is run again: what runs once more beside, and code that is not that of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from orchestra_nb.cli.run_tables import printable
from orchestra_nb.model.counted import counted

if TYPE_CHECKING:
    from orchestra_nb.operations.rerun_forecast import RepeatedTask, RerunForecast

#: So many tasks are named.
_MOST_NAMED: Final = 8

_WHY_CELLS: Final[Mapping[str, str]] = {
    "no_cache": "it ran without --cache, which keeps what they give",
    "secrets": "nothing is kept of a run with secret parameters",
}


def tell_forecast(forecast: RerunForecast) -> None:
    """Print it."""
    for line in forecast_lines(forecast):
        click.echo(printable(line), err=True)


def forecast_lines(forecast: RerunForecast) -> list[str]:
    """Return the lines to print; none where nothing is to be told."""
    lines = []
    if code := _code_words(forecast):
        lines.append(code)
    if forecast.tasks:
        total = sum(task.runs for task in forecast.tasks)
        one = total == 1
        lines.append(
            f"{counted(total, 'task run')} that completed {'runs' if one else 'run'} again, since "
            f"{'its result' if one else 'their results'} {'is' if one else 'are'} not kept: {_named(forecast.tasks)}. "
            "persist_result=True, of @task or @flow, or a cache_policy keeps results."
        )
    if forecast.cells_because is not None:
        verb = "runs" if forecast.cells == 1 else "run"
        lines.append(
            f"{counted(forecast.cells, 'cell')} that completed {verb} again: {_WHY_CELLS[forecast.cells_because]}."
        )
    return lines


def _code_words(forecast: RerunForecast) -> str:
    command, notebook = forecast.command, forecast.notebook_path
    match forecast.code:
        case "notebook":
            return f"{notebook} has changed since: it runs as it was when the run began. As it is now: `{command}`."
        case "deployed":
            return f"{notebook} was deployed anew since: it runs as it was then. As it is deployed now: `{command}`."
        case "undeployed":
            return (
                f"{notebook} has changed since it was deployed: it runs as it was deployed. Deploy it to have it run."
            )
        case "flow":
            now = f"`{command}`" if command else "call the flow again where it stands"
            return f"The flow runs as it was when the run began, whatever was changed since. As it is now: {now}."
        case "current":
            return ""


def _named(tasks: tuple[RepeatedTask, ...]) -> str:
    names = [task.name if task.runs == 1 else f"{task.name} ×{task.runs}" for task in tasks[:_MOST_NAMED]]
    more = len(tasks) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
