"""Dead letters: list, show, and decide about each of them once.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.operations.runs import listed_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most letters that one call returns.
MAX_LETTERS = 500


def list_dead_letters(
    store: RunStore,
    *,
    state: LetterState | None = LetterState.OPEN,
    run: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[DeadLetter]:
    """Return letters, the newest first.

    Parameters
    ----------
    state
        None for letters in all states.
    run
        Id or name of a run; None for those of all.
    before
        Only those older than the one with this id, the last of the page before.

    Raises
    ------
    RunNotFound
        There is no such run.
    """
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    run_id = listed_run(store, run, limit, MAX_LETTERS)
    return DeadLetterStore(store.database).list_letters(state=state, run_id=run_id, before=before, limit=limit)


def show_dead_letter(store: RunStore, id_: str) -> DeadLetter:
    """Return the letter with this id, or the newest of the task run or run with this id.

    Raises
    ------
    DeadLetterNotFound
        There is none.
    """
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    return DeadLetterStore(store.database).get(id_)


def describe_inputs(store: RunStore, letter: DeadLetter) -> dict[str, str]:
    """Return name of an input to its value, in people's words, or to the file that has it.

    A task's are named as its call has them: ``args[0]``, or the name of a keyword.
    """
    from orchestra_nb.store.run_code_store import RunCodeStore

    if letter.inputs or letter.task_run_id is None:
        # what a flow was given stands in the record of its run
        given = store.get_run(letter.run_id).parameters if letter.task_run_id is None else {}
        return {
            name: reference or (repr(to_readable(given[name])) if name in given else "not kept")
            for name, reference in letter.inputs.items()
        }
    codes = RunCodeStore(store.database)
    code = codes.find(letter.task_run_id) or codes.find(letter.run_id)
    if code is None or not code.call:
        return {}
    if code.missing:
        return {"arguments": f"not kept: {code.missing}"}
    if code.parameters_json is None:
        return {} if code.pickle is None else {"arguments": code.pickle.url}
    parameters = json.loads(code.parameters_json)
    named = [(f"args[{position}]", value) for position, value in enumerate(parameters["args"])]
    return {name: repr(value) for name, value in [*named, *parameters["kwargs"].items()]}


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
