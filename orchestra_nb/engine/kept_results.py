"""What ended attempts left: small results in this process, large ones on the cluster, until they are released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.attempts import PackedResult, groups_of, select_groups
from orchestra_nb.engine.executors import AttemptResult
from orchestra_nb.errors import TaskCrashed
from orchestra_nb.model.outcomes import Outcome

if TYPE_CHECKING:
    from distributed import Future

    from orchestra_nb.engine.dask_connection import DaskConnection

#: A task that selects some groups of a result for another worker is worth its time when it saves the move of so much.
_SELECT_BYTES = 1_000_000


@dataclass(slots=True)
class KeptResult:
    """The result of one ended attempt.

    Parameters
    ----------
    packed
        The whole result, where it was small enough to come with the news of the end.
    """

    name: str
    outcome: Outcome
    connection: DaskConnection
    future: Future[Any]
    packed: PackedResult | None
    selections: dict[tuple[int, ...], Future[Any]] = field(default_factory=dict)

    def at_hand(self, names: Sequence[str]) -> AttemptResult | None:
        """Return the groups that hold these names if they are in this process. For any thread."""
        if self.packed is None:
            return None
        return select_names(self.packed.unpack(), names)

    def for_downstream(
        self, connection: DaskConnection, names: Sequence[str] | None
    ) -> Future[Any] | PackedResult | None:
        """Return what to send to an attempt that needs these names (None: all); None if they are not to be had."""
        if self.packed is not None:
            return self.packed
        if self.connection is not connection:
            return None
        numbers = groups_of(self.outcome, names)
        sizes = {info.group: info.size_bytes for info in self.outcome.values.values()}
        if sum(sizes.values()) - sum(sizes[number] for number in numbers) < _SELECT_BYTES:
            return self.future
        if numbers not in self.selections:
            self.selections[numbers] = connection.select(self.future, numbers)
        return self.selections[numbers]

    async def fetch(self, names: Sequence[str]) -> AttemptResult:
        """Bring the groups that hold these names from the cluster.

        Raises
        ------
        TaskCrashed
            They are gone with their worker.
        """
        try:
            result = await self.connection.groups(self.future, groups_of(self.outcome, names))
        except (OSError, TimeoutError):
            result = None
        if not isinstance(result, AttemptResult):
            raise TaskCrashed(f"The values of {self.name!r} are gone: the worker that held them died. Run it again.")
        return result


def select_names(result: AttemptResult, names: Sequence[str]) -> AttemptResult:
    """Return a result with the groups that hold these names; the others are None."""
    selected = select_groups(result, groups_of(result.outcome, names))
    assert isinstance(selected, AttemptResult)
    return selected
