"""What a function, a class or a module of the user means: its code, without its position, and all that the code uses.

A function is encoded as what its source compiles to, so comments, blank lines, the file and the line do not count, and
it is the same on a worker that has no source. The price: another minor version of Python compiles to something else,
and a cache starts anew. What comes from an installed package counts by its name and the package's version, what comes
from the standard library by its name.
"""

from __future__ import annotations

import dis
import enum
import functools
import importlib.metadata
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import PurePath
from typing import Any

from orchestra_nb.model.encodings import SCALARS, Encode, NotEncodable, digest, of_text

#: Set by the machinery that makes classes, not by people.
_GENERATED_CODE = re.compile(r"^<(string|dataclass|attrs generated|namedtuple)")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_OWN_PACKAGE = __name__.partition(".")[0]

#: What IPython puts into a notebook's namespace: always there, and never what a result depends on.
_OF_IPYTHON = frozenset({"get_ipython", "display", "In", "Out", "exit", "quit"})

#: Instructions that read a name of the module.
_READS_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_READS_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})

_MEMBERS = (types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType)


#: Stands for all names of a notebook among those that a function uses.
ANY_NAME = "*"
#: What a function calls to come to any name.
_LOOKS_AROUND = frozenset(
    {
        "globals",
        "locals",
        "eval",
        "exec",
        "get_ipython",
        ("sys", "_getframe"),
        ("inspect", "currentframe"),
        ("inspect", "stack"),
    }
)


@dataclass(frozen=True, slots=True)
class Apart:
    """A notebook's namespace whose names count apart from the functions that use them, and what was met of it.

    Parameters
    ----------
    names
        The names of the namespace that functions and methods use which were met on the way.
    objects
        Id to each object that can be changed and was met, kept so that no id is used twice. Of a table its own id
        alone, of an array also that of the array that owns its memory.
    """

    namespace: Mapping[str, object]
    names: set[str] = dataclass_field(default_factory=set)
    objects: dict[int, object] = dataclass_field(default_factory=dict)


def is_users(module_name: str | None) -> bool:
    """Tell whether what is defined in a module counts by its content: neither installed nor of the standard library."""
    if not module_name or module_name in ("__main__", "__mp_main__"):
        return True
    top = module_name.partition(".")[0]
    if top in sys.stdlib_module_names or top == _OWN_PACKAGE:
        return False
    module = sys.modules.get(module_name)
    if module is None:  # it came from another process, by value
        return True
    file = getattr(module, "__file__", None) or getattr(sys.modules.get(top), "__file__", None)
    return file is not None and not {"site-packages", "dist-packages"} & set(PurePath(file).parts)


def of_installed(module_name: str, qualified_name: str) -> bytes:
    """Return the encoding of something that counts by its name and the version of its package."""
    top = module_name.partition(".")[0]
    version = "" if top in sys.stdlib_module_names else _version_of(top)
    return digest(b"installed", [of_text(module_name), of_text(qualified_name), of_text(version)])


@functools.lru_cache(maxsize=256)
def _version_of(package: str) -> str:
    module = sys.modules.get(package)
    version = getattr(module, "__version__", None)
    if isinstance(version, str):
        return version
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        distributions = importlib.metadata.packages_distributions().get(package, [])
        return ",".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(distributions)))


def of_code_node(
    encode: Encode, node: types.FunctionType | type | types.ModuleType, apart: Apart | None = None
) -> bytes:
    """Return the encoding of a function, class or module of the user, with ``encode`` for all that it uses.

    Parameters
    ----------
    apart
        The namespace of which only the names that are used are noted.
    """
    if isinstance(node, types.FunctionType):
        return _of_function(encode, node, apart)
    if isinstance(node, type):
        return _of_class(encode, node)
    return _of_module(encode, node)


def outline(node: types.FunctionType | type | types.ModuleType) -> bytes:
    """Return an encoding of a code node alone, without what it uses: to tell a few of them apart, and put in order."""
    if isinstance(node, types.FunctionType):
        return digest(b"outline", [_of_code(node.__code__)])
    names = sorted(node.__dict__) if isinstance(node, type) else []
    return digest(b"outline", map(of_text, (node.__name__, *names)))


def _of_function(encode: Encode, function: types.FunctionType, apart: Apart | None) -> bytes:
    parts = [_of_code(function.__code__)]
    for index, value in enumerate(function.__defaults__ or ()):
        parts.append(_step(encode, value, f" default {index}"))
    for name, value in sorted((function.__kwdefaults__ or {}).items()):
        parts += (of_text(name), _step(encode, value, f" default {name}"))
    for name, value in sorted(vars(function).items()):
        if not (name.startswith("__") and name.endswith("__")):
            parts += (of_text(name), _step(encode, value, f".{name}"))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            content = cell.cell_contents
        except ValueError:
            parts.append(b"unset;")  # never assigned
            continue
        parts.append(_step(encode, content, f" enclosed {name}"))
    if apart is not None:
        used = _names_used(function.__code__)
        if any(chain[0] in _LOOKS_AROUND or chain[:2] in _LOOKS_AROUND for chain in used):
            apart.names.add(ANY_NAME)
    if apart is not None and function.__globals__ is apart.namespace:
        apart.names.update(chain[0] for chain in used)
    elif is_users(function.__module__):
        parts += _of_globals(encode, function)
    else:
        # a closure or a lambda of an installed package
        parts.append(of_installed(function.__module__, function.__qualname__))
    return digest(b"function", parts)


