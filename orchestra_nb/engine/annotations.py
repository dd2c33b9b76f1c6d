"""What an argument of a task may be wrapped in, to say how it is taken: the names and meanings are Prefect's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class BaseAnnotation(Generic[Value]):
    """A wrapped argument."""

    value: Value

    def unwrap(self) -> Value:
        """Return what is wrapped."""
        return self.value

    def rewrap(self, value: Value) -> BaseAnnotation[Value]:
        """Return another value in the same wrapping."""
        return type(self)(value)


class unmapped(BaseAnnotation[Value]):
    """An argument of ``.map`` that each call gets whole, although it can be iterated."""

    __slots__ = ()


class allow_failure(BaseAnnotation[Value]):
    """A future whose task may fail: the task that takes it runs all the same, and gets the exception in its place."""

    __slots__ = ()


class quote(BaseAnnotation[Value]):
    """An argument in which no futures are looked for: large nested data is passed on as it is."""

    __slots__ = ()

    def unquote(self) -> Value:
        """Return what is wrapped."""
        return self.value
