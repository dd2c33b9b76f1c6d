"""Puts parameter values into a notebook, as papermill does it: a cell of their own, after the one with the defaults.

The text of the cell is papermill's too, for every language that it knows; in Python values that JSON does not have are
made by the notebook's own classes. What holds a secret is not in the cell: it says so in a comment, and the run sets it
in the kernel right after the cell.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from orchestra_nb.model.runs import INJECTED_CELL_ID
from orchestra_nb.notebooks import document
from orchestra_nb.notebooks.converted_values import Converted
from orchestra_nb.notebooks.document import INJECTED_TAG
from orchestra_nb.notebooks.parameter_languages import comment, translated

_DEFAULTS: Final = "parameters"


def inject_source(notebook: dict[str, Any], source: str) -> None:
    """Put a cell with this source into the notebook, in place of one from an earlier run.

    It comes after the code cell tagged ``parameters``, and first where there is none, under an id by which it is known
    that the user's file has no such cell. Without a source nothing changes.
    """
    cells: list[dict[str, Any]] = notebook["cells"]
    for known in cells:  # the file is what an earlier run has written: now it has such a cell
        if known.get("id") == INJECTED_CELL_ID:
            known["id"] = secrets.token_hex(4)
    if not source:
        return
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": INJECTED_CELL_ID,
        "metadata": {"tags": [INJECTED_TAG]},
        "outputs": [],
        "source": source,
    }
    injected, defaults = _find(cells, INJECTED_TAG), _find(cells, _DEFAULTS)
    if injected is not None:  # it is in the user's file
        cells[injected] = cell | {"id": secrets.token_hex(4)}
    else:
        cells.insert(0 if defaults is None else defaults + 1, cell)


def parameters_source(values: Mapping[str, Converted], *, kernel_name: str, language: str) -> str:
    """Return the text of the cell for these values; empty without any.

    Raises
    ------
    InvalidParameters
        The language has no form for one of the values, or papermill does not know the language.
    """
    if not values:
        return ""
    shown = {name: value for name, value in values.items() if not value.secrets}
    if language != "python" or all(value.source is None for value in shown.values()):
        plain = {name: value.recorded for name, value in shown.items()}
        text = translated(plain, kernel_name=kernel_name, language=language)
    else:
        text = "# Parameters\n" + "".join(f"{name} = {value.text}\n" for name, value in shown.items())
    for name in values.keys() - shown.keys():
        text += comment(f"{name} holds a secret: the run sets it, and writes it nowhere", **_of(kernel_name, language))
        text += "\n"
    return text


def hidden_source(values: Mapping[str, Converted], *, kernel_name: str, language: str) -> str:
    """Return code that sets what holds secrets; empty when nothing does. It goes to the kernel and nowhere else.

    Raises
    ------
    InvalidParameters
        As :func:`parameters_source`.
    """
    hidden = {name: value for name, value in values.items() if value.secrets}
    if not hidden:
        return ""
    if language == "python":
        return "".join(f"{name} = {value.text}\n" for name, value in hidden.items())
    return translated({name: value.secrets[0] for name, value in hidden.items()}, **_of(kernel_name, language))


def _of(kernel_name: str, language: str) -> dict[str, str]:
    return {"kernel_name": kernel_name, "language": language}


def _find(cells: list[dict[str, Any]], tag: str) -> int | None:
    places = (place for place, cell in enumerate(cells) if tag in document.tags_of(cell))
    return next((place for place in places if cells[place]["cell_type"] == "code"), None)
