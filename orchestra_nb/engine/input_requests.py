"""Asking people: the question goes to the store, and the answer comes back when somebody has given it."""

from __future__ import annotations

import time
from typing import Any

from orchestra_nb.engine.input_forms import InputForm, input_form
from orchestra_nb.engine.services import ask_for
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.questions import AskForInput, InputAnswer

#: How often to look whether somebody has answered: at first, and at last.
_SHORTEST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 1.0


def find_input(key: str, kind: Any = None, description: str = "") -> tuple[bool, Any]:
    """Ask people for an input, unless it was asked before, and return (whether they answered, their answer).

    Returns at once, so that a flow can give its process back meanwhile.

    Parameters
    ----------
    key
        Names the question within the run: a run that is run again finds the answer that was given.
    kind
        The type of the answer (:func:`~orchestra_nb.engine.input_forms.input_form`); None when people are only asked
        to let the run go on.
    description
        What to tell whoever answers.

    Raises
    ------
    InvalidInput
        There is no key, no form for the type, or no run that asks.
    """
    if not key:
        raise InvalidInput("A question needs a key that names it within the run.")
    form = None if kind is None else input_form(kind)
    return _find(key, form, description)


def wait_for_answer(key: str, kind: Any = None, description: str = "", timeout_seconds: float | None = None) -> Any:
    """Ask as :func:`find_input`, wait for the answer, and return it.

    Raises
    ------
    TimeoutError
        Nobody answered in time; None waits for ever.
    """
    began = time.monotonic()
    while True:
        is_given, value = find_input(key, kind, description)
        if is_given:
            return value
        waited = time.monotonic() - began
        if timeout_seconds is not None and waited >= timeout_seconds:
            raise TimeoutError(f"Nobody answered {key!r} within {timeout_seconds:g} s.")
        pause = min(max(waited / 10, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
        time.sleep(pause if timeout_seconds is None else min(pause, timeout_seconds - waited))


def _find(key: str, form: InputForm | None, description: str) -> tuple[bool, Any]:
    schema_json = None if form is None else to_json_text(form.schema, f"The schema of input {key!r}")
    answer = ask_for(InputAnswer, AskForInput(key=key, schema_json=schema_json, description=description))
    if not answer.is_given or answer.value_json is None:
        return answer.is_given, None
    value = from_json_text(answer.value_json)
    return True, value if form is None else form.parse(value)
