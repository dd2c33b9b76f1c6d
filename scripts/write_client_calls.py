"""Writes ``orchestra_nb/client/calls.py``, the typed calls of the REST API, from the endpoints; ``make client``.

``--check`` writes nothing and fails where the file is not what the endpoints say.
"""

from __future__ import annotations

import collections.abc
import inspect
import subprocess
import sys
import textwrap
import types
import typing
from collections import defaultdict
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.rest.endpoint import Endpoint

PATH = Path(__file__).parent.parent / "orchestra_nb" / "client" / "calls.py"

_WIDTH = 112

_HEAD = '''\
"""The calls of the REST API, a method for each endpoint; written by ``make client`` from the endpoints themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
{imports}


class Calls(ABC):
    """What can be asked of Orchestra, and done.

    Arguments that are left out are as the server has them. Errors are those of :mod:`orchestra_nb.exceptions`.
    """

    @abstractmethod
    def _call(
        self, name: str, path: Mapping[str, object], query: Mapping[str, object], body: Mapping[str, object] | None
    ) -> Any:
        """Call the endpoint of this name, and return its answer as its own type."""
'''

_TAIL = """

#: Call to the module that has its endpoint, under the name of the call.
ENDPOINT_MODULES: Final[Mapping[str, str]] = {{
{places}}}
"""


class Sources:
    """Types as source code, and the imports that they need."""

    def __init__(self) -> None:
        self.modules: defaultdict[str, set[str]] = defaultdict(set)

    def of(self, type_: Any, *, is_argument: bool = False) -> str:
        """Return the source of a type; of an argument as its caller may give it."""
        origin, inner = typing.get_origin(type_), typing.get_args(type_)
        if origin is typing.Annotated:
            return self.of(inner[0], is_argument=is_argument)
        if origin in (typing.Union, types.UnionType):
            return " | ".join(self.of(one, is_argument=is_argument) for one in inner)
        if origin is typing.Literal:
            self.modules["typing"].add("Literal")
            return f"Literal[{', '.join(repr(one) for one in inner)}]"
        if origin in (tuple, list, collections.abc.Sequence):
            kind = "Sequence" if is_argument else origin.__name__
            dots = ", ..." if kind == "tuple" else ""
            return f"{kind}[{self.of(inner[0], is_argument=is_argument)}{dots}]"
        if origin in (dict, collections.abc.Mapping):
            kind = "Mapping" if is_argument or origin is not dict else "dict"
            return f"{kind}[{', '.join(self.of(one, is_argument=is_argument) for one in inner)}]"
        if type_ is type(None):
            return "None"
        if type_ is Any:
            return "Any"
        if isinstance(type_, type):
            if type_.__module__ != "builtins":
                self.modules[type_.__module__].add(type_.__qualname__)
            return f"{type_.__qualname__} | str" if is_argument and issubclass(type_, Enum) else type_.__qualname__
        raise TypeError(f"{type_!r} has no source.")

    def imports(self) -> str:
        """Return the imports."""
        names = dict(sorted(self.modules.items()))
        return "\n".join(f"    from {module} import {', '.join(sorted(names[module]))}" for module in names)


def source() -> str:
    """Return the module."""
    sources = Sources()
    methods = [_method(endpoint, sources) for endpoint in ENDPOINTS]
    places = "".join(f'    "{one.name}": "{one.function.__module__}",\n' for one in ENDPOINTS)
    return _formatted(_HEAD.format(imports=sources.imports()) + "".join(methods) + _TAIL.format(places=places))


def _method(endpoint: Endpoint[..., Any], sources: Sources) -> str:
    path = list(endpoint.path_parameters)
    query = _fields(endpoint.query_type)
    # what the path says already may be left out of the body
    body = [field for field in _fields(endpoint.body_type) if field.name not in path]
    is_free = endpoint.body_type is not None and not body
    if len({*path, *(field.name for field in [*query, *body])}) < len([*path, *query, *body]):
        raise ValueError(f"{endpoint.name} takes one name twice.")
    arguments = [f"{name}: {sources.of(type_)}" for name, type_ in endpoint.path_parameters.items()]
    if is_free:
        arguments.append("values: Mapping[str, Any]")
    named = sorted([*query, *body], key=lambda field: not field.required)
    arguments += ["*", *(_argument(field, sources) for field in named)] if named else []
    given_body = "values" if is_free else _mapping([field.name for field in body]) if endpoint.body_type else "None"
    call = f'self._call("{endpoint.name}", {_mapping(path)}, {_mapping([field.name for field in query])}, {given_body})'
    answer = sources.of(endpoint.answer_type)
    return f"""
    def {endpoint.name}(self, {", ".join(arguments)}) -> {answer}:
{textwrap.indent(_docstring(endpoint, named), "        ")}
        answer: {answer} = {call}
        return answer
"""


def _fields(type_: Any) -> list[Any]:
    return list(msgspec.structs.fields(type_)) if isinstance(type_, type) else []


def _argument(field: Any, sources: Sources) -> str:
    text = f"{field.name}: {sources.of(field.type, is_argument=True)}"
    if field.required:
        return text
    if field.default is msgspec.NODEFAULT or isinstance(field.default, Enum):  # left out, it is the server's
        return f"{text} = None" if _may_be_none(field.type) else f"{text} | None = None"
    return f"{text} = {field.default!r}"


def _may_be_none(type_: Any) -> bool:
    inner = typing.get_args(type_)
    return _may_be_none(inner[0]) if typing.get_origin(type_) is typing.Annotated else type(None) in inner


def _mapping(names: list[str]) -> str:
    return "{" + ", ".join(f'"{name}": {name}' for name in names) + "}"


def _docstring(endpoint: Endpoint[..., Any], named: list[Any]) -> str:
    text = inspect.getdoc(endpoint.function) or ""
    summary, _, rest = text.partition("\n")
    more = [textwrap.fill(" ".join(one.split()), _WIDTH) for one in rest.split("\n\n") if one.strip()]
    parts = [summary, "", *(line for one in more for line in (one, "")), f"Needs the role {endpoint.role.value}."]
    said = [(field.name, _description(field.type)) for field in named]
    if any(words for _, words in said):
        parts += ["", "Parameters", "----------"]
        for name, words in said:
            if words:
                parts += [name, *(f"    {line}" for line in textwrap.wrap(words, _WIDTH - 4))]
    body = "\n".join(parts)
    return f'"""{body}\n"""' if "\n" in body else f'"""{body}"""'


def _description(type_: Any) -> str:
    if typing.get_origin(type_) is not typing.Annotated:
        return ""
    return next((one.description or "" for one in typing.get_args(type_)[1:] if isinstance(one, msgspec.Meta)), "")


def _formatted(text: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    name = ["--stdin-filename", str(PATH)]
    for verb in (["check", "--quiet", "--fix", "--exit-zero"], ["format", "--quiet"]):
        done = subprocess.run([*ruff, *verb, *name, "-"], input=text, capture_output=True, text=True, check=True)
        text = done.stdout
    return text


def main() -> None:
    """Write the file, or check it."""
    text = source()
    if sys.argv[1:] != ["--check"]:
        PATH.write_text(text)
    elif not PATH.exists() or PATH.read_text() != text:
        sys.exit("orchestra_nb/client/calls.py is not what the endpoints say. Run: make client")


if __name__ == "__main__":
    main()
