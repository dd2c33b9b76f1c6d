"""A notebook as code to work on: each code cell as plain Python in chunks, with the headings and texts above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestra_nb.notebooks.document import INJECTED_TAG, tags_of
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.magic_translation import Translation, translate_cell
from orchestra_nb.notebooks.parameters import PARAMETERS_TAG, declaration_in
from orchestra_nb.notebooks.source_text import Chunk, identifiers, split_chunks


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """A parameter as the text of the notebook has it.

    Parameters
    ----------
    annotation
        None where it has none.
    default_source
        The text of its default; ``"None"`` where it has none, and for a secret, which a script does not repeat.
    default
        The value of the default, where it is a literal.
    """

    name: str
    annotation: str | None
    default_source: str
    default: object
    has_literal_default: bool
    help: str


@dataclass(eq=False)
class CodeCell:
    """One code cell.

    Parameters
    ----------
    index
        Counts the code cells from 0.
    section
        Number of the heading that it stands under; 0 before the first one.
    heading
        The text of that heading, where this is the first code cell below it.
    text
        The markdown between the code cell before and this one, without headings.
    """

    index: int
    id: str
    source: str
    tags: frozenset[str]
    section: int
    heading: str
    text: str
    translation: Translation
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def may_fail(self) -> bool:
        """Whether the notebook goes on when it fails."""
        return "raises-exception" in self.tags


@dataclass(eq=False)
class NotebookCode:
    """A notebook's cells.

    Parameters
    ----------
    title
        The first heading, empty where no text stands above the first code.
    introduction
        The rest of the first text.
    ending
        The text below the last code cell.
    parameters
        What its parameters cell declares, with the values of an injected cell as defaults.
    taken
        Every name that its code uses.
    has_headings
        Whether some heading stands between its cells.
    """

    title: str
    introduction: str
    ending: str
    cells: list[CodeCell]
    parameters: list[DeclaredParameter]
    parameters_cell: int | None
    taken: set[str]
    notes: list[str]
    has_headings: bool


def read_code(notebook: Mapping[str, Any]) -> NotebookCode:
    """Return the code of a notebook in Python (as :func:`read_notebook` gives it)."""
    notebook = {
        **notebook,
        "cells": [{**cell, "source": cell["source"].replace("\r\n", "\n")} for cell in notebook["cells"]],
    }
    sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    variables = {name for source in sources for name in _names_in(source)}
    taken = variables | {word for source in sources for word in re.findall(r"[^\W\d]\w*", source)}
    all_code = "\n".join(sources)
    title, introduction, section, heading, text = "", "", 0, "", ""
    has_headings = False
    cells: list[CodeCell] = []
    parameters: list[DeclaredParameter] = []
    parameters_cell: int | None = None
    injected: dict[str, DeclaredParameter] = {}
    notes: list[str] = []
    for cell in notebook["cells"]:
        tags = frozenset(tags_of(cell))
        if cell["cell_type"] != "code":
            if cell["cell_type"] == "markdown":
                found, rest = _heading_of(cell["source"])
                is_title = not cell["source"].lstrip().startswith("##")  # a lower heading is that of its section
                if not cells and not title and not introduction and is_title:
                    title, introduction = found, rest
                elif found:
                    section, heading, has_headings = section + 1, found, True
                    text = "\n\n".join(filter(None, [text, rest]))
                else:
                    text = "\n\n".join(filter(None, [text, rest]))
            continue
        if INJECTED_TAG in tags:
            injected = {parameter.name: parameter for parameter in _declared(cell["source"])}
            continue
        code = CodeCell(
            index=len(cells),
            id=cell["id"],
            source=cell["source"],
            tags=tags,
            section=section,
            heading=heading,
            text=text,
            translation=translate_cell(cell["source"], variables, taken, all_code),
        )
        _import_shell_names(code.translation)
        code.chunks = split_chunks(code.translation.source, code.index)
        notes += [f"cell {code.index + 1}: {note}" for note in code.translation.notes]
        if PARAMETERS_TAG in tags and parameters_cell is None:
            parameters, parameters_cell = _declared(code.translation.source), code.index
        cells.append(code)
        heading = text = ""
    parameters = [
        _with_default(parameter, injected[parameter.name]) if parameter.name in injected else parameter
        for parameter in parameters
    ]
    return NotebookCode(
        title=title,
        introduction=introduction,
        ending="\n\n".join(filter(None, [heading, text])),
        cells=cells,
        parameters=parameters,
        parameters_cell=parameters_cell,
        taken=variables | {name for cell in cells for name in identifiers(ast.parse(cell.translation.source))},
        notes=notes,
        has_headings=has_headings,
    )


def _import_shell_names(translation: Translation) -> None:
    """Import what IPython puts into every namespace."""
    used = {node.id for node in ast.walk(ast.parse(translation.source)) if isinstance(node, ast.Name)}
    if "display" in used:
        translation.imports.add("from IPython.display import display")
    if "get_ipython" in used:
        translation.imports.add("from IPython import get_ipython")
        translation.notes.append("outside of IPython get_ipython() is None")


def _declared(source: str) -> list[DeclaredParameter]:
    """Return what a parameters cell declares."""
    found: list[DeclaredParameter] = []
    for parameter in declaration_in(source).parameters:
        text = "None" if parameter.is_required or parameter.is_secret else parameter.default_source
        try:
            default, is_literal = ast.literal_eval(text), True
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            default, is_literal = None, False
        found.append(DeclaredParameter(parameter.name, parameter.annotation, text, default, is_literal, parameter.help))
    return found


def _with_default(parameter: DeclaredParameter, injected: DeclaredParameter) -> DeclaredParameter:
    return replace(
        parameter,
        default_source=injected.default_source,
        default=injected.default,
        has_literal_default=injected.has_literal_default,
    )


def _names_in(source: str) -> Iterator[str]:
    if source.lstrip("\n").startswith("%%"):
        source = source.lstrip("\n").partition("\n")[2]
    try:
        yield from identifiers(parse_cell(source))
    except SyntaxError:
        return


def _heading_of(source: str) -> tuple[str, str]:
    """Return (the first heading, the rest); a text has no heading when something else stands above it."""
    lines = source.strip().split("\n")
    if match := re.match(r"#{1,6}\s+(.*?)\s*#*$", lines[0]):
        return match.group(1), "\n".join(lines[1:]).strip()
    if len(lines) > 1 and re.fullmatch(r"=+|-{3,}", lines[1].strip()) and lines[0].strip():
        return lines[0].strip(), "\n".join(lines[2:]).strip()
    return "", source.strip()
