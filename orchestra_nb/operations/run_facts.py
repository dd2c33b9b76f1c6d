"""What happened to runs since a change, for those who collect events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestra_nb.operations.run_changes import last_sequence

if TYPE_CHECKING:
    from orchestra_nb.store.run_facts import RunFact
    from orchestra_nb.store.run_store import RunStore

#: So many are read at once.
_FACTS_AT_ONCE: Final = 500


def run_facts_since(store: RunStore, sequence: int) -> tuple[list[RunFact], int]:
    """Return the states that runs entered behind a change, some at a time, and what to pass for those that follow."""
    from orchestra_nb.store.run_facts import RunFacts

    return RunFacts(store.database).since(sequence, last_sequence(store), _FACTS_AT_ONCE)
