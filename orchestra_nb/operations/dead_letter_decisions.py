"""Dead letters: list, show, and decide about each of them once.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most letters that one call returns.
MAX_LETTERS = 500


def list_dead_letters(
    store: RunStore, *, state: LetterState | None = LetterState.OPEN, run: str | None = None, limit: int = 50
) -> list[DeadLetter]:
    """Return letters, the newest first.

    Parameters
    ----------
    state
        None for letters in all states.
    run
        Id or name of a run; None for those of all.

    Raises
    ------
    RunNotFound
        There is no such run.
    """
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    if not 1 <= limit <= MAX_LETTERS:
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_LETTERS}.")
    run_id = None if run is None else find_run(store, run).run_id
    return DeadLetterStore(store.database).list_letters(state=state, run_id=run_id, limit=limit)


def show_dead_letter(store: RunStore, id_: str) -> DeadLetter:
    """Return the letter with this id, or the newest of the task run or run with this id.

    Raises
    ------
    DeadLetterNotFound
        There is none.
    """
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    return DeadLetterStore(store.database).get(id_)


def discard_dead_letter(store: RunStore, id_: str, *, actor: str, now: datetime, note: str = "") -> DeadLetter:
    """Decide that nothing is done about a letter, and return it.

    Raises
    ------
    DeadLetterNotFound
        There is none.
    Conflict
        Somebody has decided about it before.
    """
    return close_dead_letter(store, id_, LetterState.DISCARDED, actor=actor, now=now, note=note)


def close_dead_letter(
    store: RunStore, id_: str, state: LetterState, *, actor: str, now: datetime, note: str = ""
) -> DeadLetter:
    """Write what was decided about a letter, once; raises as :func:`discard_dead_letter`.

    Whoever retries calls this first, and starts the new run only when it succeeds.
    """
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    letter = show_dead_letter(store, id_)
    return DeadLetterStore(store.database).close(letter.letter_id, state, actor, now, note)
