"""What belongs to runs: those that they started, the table of a sweep, questions to people, and names by ids."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.jsonable import to_readable, to_stored
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.operations import run_questions, run_results, run_resumption, runs
from orchestra_nb.operations.error_places import told_below
from orchestra_nb.operations.executed_notebook import ExecutedNotebook, executed_notebook
from orchestra_nb.rest.endpoint import Area, Call, Role
from orchestra_nb.rest.pages import FOLLOWING, After, page_of
from orchestra_nb.rest.run_endpoints import ValueView, value_view

area = Area("runs")

#: So many ids a call asks the names of.
MOST_IDS: Final = 200
_CHILDREN_A_PAGE: Final = 500
_ROWS_A_PAGE: Final = 500
_LARGEST_VALUE_BYTES: Final = 4_000_000


class ChildrenQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of the runs that a run started."""

    after: After = None
    limit: Annotated[int, Meta(ge=1, le=_CHILDREN_A_PAGE, description="At most so many.")] = 100


class ChildrenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that a run started, in the order of their creation."""

    runs: tuple[Run, ...]
    next: str | None


class SweepRowView(msgspec.Struct, frozen=True, kw_only=True):
    """One combination of a sweep; ``run`` is null where it was not started, and ``message`` says why."""

    index: int
    parameters: dict[str, Any]
    run: Run | None
    values: tuple[ValueView, ...]
    message: str


class SweepAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep as far as it has come: a row for each combination, with its newest run."""

    run: Run
    swept: tuple[str, ...]
    rows: tuple[SweepRowView, ...]
    next: int | None


class SweepQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of the table of a sweep."""

    after: Annotated[Annotated[int, Meta(ge=0, le=2**31 - 1)] | None, Meta(description=FOLLOWING)] = None
    limit: Annotated[int, Meta(ge=1, le=_ROWS_A_PAGE, description="At most so many rows.")] = _ROWS_A_PAGE


class InputsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has asked for, in order, answered or not."""

    inputs: tuple[RunInput, ...]


class InputAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a question of a run."""

    value: Annotated[Any, Meta(description="Null where it only asks to go on.")] = None
    key: Annotated[str | None, Meta(description="Which question, when the run waits for several.")] = None


class NotebookOfRunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempt's notebook."""

    attempt: Annotated[int | None, Meta(description="Default: the newest whose file is there.")] = None
    known: Annotated[str | None, Meta(description="The `version` that is known: `cells` is null while it holds.")] = (
        None
    )


class NamesOfQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose names."""

    run: Annotated[tuple[str, ...], Meta(description="Ids of runs.")] = ()
    task: Annotated[tuple[str, ...], Meta(description="Ids of task runs.")] = ()


class NamesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Id to name, of those that there are."""

    runs: dict[str, str]
    tasks: dict[str, str]


@area.get("/runs/{run}/values/{value}", is_slow=True)
def read_value(call: Call, run: str, value: str) -> ValueView:
    """Read a value that a run returned, by its name.

    JSON of up to 4,000,000 bytes is answered whole; of anything else what stands for it, and where it is kept.
    """
    record = run_results.value_of_run(call.store, runs.find_run(call.store, run), value)
    view = value_view(record)
    is_json = record.serializer.startswith("json") and not record.unreadable
    if record.reference is None or not is_json or record.size_bytes > _LARGEST_VALUE_BYTES:
        return view
    return msgspec.structs.replace(view, value=to_stored(run_results.load_recorded(record)), url=None)


@area.get("/runs/{run}/children")
def list_children(call: Call, run: str, query: ChildrenQuery) -> ChildrenAnswer:
    """List the runs that a run started, in the order of their creation."""
    run_id = runs.find_run(call.store, run).run_id
    children = call.store.children(run_id, after=query.after or "", limit=query.limit + 1)
    page, following = page_of(children, query.limit, lambda one: one.run_id)
    return ChildrenAnswer(runs=page, next=following)


@area.get("/runs/{run}/sweep")
def show_sweep(call: Call, run: str, query: SweepQuery) -> SweepAnswer:
    """Show the table of a sweep: its combinations, and what their runs returned."""
    from orchestra_nb.operations.sweep_views import sweep_page

    found = runs.find_run(call.store, run)
    if found.kind is not RunKind.SWEEP:
        raise Conflict(f"Run {found.name} is no sweep: it is of the kind {found.kind.value}.")
    sweep = sweep_page(call.store, found, after=query.after, limit=query.limit + 1)
    page, following = page_of(sweep.rows, query.limit, lambda row: row.index)
    return SweepAnswer(
        run=sweep.run,
        swept=sweep.swept,
        next=following,
        rows=tuple(
            SweepRowView(
                index=row.index,
                parameters={name: to_readable(value) for name, value in row.parameters.items()},
                run=row.run,
                values=tuple(value_view(record) for record in row.records),
                message=row.message,
            )
            for row in page
        ),
    )


@area.get("/runs/{run}/inputs")
def list_inputs(call: Call, run: str) -> InputsAnswer:
    """List what a run asks people for, with the answers that were given."""
    return InputsAnswer(inputs=tuple(run_questions.list_inputs(call.store, run)))


@area.post("/runs/{run}/inputs", Role.RUNNER)
def answer_input(call: Call, run: str, body: InputAnswer) -> RunInput:
    """Answer what a run asks for; a run that waits goes on.

    One of a deployment that is suspended waits in its pool when all that it asks for is answered. One of no deployment
    stays suspended until `orchestra runs resume`, where its code is.
    """
    with told_below("/value"):
        return run_resumption.answer_question(call.store, run, body.value, actor=call.actor, now=call.now, key=body.key)


@area.get("/runs/{run}/notebook", is_slow=True)
def read_notebook_of_run(call: Call, run: str, query: NotebookOfRunQuery) -> ExecutedNotebook:
    """Read the executed notebook of a run, as far as it has come: code, state and outputs of each cell.

    Outputs are texts without colours, and pictures as base64; long ones are shortened. What a notebook shows as HTML or
    by a script is told as the text that stands beside it, or left out.
    """
    return executed_notebook(call.store, run, attempt=query.attempt, known=query.known)


@area.get("/names")
def read_names(call: Call, query: NamesOfQuery) -> NamesAnswer:
    """Read the names of runs and task runs by their ids."""
    if len(query.run) + len(query.task) > MOST_IDS:
        raise InvalidInput(f"{len(query.run) + len(query.task)} ids are too many: a call takes {MOST_IDS}.")
    named = runs.names_of_runs(call.store, query.run), runs.names_of_tasks(call.store, query.task)
    of_runs, of_tasks = ({str(id_): name for id_, name in found.items()} for found in named)
    return NamesAnswer(runs=of_runs, tasks=of_tasks)
