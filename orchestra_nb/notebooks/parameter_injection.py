"""Puts parameter values into a notebook, as papermill does it: a cell of their own, after the one with the defaults.

The text of the cell is papermill's too, for every language that it knows. Its translators are loaded without the rest
of papermill, whose import takes longer than a short notebook runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import secrets
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from orchestra_nb.errors import InvalidParameters

_INJECTED = "injected-parameters"
_DEFAULTS = "parameters"
#: Stands for papermill's folder as a package whose ``__init__`` was not run.
_LIGHT_PACKAGE = "_orchestra_papermill"
#: Languages in which papermill writes Python's words for NaN and the infinities, which they do not know.
_NO_NON_FINITE = frozenset({"r", "ir", "scala", "julia", ".net-csharp", ".net-fsharp"})


def inject_parameters(
    notebook: dict[str, Any], values: Mapping[str, object], *, kernel_name: str, language: str
) -> None:
    """Put a cell that assigns the values into the notebook, in place of one from an earlier run.

    It comes after the cell tagged ``parameters``, and first where there is none. Without values nothing changes.

    Raises
    ------
    InvalidParameters
        The language has no form for one of the values, or papermill does not know the language.
    """
    if not values:
        return
    cells: list[dict[str, Any]] = notebook["cells"]
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": secrets.token_hex(4),
        "metadata": {"tags": [_INJECTED]},
        "outputs": [],
        "source": parameters_source(values, kernel_name=kernel_name, language=language),
    }
    injected, defaults = _find(cells, _INJECTED), _find(cells, _DEFAULTS)
    if injected is not None:
        cells[injected] = cell
    else:
        cells.insert(0 if defaults is None else defaults + 1, cell)


def parameters_source(values: Mapping[str, object], *, kernel_name: str, language: str) -> str:
    """Return the text of a cell that assigns these values.

    Raises
    ------
    InvalidParameters
        As :func:`inject_parameters`.
    """
    translators = _load_translators()
    known = {name.lower(): translator for name, translator in translators.papermill_translators._translators.items()}
    translator = known.get(kernel_name.lower()) or known.get(language.lower())
    if translator is None:
        raise InvalidParameters(
            f"Parameters cannot be given to a notebook in {language or 'an unknown language'}: "
            f"papermill knows {', '.join(sorted(known))}. Run it without parameters, or choose another kernel."
        )
    for name, value in values.items():
        try:
            if _has_non_finite(value) and language.lower() in _NO_NON_FINITE:
                raise NotImplementedError
            translator.translate(value)
        except NotImplementedError:
            kind = type(value).__name__
            raise InvalidParameters(
                f"Parameter {name} is {value!r:.60} ({kind}), for which papermill has no form in {language}. "
                "Give it as text or as numbers."
            ) from None
    return str(translator.codify(values, "Parameters"))


def _has_non_finite(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_has_non_finite, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_non_finite, value))


def _find(cells: list[dict[str, Any]], tag: str) -> int | None:
    return next((place for place, cell in enumerate(cells) if tag in cell.get("metadata", {}).get("tags", [])), None)


def _load_translators() -> Any:
    """Return ``papermill.translators``, without running ``papermill/__init__.py`` where nobody has yet."""
    if "papermill" in sys.modules:
        return importlib.import_module("papermill.translators")
    if _LIGHT_PACKAGE not in sys.modules:
        spec = importlib.util.find_spec("papermill")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = ModuleType(_LIGHT_PACKAGE)
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules[_LIGHT_PACKAGE] = package
    return importlib.import_module(f"{_LIGHT_PACKAGE}.translators")
