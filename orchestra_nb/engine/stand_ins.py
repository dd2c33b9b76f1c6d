"""Values that stand for what tasks would give, while a flow's body runs only to see which tasks it calls.

What is made of a stand-in (an item, an attribute, a sum) is a stand-in too, so that a body goes on as far as it only
passes values along. Where it needs the value itself (``if``, ``for``, ``len``), it cannot, and the error says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, NoReturn

from orchestra_nb.engine.user_frames import user_line
from orchestra_nb.errors import InvalidInput


class FlowVisualizationError(InvalidInput):
    """A flow's body cannot be followed without running its tasks."""


class StandIn:
    """Stands for a value that a task would give, or for what is made of such values.

    Parameters
    ----------
    sources
        Ids of the nodes of the graph that the value would come from.
    label
        Of the first of them, for people.
    is_series
        Whether it may be read item by item: it gives one item, which stands for each.
    """

    __slots__ = ("_is_series", "_label", "_sources")

    def __init__(self, sources: tuple[str, ...], label: str, is_series: bool = False) -> None:
        self._sources = sources
        self._label = label
        self._is_series = is_series

    @property
    def stand_in_sources(self) -> tuple[str, ...]:
        """Ids of the nodes of the graph that the value would come from."""
        return self._sources

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("_"):  # other libraries ask for these to learn what a value can do
            raise AttributeError(f"The value of {self._label} is not known: no task runs for a graph.")
        return self._derived()

    def __getitem__(self, key: object) -> StandIn:
        return self._derived(key)

    def __call__(self, *args: object, **kwargs: object) -> StandIn:
        """Return what stands for what a method of the value would return."""
        return self._derived(*args, *kwargs.values())

    def __iter__(self) -> Iterator[StandIn]:
        if not self._is_series:
            self._refuse("reads {} item by item")
        return iter([self._derived()])

    async def __aiter__(self) -> Any:
        for item in self:
            yield item

    def __await__(self) -> Generator[Any, None, StandIn]:
        return self
        yield  # makes this a generator, which is what may be awaited

    def __bool__(self) -> bool:
        self._refuse("decides by {}")

    def __len__(self) -> int:
        self._refuse("asks for the length of {}")

    def __contains__(self, item: object) -> bool:
        self._refuse("asks what is in {}")

    def __int__(self) -> int:
        self._refuse("takes {} as a number")

    def __float__(self) -> float:
        self._refuse("takes {} as a number")

    def __index__(self) -> int:
        self._refuse("counts by {}")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self._label}>"

    def __format__(self, form: str) -> str:
        return repr(self)

    def _derived(self, *others: object) -> StandIn:
        found = list(self._sources)
        for other in others:
            found += other._sources if isinstance(other, StandIn) else ()
        return StandIn(tuple(dict.fromkeys(found)), self._label)

    def _refuse(self, what: str) -> NoReturn:
        task = self._label.rsplit("-", 1)[0]
        place = user_line()
        raise FlowVisualizationError(
            f"The flow {what.format(f'the value of {self._label}')}{f' in {place}' if place else ''}. While the graph "
            f"is made no task gives a value: write viz_return_value=… at {task}, the value with which to go on."
        )


def _operator(*_: str) -> Callable[..., StandIn]:
    def operate(self: StandIn, *others: object) -> StandIn:
        return self._derived(*others)

    return operate


_BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "and", "or", "xor")
_OTHERS = ("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", "round", "lshift", "rshift")
for _name in (*_BINARY, *_OTHERS, *(f"r{_name}" for _name in _BINARY)):
    setattr(StandIn, f"__{_name}__", _operator(_name))
