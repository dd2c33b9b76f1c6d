"""Checks and converts a flow's parameters by their annotations, with pydantic: loaded only where there are any."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from orchestra_nb.errors import InvalidParameters


def validate(
    function: Callable[..., Any], flow_name: str, signature: inspect.Signature, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters as the annotations want them.

    Raises
    ------
    InvalidParameters
        A value does not fit; the message names each parameter and why.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # an annotation names what is not there at run time
        return dict(parameters)
    config = ConfigDict(arbitrary_types_allowed=True)
    values = dict(parameters)
    problems = []
    for name, value in parameters.items():
        parameter = signature.parameters[name]
        hint = hints.get(name)
        if hint is None or hint is Any:
            continue
        try:
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                values[name] = tuple(_adapter(hint, config, TypeAdapter).validate_python(item) for item in value)
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                values[name] = {
                    key: _adapter(hint, config, TypeAdapter).validate_python(item) for key, item in value.items()
                }
            else:
                values[name] = _adapter(hint, config, TypeAdapter).validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([name, *map(str, first["loc"])])
            # what is missing has no value of its own, only one that it should stand in
            shown = f"{where}: " if first["type"].startswith("missing") else f"{where} = {_short(first['input'])}: "
            problems.append(f"{shown}{first['msg']}")
    if problems:
        raise InvalidParameters(f"Flow {flow_name} was called with parameters that do not fit: {'; '.join(problems)}")
    return values


def _adapter(hint: Any, config: Any, make: Any) -> Any:
    from pydantic import BaseModel, PydanticUserError

    try:
        return make(hint, config=config)
    except PydanticUserError:  # a model or a dataclass brings a configuration of its own
        return make(hint) if not isinstance(hint, BaseModel) else hint


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
