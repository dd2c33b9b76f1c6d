"""What a name holds while its task has not been waited for: an object that never passes for a value."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NoReturn

from orchestra_nb.errors import ValuePending

NOTHING: Final = object()
#: told, in the main thread, of names under which values have come in the place of pending ones, or nothing at all
binding_listeners: Final[list[Callable[[Collection[str]], None]]] = []


class PendingValue:
    """Stands for a value that a task will give, or has given on the cluster.

    A cell that reads the name waits for it before it runs. Where the name was reached in a way that nobody can see
    beforehand (``globals()["x"]``), any use raises :class:`ValuePending`, which says how to get the value; it is
    never a stale value. ``result()`` waits for it and returns it.
    """

    __slots__ = ("_describe", "_kind", "_name", "_resolve", "before", "earlier", "task_run_id")

    def __init__(
        self,
        name: str,
        task_run_id: str,
        describe: Callable[[], str],
        resolve: Callable[[], object],
        earlier: object = NOTHING,
        before: object = NOTHING,
        kind: str | None = None,
    ) -> None:
        self._name = name
        #: the package of the value's type, as far as the code of the task says it; read by the analysis of names
        self._kind = kind
        self.task_run_id = task_run_id
        self._describe = describe
        #: what the name held before and goes on holding when the task does not bind it; NOTHING if it held nothing
        self.earlier = earlier
        #: what the task took under this name: if it fails, its cell takes that again; NOTHING if it took nothing
        self.before = before
        self._resolve = resolve

    def result(self) -> object:
        """Wait for the task and return the value; the name is bound to it, too."""
        return self._resolve()

    def __repr__(self) -> str:
        return f"<{self._name}: {self._describe()}>"

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("_"):  # protocols that merely look (IPython's display, copy, inspect) hear "no"
            raise AttributeError(attribute)
        self._refuse()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ValuePending(
            f"{self._name!r} was reached before its task was waited for ({self._describe()}). Write the name "
            f"{self._name} in the cell, or call .result() on this object."
        )

    __bool__ = __len__ = __iter__ = __contains__ = __call__ = _refuse
    __getitem__ = __setitem__ = __delitem__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _refuse
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __pos__ = __abs__ = __invert__ = _refuse
    __int__ = __float__ = __complex__ = __index__ = __enter__ = __exit__ = __reduce_ex__ = _refuse
