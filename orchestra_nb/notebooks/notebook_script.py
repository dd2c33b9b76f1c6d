"""A notebook as a Python script with one flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestra_nb.errors import InvalidNotebook
from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.document import language
from orchestra_nb.notebooks.notebook_code import read_code
from orchestra_nb.notebooks.script_plan import plan_script
from orchestra_nb.notebooks.script_text import script_text


class NotebookScript(msgspec.Struct, frozen=True, kw_only=True):
    """A script made of a notebook.

    Parameters
    ----------
    tasks
        Functions that became tasks, in the order in which the flow calls them.
    inline
        Cell to the reason why it stays in the flow's body; cells are counted from 1 here, as people do.
    notes
        What differs from the notebook, for people.
    """

    text: str
    tasks: tuple[str, ...]
    inline: dict[int, str]
    notes: tuple[str, ...]


def notebook_script(notebook: Mapping[str, Any], name: str, *, is_submitting: bool = False) -> NotebookScript:
    """Return the script that does what a notebook does (as :func:`read_notebook` gives it).

    Raises
    ------
    InvalidNotebook
        It is written in another language.
    """
    if language(notebook) != "python":
        raise InvalidNotebook(
            f"{name} is written in {language(notebook)}, and only a notebook in Python can become a Python script."
        )
    plan = plan_script(read_code(notebook))
    return NotebookScript(
        text=script_text(plan, name, submitting=analyse_notebook(notebook) if is_submitting else None),
        tasks=tuple(step.name for step in plan.steps if step.name),
        inline={part.cell.index + 1: step.why_inline for step in plan.steps if step.why_inline for part in step.parts},
        notes=tuple(plan.notes),
    )
