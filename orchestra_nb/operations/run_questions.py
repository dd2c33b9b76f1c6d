"""What runs ask people for: list the questions, and answer them.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Final

from orchestra_nb.errors import InputNotFound, InvalidInput
from orchestra_nb.model.example_values import example_of
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.secret_answers import without_secrets
from orchestra_nb.model.typed_runs import NamedRun, typed_run
from orchestra_nb.operations.runs import find_run

#: So many fields of an answer are told that are wrong.
_MOST_WRONG: Final = 10
#: So many characters of what is said of each: it repeats the part of the answer that is wrong.
_LONGEST_WORDS: Final = 200

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    from orchestra_nb.store.run_store import RunStore


def list_inputs(store: RunStore, run: str) -> list[RunInput]:
    """Return what a run has asked for, in order, answered or not; what a question calls a secret is hidden.

    Raises
    ------
    RunNotFound
        There is no run with this id or name.
    """
    from orchestra_nb.store.run_input_store import RunInputStore

    asked = RunInputStore(store.database).of_run(find_run(store, run).run_id)
    return [without_secrets(question) for question in asked]


def answer_input(
    store: RunStore, run: str, value: object, *, actor: str, now: datetime, key: str | None = None
) -> RunInput:
    """Answer a question of a run, and return it as :func:`list_inputs` does.

    Parameters
    ----------
    value
        Of JSON's types; None for a question that only asks to go on.
    key
        Which question; None when the run waits for one only.

    Raises
    ------
    RunNotFound, InputNotFound
        There is no such run, or it asks for no such input.
    InvalidInput
        The value does not fit what is asked for, and its ``at`` says where; or it is not said which question is meant.
    Conflict
        It was answered before.
    """
    from orchestra_nb.store.run_input_store import RunInputStore

    found = find_run(store, run)
    asked = RunInputStore(store.database).of_run(found.run_id)
    question = _choose(found.name, asked, key)
    to_json_text(value, f"The input {question.key!r}")
    _check(value, question, found)
    return without_secrets(RunInputStore(store.database).answer(found.run_id, question.key, value, actor, now))


def _choose(run_name: str, asked: list[RunInput], key: str | None) -> RunInput:
    if key is not None:
        named = next((question for question in asked if question.key == key), None)
        if named is None:
            raise InputNotFound(f"Run {run_name} does not ask for an input {key!r}.")
        return named
    waiting = [question for question in asked if question.answered_at is None]
    if not waiting:
        raise InputNotFound(f"Run {run_name} waits for no input.")
    if len(waiting) > 1:
        keys = ", ".join(question.key for question in waiting)
        raise InvalidInput(f"Run {run_name} waits for several inputs: {keys}. Say which one with --key.")
    return waiting[0]


def _check(value: object, question: RunInput, run: NamedRun) -> None:
    """Refuse a value that does not fit the schema of its question, naming the place."""
    if question.schema is None:
        if value is not None:
            raise InvalidInput(f"The question {question.key!r} asks for no value, only to go on.")
        return
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    errors = sorted(Draft202012Validator(question.schema).iter_errors(value), key=lambda error: error.json_path)
    if not errors:
        return
    if value is None:
        example = shlex.quote(json.dumps(example_of(question.schema)))
        raise InvalidInput(
            f"The input {question.key!r} of run {run.name} asks for a value. Give it, such as with "
            f"`orchestra runs resume {typed_run(run)} --input {example}`."
        )
    nearest = [best_match([error]) for error in errors[:_MOST_WRONG]]
    said = "; ".join(_words_of(error) for error in nearest)
    more = f"; and {len(errors) - _MOST_WRONG} more" if len(errors) > _MOST_WRONG else ""
    between = " " if nearest[0].path else ": "
    raise InvalidInput(
        f"The input {question.key!r} does not fit what is asked for{between}{said}{more}",
        {_pointer_of(error): _shortened(error.message) for error in reversed(nearest)},
    )


def _words_of(error: ValidationError) -> str:
    """Return where something is wrong, and what: its begin and its end, where the reason stands."""
    place = f"at {_shortened(error.json_path)}: " if error.path else ""
    return f"{place}{_shortened(error.message)}"


def _pointer_of(error: ValidationError) -> str:
    """Return the place of an error as a JSON pointer: of what is missing, where it would stand."""
    steps = list(error.absolute_path)
    if error.validator == "required" and isinstance(error.instance, dict):
        steps += [name for name in error.validator_value if name not in error.instance][:1]
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def _shortened(text: str) -> str:
    half = _LONGEST_WORDS // 2
    return text if len(text) <= _LONGEST_WORDS else f"{text[:half]} … {text[-half:]}"
