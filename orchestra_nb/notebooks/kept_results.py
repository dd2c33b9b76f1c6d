"""What a task cell needs of whoever keeps its results: the cell is in this floor, the cache above it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.notebooks.cell_values import PackResult


@dataclass(frozen=True, slots=True)
class KeptResult:
    """What a cell gave: its values, the names that it deleted, and what it showed."""

    packed: PackResult
    deleted: tuple[str, ...]
    outputs: list[dict[str, object]]


class KeptEntry(Protocol):
    """The place of one cell's result with these inputs."""

    def find(self) -> KeptResult | None:
        """Return the result; None: it is the caller's to compute. Waits while somebody else computes it."""

    def computing(self) -> AbstractContextManager[None]:
        """Return what lets others wait as long as it is entered."""

    def keep(self, result: KeptResult) -> str | None:
        """Keep what was computed; return why it could not be."""


class ResultKeeper(Protocol):
    """Keeps the results of one cell; travels with it."""

    def entry(self, inputs: Mapping[str, object], context: AttemptContext) -> KeptEntry | None:
        """Return where the result with these inputs is kept; None, with a warning, when it cannot be."""
