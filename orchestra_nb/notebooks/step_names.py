"""What the tasks of a script are called: after their ``%%task`` line, their heading, or what they make."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from orchestra_nb.notebooks.document import cell_title
from orchestra_nb.notebooks.notebook_code import NotebookCode
from orchestra_nb.notebooks.script_steps import Part, Step
from orchestra_nb.notebooks.source_text import words_of


def name_steps(steps: Iterable[Step], code: NotebookCode, parts: Iterable[Part]) -> None:
    """Give each task among the steps a name that nothing in the notebook has, a title, and a heading.

    Parameters
    ----------
    parts
        What is left of the cells when definitions have moved.
    """
    parameters = {parameter.name for parameter in code.parameters}
    remaining = {part.cell.index for part in parts}
    used = {*code.taken, *dir(builtins)}
    seen_sections: set[int] = set()
    for step in steps:
        if step.why_inline:
            continue
        cell = step.parts[0].cell
        is_first = cell.section not in seen_sections
        seen_sections.add(cell.section)
        heading = cell.heading or (_moved_heading(code, cell.section, remaining) if is_first else "")
        step.title = step.task.name if step.task is not None and step.task.name else ""
        comment = _first_comment(step)
        step.heading = heading or comment
        made = step.gives[0] if step.gives else ""
        read = next((name for name in step.takes if name not in parameters), "")
        candidates = [
            words_of(step.title),
            words_of(heading),
            words_of(comment),
            f"make_{made}" if made else "",
            f"show_{read}" if read else "",
            f"cell_{cell.index + 1}",
        ]
        wanted = next(filter(None, candidates))
        name, count = wanted if wanted not in used else f"{wanted}_task", 2
        while name in used:
            name, count = f"{wanted}_{count}", count + 1
        used.add(name)
        step.name = name


def _moved_heading(code: NotebookCode, section: int, remaining: set[int]) -> str:
    """Return a section's heading where the first of its cells was moved to the head of the module."""
    cells = [cell for cell in code.cells if cell.section == section]
    moved = [cell for cell in cells if cell.heading and cell.index not in remaining]
    return moved[0].heading if moved and section else ""


def _first_comment(step: Step) -> str:
    first = step.parts[0].cell.translation.source.lstrip()
    title = cell_title(step.parts[0].cell.translation.source)
    return title if first.startswith("#") and not first.startswith("# %") and len(title.split()) > 1 else ""
