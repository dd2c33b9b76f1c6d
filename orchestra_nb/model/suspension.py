"""Which runs may be asked from outside to suspend themselves, and what to do in place of it where one may not."""

from __future__ import annotations

from typing import Final

from orchestra_nb.errors import CodeNotFound, Conflict
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import NamedRun, typed_run

#: Why a run that is no flow's cannot be suspended, by its kind. ``{run}`` is its name, ``{typed}`` what one types.
_OTHER_KINDS: Final = {
    RunKind.NOTEBOOK: (
        "Run {run} is of a notebook, whose values are in the memory of its kernel: it cannot be suspended. Cancel it "
        "with `orchestra runs cancel {typed}`: `orchestra runs retry {typed}` goes on at the cell where it was stopped "
        "if it ran with --cache, and starts over otherwise."
    ),
    RunKind.SWEEP: (
        "Run {run} is a sweep: it cannot be suspended. Cancel it with `orchestra runs cancel {typed}`: `orchestra runs "
        "retry {typed}` does not repeat the combinations that have completed."
    ),
    RunKind.INTERACTIVE: (
        "Run {run} is of the task cells of a kernel, which are run by hand: it cannot be suspended. Stop a task of it "
        "with `orchestra runs cancel {typed} --task TASK`, and run its cell again later."
    ),
    RunKind.TASK: (
        "Run {run} is of tasks that no flow has called: it cannot be suspended. Cancel it with `orchestra runs cancel "
        "{typed}`, and run it again with `orchestra runs retry {typed}`."
    ),
}


def suspended_by(actor: str, run: NamedRun) -> str:
    """Return what is said of a run that somebody has suspended."""
    return f"{actor} has suspended it: orchestra runs resume {typed_run(run)}"


def check_suspension(run: Run, *, parent: NamedRun | None, is_remote: bool, missing_code: str | None) -> None:
    """Raise when a run cannot be asked to suspend itself.

    Parameters
    ----------
    parent
        The run that called it; None where none did.
    is_remote
        Whether a remote worker drives it.
    missing_code
        What of its code could not be kept, empty where nothing is missing; None where no code is recorded.

    Raises
    ------
    Conflict
        It has ended, is suspended already, has not begun, or is not the run of a flow that begins with itself.
    CodeNotFound
        It could not be run again later.
    """
    name, typed = run.name, typed_run(run)
    if run.state.is_terminal:
        raise Conflict(f"Run {name} has ended already ({run.state}): nothing to suspend.")
    if run.state is State.PAUSED and run.driver_id is None:
        raise Conflict(f"Run {name} is suspended already. Let it go on with `orchestra runs resume {typed}`.")
    if run.state is State.CANCELLING:
        raise Conflict(f"Run {name} is being cancelled: nothing to suspend.")
    if run.kind is not RunKind.FLOW:
        raise Conflict(_OTHER_KINDS[run.kind].format(run=name, typed=typed))
    if run.state is State.SCHEDULED:
        later = f"`orchestra deployments pause {run.deployment}` has its schedules rest, " if run.deployment else ""
        raise Conflict(
            f"Run {name} has not begun, so there is nothing to suspend: {later}`orchestra runs cancel {typed}` ends it."
        )
    if run.state is State.PENDING:
        raise Conflict(f"Run {name} is just being started. Ask again when it is RUNNING.")
    if parent is not None:
        raise Conflict(
            f"Run {name} was called by run {parent.name} and cannot be suspended without it. Ask that one: "
            f"`orchestra runs suspend {typed_run(parent)}`."
        )
    if is_remote:
        raise Conflict(
            f"Run {name} is driven by a remote worker, and what runs there cannot be resumed elsewhere. Cancel it with "
            f"`orchestra runs cancel {typed}`."
        )
    if missing_code is None:
        raise CodeNotFound(
            f"Run {name} cannot be suspended: what it executes is not recorded, so it could not be started again. If "
            "it has begun just now, ask again."
        )
    if missing_code:
        raise CodeNotFound(
            f"Run {name} cannot be suspended, since it could not be started again: {missing_code}. Put the flow into a "
            "file, or let it end."
        )
