"""Templates for the files of results: ``"{flow_run.name}/{parameters[region]}.json"``, as in Prefect 3.

A field is ``parameters[name]``, or a fact of ``flow_run``, ``task_run`` or ``deployment`` as in
:mod:`orchestra_nb.runtime`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from typing import Any

from orchestra_nb.engine.results import storage_path
from orchestra_nb.engine.runtime_facts import DeploymentFacts, FlowRunFacts, TaskRunFacts
from orchestra_nb.engine.task_settings import InvalidOption
from orchestra_nb.errors import InvalidInput

_FACTS: dict[str, object] = {
    "flow_run": FlowRunFacts(),
    "task_run": TaskRunFacts(),
    "deployment": DeploymentFacts(),
}


def check_storage_key(what: str, template: str, parameter_names: Iterable[str]) -> None:
    """Check a template where its task is made.

    Raises
    ------
    InvalidOption
        It has a field that cannot be filled; the message names it and what there is.
    """
    names = list(parameter_names)
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise InvalidOption(f"{what}: result_storage_key is {template!r}: {error}.") from None
    for field in fields:
        first, rest = _first_parts(field)
        if first == "parameters" and rest in names:
            continue
        if rest and hasattr(_FACTS.get(first), rest):
            continue
        known = ", ".join([f"{{parameters[{name}]}}" for name in names] + ["{flow_run.name}", "{task_run.id}"])
        raise InvalidOption(
            f"{what}: result_storage_key has the field {{{field}}}, which nothing fills. Write fields such as {known}."
        )


def _first_parts(field: str) -> tuple[str, str]:
    """Return the name that a field begins with, and the attribute or item of it that it asks for first."""
    words = re.split(r"[.\[\]]+", field)
    return words[0], words[1] if len(words) > 1 else ""


def fill_storage_key(template: str, parameters: Mapping[str, Any]) -> str:
    """Return the file's path below the folder of results, for the task run that this code belongs to.

    Raises
    ------
    InvalidInput
        A value has not what its field asks for, or the path would leave the folder.
    """
    try:
        name = template.format(parameters=dict(parameters), **_FACTS)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"result_storage_key {template!r} cannot be filled for this call: {type(error).__name__}: {error}. Name "
            "parameters and facts that it has."
        ) from error
    return storage_path(name)
