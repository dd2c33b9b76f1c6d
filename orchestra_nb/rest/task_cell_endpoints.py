"""Task cells for editors of notebooks: what is known of each cell, and the options of a ``%%task`` line as a form."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.notebooks.task_form import read_task_form, write_task_form
from orchestra_nb.notebooks.task_options import OPTIONS
from orchestra_nb.operations.notebook_cells import NotebookCells, notebook_cells
from orchestra_nb.rest.endpoint import Area, Call, Role
from orchestra_nb.rest.notebook_endpoints import NotebookQuery

area = Area("notebooks")

Source = Annotated[str, Meta(description="The text of a code cell.")]
Texts = Annotated[
    dict[str, tuple[str | None, ...]],
    Meta(
        description="Option to the texts of its values, as they are typed without quotes; null for one without a "
        'value: `{"--retries": ["2"], "--wait": [null]}`.'
    ),
]


class TaskOption(msgspec.Struct, frozen=True, kw_only=True):
    """One option that a task line takes."""

    option: str
    help: str
    example: Annotated[str, Meta(description="How a value is typed; empty where it takes none.")]
    takes_value: bool
    value_is_optional: bool
    may_repeat: bool


class TaskLineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell says of its task, and all that it may say."""

    is_task: bool
    name: Annotated[str, Meta(description="Empty where it has none.")]
    values: Texts
    options: tuple[TaskOption, ...]


class TaskLineRead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cell whose task line is read."""

    source: Source


class TaskLineWritten(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cell whose task line is written."""

    source: Source
    name: Annotated[str, Meta(description="Empty for none.")] = ""
    values: Texts = {}


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a cell."""

    source: Source


@area.get("/notebooks/cells", is_slow=True)
def show_notebook_cells(call: Call, query: NotebookQuery) -> NotebookCells:
    """Show what each cell of a notebook did last, how long it usually runs, and whether what was kept still holds.

    Cells of which nothing is recorded are left out. What `stale` says is of the notebook as it is saved.
    """
    return notebook_cells(call.store, call.notebook_at(query.path), call.settings, call.now)


@area.post("/notebooks/task-line/read", Role.RUNNER, keeps_answer=False)
def read_task_line(call: Call, body: TaskLineRead) -> TaskLineAnswer:
    """Read the options of a task cell from its text; nothing is stored."""
    form = read_task_form(body.source)
    return TaskLineAnswer(is_task=form.is_task, name=form.name, values=form.values, options=_OPTIONS)


@area.post("/notebooks/task-line/write", Role.RUNNER, keeps_answer=False)
def write_task_line(call: Call, body: TaskLineWritten) -> SourceAnswer:
    """Write the text of a cell with other options of its task, and return it; nothing is stored.

    What does not change stays as it was written; an ordinary cell becomes a task. Values that do not fit are named in
    `errors`, each with a pointer such as `#/values/--retries`.
    """
    return SourceAnswer(source=write_task_form(body.source, body.name, body.values))


_OPTIONS = tuple(
    TaskOption(
        option=name,
        help=option.help,
        example=option.example,
        takes_value=option.read is not None,
        value_is_optional=option.value_is_optional,
        may_repeat=option.may_repeat,
    )
    for name, option in OPTIONS.items()
)