def _of_globals(encode: Encode, function: types.FunctionType) -> Iterator[bytes]:
    namespace = function.__globals__
    done: set[str] = set()
    for chain in _names_used(function.__code__):
        root = chain[0]
        if root not in namespace or root in _OF_IPYTHON or (root.startswith("__") and root.endswith("__")):
            continue
        value, path = namespace[root], root
        for attribute in chain[1:]:
            if not (isinstance(value, types.ModuleType) and is_users(value.__name__)):
                break
            value = getattr(value, attribute, None)
            path += "." + attribute
        if path not in done:
            done.add(path)
            yield of_text(path) + _step(encode, value, f" global {path}")


@functools.lru_cache(maxsize=1024)
def _names_used(code: types.CodeType) -> tuple[tuple[str, ...], ...]:
    """Return the names of the module that code reads, each with the attributes that are read from it at once."""
    chains: set[tuple[str, ...]] = set()
    chain: tuple[str, ...] = ()
    for instruction in dis.get_instructions(code):
        if instruction.opname in _READS_GLOBAL:
            if chain:
                chains.add(chain)
            chain = (str(instruction.argval),)
        elif chain and instruction.opname in _READS_ATTRIBUTE:
            chain += (str(instruction.argval),)
        elif chain and instruction.opname != "CACHE":
            chains.add(chain)
            chain = ()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            chains.update(_names_used(constant))
    return tuple(sorted(chains))


@functools.lru_cache(maxsize=1024)
def _of_code(code: types.CodeType) -> bytes:
    names = (code.co_name, *code.co_names, "", *code.co_varnames, "", *code.co_cellvars, "", *code.co_freevars)
    numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return digest(
        b"code",
        [
            SCALARS[bytes](code.co_code),
            SCALARS[bytes](code.co_exceptiontable),
            *map(of_text, names),
            *map(SCALARS[int], numbers),
            *map(_of_constant, code.co_consts),
        ],
    )


def _of_constant(constant: object) -> bytes:
    if isinstance(constant, types.CodeType):
        return _of_code(constant)
    if isinstance(constant, tuple):
        return digest(b"tuple", map(_of_constant, constant))
    if isinstance(constant, frozenset):
        return digest(b"frozenset", sorted(map(_of_constant, constant)))
    if isinstance(constant, slice):
        return digest(b"slice", map(_of_constant, (constant.start, constant.stop, constant.step)))
    return SCALARS[type(constant)](constant)


def _of_class(encode: Encode, cls: type) -> bytes:
    parts = [of_text(cls.__name__), *map(encode, cls.__bases__)]
    if type(cls) is not type:
        parts.append(encode(type(cls)))
    for name, annotation in sorted(_annotations_of(cls).items()):
        parts += (of_text(name), of_text(annotation))
    for name, value in sorted(_attributes_of(cls)):
        parts += (of_text(name), _step(encode, value, f".{name}"))
    return digest(b"class", parts)


def _attributes_of(cls: type) -> Iterator[tuple[str, object]]:
    """Yield what a class body defines, without what machinery adds to it."""
    members = cls.__members__ if issubclass(cls, enum.Enum) else {}
    for name, member in members.items():
        yield name, member.value
    for name, value in cls.__dict__.items():
        if name in members or isinstance(value, _MEMBERS) or name == "_abc_impl":
            continue
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if isinstance(function, types.FunctionType):
            if not _GENERATED_CODE.match(function.__code__.co_filename):
                yield name, value
        elif name == "__slots__" or not (name.startswith("_") and name.endswith("_")):
            yield name, value
    yield from _defaults_of(cls)


def _defaults_of(cls: Any) -> Iterator[tuple[str, object]]:
    """Yield the defaults that records keep elsewhere than in their class body."""
    own = cls.__dict__
    for name, field in own.get("__dataclass_fields__", {}).items():
        import dataclasses

        for kind in ("default", "default_factory"):
            if (default := getattr(field, kind)) is not dataclasses.MISSING:
                yield f"{name} {kind}", default
    if "__struct_defaults__" in own:
        nodefault = sys.modules["msgspec"].NODEFAULT
        for index, default in enumerate(own["__struct_defaults__"]):
            factory = getattr(default, "factory", None)
            if default is not nodefault:
                yield f"__struct_defaults__ {index}", default if factory is None else factory
    for name, field in own.get("__pydantic_fields__", {}).items():
        yield f"{name} default", None if repr(field.default) == "PydanticUndefined" else field.default
        yield f"{name} default_factory", field.default_factory


def _annotations_of(cls: type) -> dict[str, str]:
    try:
        annotations = inspect.get_annotations(cls)
    except Exception:  # where they are evaluated late, a name in them may be missing
        return {}
    return {
        name: value.__name__ if type(value) is type else _ADDRESS.sub("", str(value))
        for name, value in annotations.items()
    }


def _of_module(encode: Encode, module: types.ModuleType) -> bytes:
    parts = [of_text(module.__name__)]
    for name, value in sorted(vars(module).items()):
        if not (name.startswith("__") and name.endswith("__")):
            parts += (of_text(name), _step(encode, value, f".{name}"))
    return digest(b"module", parts)


def _step(encode: Encode, value: object, step: str) -> bytes:
    try:
        return encode(value)
    except NotEncodable as error:
        error.steps.append(step)
        raise
