"""Lets paused runs go on: checks the answer against the question, and keeps it where the run finds it.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import REOPENABLE_STATES
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.pool_retries import check_pool_resumption, is_of_pool, resume_in_pool
from orchestra_nb.operations.run_questions import answer_input, list_inputs
from orchestra_nb.operations.runs import find_run, is_suspended

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def resume_run(
    store: RunStore, id_or_name: str, value: object = None, *, actor: str, now: datetime, key: str | None = None
) -> Run:
    """Let a paused run go on where it is, and a suspended one wait in the pool of its deployment; return it then.

    Parameters
    ----------
    value, key
        As :func:`give_answer`; a suspended run whose questions are answered takes no further one.

    Raises
    ------
    RunNotFound, InputNotFound, InvalidInput
        As :func:`give_answer`; nothing is changed then.
    Conflict
        It has ended, somebody else answered or resumed it before, or it is suspended and of no deployment.
    """
    with store.database.together():  # a paused one may just be suspended
        run = find_run(store, id_or_name)
        if is_suspended(run):
            check_pool_resumption(run)
            answer_suspended(store, run, value, actor=actor, now=now, key=key)
            return resume_in_pool(store, run.run_id, actor=actor, now=now)
        give_answer(store, run.run_id, value, actor=actor, now=now, key=key)
        return store.get_run(run.run_id)


def answer_question(
    store: RunStore, id_or_name: str, value: object, *, actor: str, now: datetime, key: str | None = None
) -> RunInput:
    """Answer a question of a run, and return it; with the last answer a suspended run of a deployment goes on.

    It waits in its pool then. A suspended run of no deployment stays so: only where its code is it can be resumed.

    Raises
    ------
    RunNotFound, InputNotFound, InvalidInput, Conflict
        As :func:`~orchestra_nb.operations.run_questions.answer_input`; nothing is changed then.
    """
    run_id = find_run(store, id_or_name).run_id
    with store.database.together():
        question = answer_input(store, run_id, value, actor=actor, now=now, key=key)
        run = store.get_run(run_id)
        if is_suspended(run) and is_of_pool(run) and all(one.answered_at for one in list_inputs(store, run_id)):
            resume_in_pool(store, run_id, actor=actor, now=now)
    return question


def answer_suspended(
    store: RunStore, run: Run, value: object, *, actor: str, now: datetime, key: str | None = None
) -> None:
    """Answer what a suspended run waits for; nothing where code has done so, and nobody has started the run since.

    Raises
    ------
    InputNotFound, InvalidInput, Conflict
        As :func:`give_answer`.
    """
    if value is None and all(question.answered_at is not None for question in list_inputs(store, run.run_id)):
        return
    give_answer(store, run.run_id, value, actor=actor, now=now, key=key)


def give_answer(
    store: RunStore, run: str, value: object, *, actor: str, now: datetime, key: str | None = None
) -> RunInput:
    """Answer what a paused run waits for, and return the question with its answer.

    Parameters
    ----------
    value
        Of JSON's types; None where it only asks to go on. ``{"value": x}`` counts as ``x`` where only ``x`` fits: the
        form that Prefect has for plain types.
    key
        Which question; None when the run waits for one only.

    Raises
    ------
    RunNotFound, InputNotFound
        There is no such run, or it waits for nothing.
    InvalidInput
        The value does not fit what is asked for.
    Conflict
        The run has ended, or somebody else answered before.
    """
    found = find_run(store, run)
    if found.state.is_terminal:
        again = f" Run it again with `orchestra runs retry {typed_run(found)}`."
        again = again if found.state in REOPENABLE_STATES else ""
        raise Conflict(f"Run {found.name} has ended: it is {found.state}.{again}")
    try:
        return answer_input(store, found.run_id, value, actor=actor, now=now, key=key)
    except InvalidInput:
        if not (isinstance(value, dict) and set(value) == {"value"}):
            raise
        return answer_input(store, found.run_id, value["value"], actor=actor, now=now, key=key)
