"""Reads what a request says as the records that its endpoint takes, or tells what is wrong with it and where."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Union
from urllib.parse import unquote

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.rest.endpoint import Endpoint

#: Names in a query that are the server's, not the endpoint's.
_SERVERS_OWN = frozenset({"token", "_xsrf"})
_LONGEST_SHOWN = 60
#: how msgspec writes a place: the key of a mapping it calls ``[...]``
_STEPS = re.compile(r"((?:\.\w+|\[\d+\])+)`")
_WHOLE = re.compile(r"-?[0-9]{1,20}")


def arguments_of(
    endpoint: Endpoint[..., Any], path: str, query: Mapping[str, Sequence[str]], body: bytes
) -> dict[str, Any]:
    """Return what the function of an endpoint is called with, beside the call.

    Parameters
    ----------
    path
        Of the request, below the prefix, with its parts still quoted.
    query
        Name to all values that were given.

    Raises
    ------
    InvalidInput
        Something is not what the endpoint takes.
    """
    found = endpoint.pattern.fullmatch(path)
    assert found is not None
    arguments: dict[str, Any] = {
        name: _converted(name, unquote(found[name]), type_) for name, type_ in endpoint.path_parameters.items()
    }
    known = (
        {} if endpoint.query_type is None else {one.name: one for one in msgspec.structs.fields(endpoint.query_type)}
    )
    for name in given_parameters(query):
        if name not in known and name != "fields":
            listed = ", ".join([*known, *(["fields"] if endpoint.method == "GET" else [])]) or "none"
            raise InvalidInput(f"{name[:_LONGEST_SHOWN]!r} is no parameter of this call. Its parameters are: {listed}.")
    if endpoint.query_type is not None:
        given = {name: _query_value(name, values, known[name].type) for name, values in query.items() if name in known}
        arguments["query"] = _record(given, endpoint.query_type)
    if endpoint.body_type is not None:
        arguments["body"] = _body(body, endpoint.body_type)
    return arguments


def given_parameters(query: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return what of a query is meant for an endpoint.

    Examples
    --------
    >>> given_parameters({"limit": ["3"], "token": ["secret"], "1764158000000": [""]})
    {'limit': ['3']}
    """
    # Jupyter's front ends add the time as a name, so that no cache answers
    return {name: values for name, values in query.items() if name not in _SERVERS_OWN and not name.isdigit()}


def _query_value(name: str, values: Sequence[str], type_: Any) -> object:
    """Return a value as its type has it: a list may be given with commas, or by giving the name several times."""
    inner = _inner(type_)
    if typing.get_origin(inner) is tuple:
        item = typing.get_args(inner)[0]
        words = [word.strip() for value in values for word in value.split(",") if word.strip()]
        return [_converted(name, word, item) for word in words]
    return _converted(name, values[-1], type_)


def _converted(name: str, text: str, type_: Any) -> object:
    inner = _inner(type_)
    if inner is int and not _WHOLE.fullmatch(text):  # msgspec takes 5.0, too
        raise InvalidInput(f"{name}={text[:_LONGEST_SHOWN]!r} is no whole number.")
    if isinstance(inner, type) and issubclass(inner, Enum):
        return _enum_value(name, text, [str(one.value) for one in inner])
    try:
        return msgspec.to_builtins(msgspec.convert(text, type_, strict=False), builtin_types=(int, float))
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{name}={text[:_LONGEST_SHOWN]!r}: {_reason(error)}") from None


def _enum_value(name: str, text: str, values: Sequence[str]) -> str:
    """Return the value that a text is, in whatever case."""
    by_lower = {value.lower(): value for value in values}
    if (value := by_lower.get(text.lower())) is not None:
        return value
    near = difflib.get_close_matches(text.lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[near[0]]}?" if near else ""
    raise InvalidInput(f"{name}={text[:_LONGEST_SHOWN]!r} is none of {', '.join(values)}.{hint}")


def _record(given: dict[str, object], type_: type) -> object:
    try:
        return msgspec.convert(given, type_, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The query: {_reason(error)}") from None


def _body(body: bytes, type_: Any) -> object:
    try:
        return msgspec.json.decode(body or b"{}", type=type_)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The body: {_reason(error)}", _place(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"The body is no JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("The body is nested too deeply.") from None


def _place(error: msgspec.ValidationError) -> dict[str, str]:
    """Return where in the body something is wrong, and what; empty where msgspec tells no place or several."""
    what, found, path = str(error).rpartition(" - at `$")
    steps = _STEPS.fullmatch(path)
    if not found or steps is None:
        return {}
    return {re.sub(r"\.(\w+)|\[(\d+)\]", r"/\1\2", steps[1]): f"{what}."}


def _reason(error: msgspec.ValidationError) -> str:
    return f"{str(error).rstrip('.')}."


def _inner(type_: Any) -> Any:
    """Return a type without what is said about it, and without None."""
    if typing.get_origin(type_) is typing.Annotated:
        return _inner(typing.get_args(type_)[0])
    if typing.get_origin(type_) in (Union, types.UnionType):
        rest = [one for one in typing.get_args(type_) if one is not type(None)]
        return _inner(rest[0]) if len(rest) == 1 else type_
    return type_
