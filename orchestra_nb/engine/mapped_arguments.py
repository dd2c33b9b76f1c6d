"""Arguments of ``Task.map``: which of them are mapped over, and what each call gets."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from orchestra_nb.engine.annotations import BaseAnnotation, allow_failure, quote, unmapped
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.task_settings import InvalidOption


class MappingError(InvalidOption):
    """The arguments of ``.map`` cannot be mapped over."""


class MappedArguments:
    """The arguments of all calls of one ``.map``.

    Parameters
    ----------
    task_name, signature
        Of the task.
    bound
        Name of a parameter to what it was given.

    Raises
    ------
    MappingError
        Nothing can be iterated, or the lengths differ.
    """

    def __init__(self, task_name: str, signature: inspect.Signature, bound: Mapping[str, Any]) -> None:
        self._signature = signature
        mapped: dict[str, list[Any]] = {}
        constant: dict[str, Any] = {}
        taken: dict[str, None] = {}
        for name, value in bound.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                for key, item in value.items():
                    _sort_column(key, item, mapped, constant, taken)
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                for number, item in enumerate(value):
                    _sort_column(f"*{name}[{number}]", item, mapped, constant, taken)
            else:
                _sort_column(name, value, mapped, constant, taken)
        if not mapped:
            raise MappingError(
                f"Task {task_name}: .map got nothing that can be iterated. Pass a list, or use .submit for one call."
            )
        lengths = {name: len(values) for name, values in mapped.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise MappingError(
                f"Task {task_name}: the arguments of .map have different lengths ({listed}). Wrap those that each call "
                "shall get whole in unmapped()."
            )
        self._columns: dict[str, list[Any] | _Constant] = {
            **mapped,
            **{name: _Constant(value) for name, value in constant.items()},
        }
        self._length = next(iter(lengths.values()))
        #: the ids of the task runs whose values are mapped over
        self.taken = tuple(taken)

    def __len__(self) -> int:
        return self._length

    def are_all(self, test: Callable[[Iterable[object]], bool]) -> bool:
        """Tell whether the values of each parameter, in the order of the calls, pass a test."""
        return all(map(test, self._columns.values()))

    def __iter__(self) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Yield what each call gets."""
        return (self._call(number) for number in range(self._length))

    def _call(self, number: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        rest = {name: column[number] for name, column in self._columns.items()}
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                keys = [key for key in rest if key.startswith(f"*{name}[")]
                args.extend(rest.pop(key) for key in keys)
            elif name in rest:
                if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
                    args.append(rest.pop(name)) if not kwargs else kwargs.__setitem__(name, rest.pop(name))
                else:
                    kwargs[name] = rest.pop(name)
            elif parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
                kwargs.update({key: rest.pop(key) for key in list(rest) if key in self._signature.parameters})
        return tuple(args), {**kwargs, **rest}


class _Constant:
    """The same value for each call."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getitem__(self, number: int) -> Any:
        return self._value

    def __iter__(self) -> Iterator[Any]:
        yield self._value


def _sort_column(
    name: str, value: Any, mapped: dict[str, list[Any]], constant: dict[str, Any], taken: dict[str, None]
) -> None:
    if isinstance(value, unmapped):
        constant[name] = value.value
        return
    if isinstance(value, quote):
        constant[name] = value
        return
    inner = value.value if isinstance(value, allow_failure) else value
    if isinstance(inner, TaskFuture):
        taken[inner.task_run_id] = None
        inner = inner.result_for_call(raise_on_failure=not isinstance(value, allow_failure))
    if isinstance(inner, str | bytes | io.IOBase | BaseAnnotation) or not _can_be_iterated(inner):
        constant[name] = value if not isinstance(value, TaskFuture) else inner
        return
    items = list(inner)
    mapped[name] = [allow_failure(item) for item in items] if isinstance(value, allow_failure) else items


def _can_be_iterated(value: object) -> bool:
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True
