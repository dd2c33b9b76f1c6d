"""Names of runs: what a template or a callable makes of the parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from orchestra_nb.engine.task_settings import InvalidOption


def make_run_name(
    what: str, template: str | Callable[..., str], signature: inspect.Signature, args: Any, kwargs: Mapping[str, Any]
) -> str:
    """Return the name that a template or a callable makes of the parameters.

    Raises
    ------
    InvalidOption
        The template names no parameter, or the callable gave no text.
    """
    if callable(template):
        takes_parameters = "parameters" in inspect.signature(template).parameters
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        name = template(parameters=dict(bound.arguments)) if takes_parameters else template()
        if not isinstance(name, str):
            raise InvalidOption(f"{what}: the callable for its runs' names returned {name!r}, which is no text.")
        return name
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    try:
        return template.format(**bound.arguments)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        known = ", ".join(bound.arguments) or "none"
        raise InvalidOption(
            f"{what}: the template {template!r} cannot be filled ({error}). Its parameters are: {known}."
        ) from None
