"""The parameters of a notebook, as people, forms and scripts ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.notebooks import document
from orchestra_nb.notebooks.parameter_schemas import parameters_schema
from orchestra_nb.notebooks.parameter_types import UNKNOWN, Parameter
from orchestra_nb.notebooks.parameters import PARAMETERS_TAG, read_declaration
from orchestra_nb.operations.absolute_paths import absolute_path


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookParameters:
    """What a notebook declares.

    Parameters
    ----------
    is_declared
        Whether there is a parameters cell at all.
    problem
        Why that cell cannot be read, or that it is written in a language of which nothing can be told; else empty.
    schema
        JSON Schema (draft 2020-12) of the mapping of names to values.
    """

    path: str
    language: str
    is_declared: bool
    parameters: tuple[Parameter, ...]
    problem: str
    schema: dict[str, object]

    def as_document(self) -> dict[str, object]:
        """Return it as JSON."""
        return {
            "path": self.path,
            "language": self.language,
            "declared": self.is_declared,
            "problem": self.problem,
            "parameters": [_as_document(parameter) for parameter in self.parameters],
            "schema": self.schema,
        }


def notebook_parameters(path: str | Path) -> NotebookParameters:
    """Return the parameters of a notebook; nothing of it runs.

    Raises
    ------
    NotebookNotFound
        There is no such file.
    InvalidNotebook
        The file is no notebook.
    """
    return parameters_of(document.read_notebook(path), path)


def parameters_of(
    notebook: Mapping[str, Any], path: str | Path, own: Mapping[str, object] | None = None
) -> NotebookParameters:
    """Return the parameters of a notebook that has been read.

    Parameters
    ----------
    own
        Values that stand in place of the notebook's defaults, by name, as JSON has them.
    """
    language = document.language(notebook)
    declaration = read_declaration(notebook)
    if declaration is None:
        problem = f"No code cell has the tag {PARAMETERS_TAG!r}."
    elif declaration.problem:
        problem = f"The parameters cell is no Python that can be read: {declaration.problem}."
    elif not declaration.is_complete and not declaration.parameters:
        problem = f"What a parameters cell in {language} declares cannot be told; any name may be given."
    else:
        problem = ""
    declared = () if declaration is None else declaration.parameters
    parameters = tuple(_with_own(parameter, own or {}) for parameter in declared)
    is_complete = declaration is None or declaration.is_complete
    return NotebookParameters(
        path=str(absolute_path(path)),
        language=language,
        is_declared=declaration is not None,
        parameters=parameters,
        problem=problem,
        schema=parameters_schema(parameters, Path(path).stem, is_complete=is_complete or language == "python"),
    )


def _with_own(parameter: Parameter, own: Mapping[str, object]) -> Parameter:
    if parameter.name not in own:
        return parameter
    default = UNKNOWN if parameter.is_secret else own[parameter.name]
    return replace(parameter, default=default, default_source="", is_required=False)


def _as_document(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "type": parameter.annotation or str(parameter.type),
        "annotated": parameter.annotation is not None,
        "required": parameter.is_required,
        "secret": parameter.is_secret,
        "default_source": parameter.default_source,
        **({} if parameter.default is UNKNOWN else {"default": to_readable(parameter.default)}),
        "help": parameter.help,
    }
