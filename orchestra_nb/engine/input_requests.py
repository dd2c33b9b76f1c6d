"""Asking people: the question goes to the store, and the answer comes back when somebody has given it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from orchestra_nb.engine.services import ask_for
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.questions import AskForInput, InputAnswer

#: How often to look whether somebody has answered: at first, and at last.
_SHORTEST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 1.0


def find_input(key: str, schema: Mapping[str, object] | None = None, description: str = "") -> tuple[bool, object]:
    """Ask people for an input, unless it was asked before, and return (whether they answered, their answer).

    Parameters
    ----------
    key
        Names the question within the run: a run that is run again finds the answer that was given.
    schema
        A JSON Schema that the answer must fit; None when only "go on" is asked for.
    """
    if not key:
        raise InvalidInput("A question needs a key that names it within the run.")
    schema_json = None if schema is None else to_json_text(dict(schema), f"The schema of input {key!r}")
    answer = ask_for(InputAnswer, AskForInput(key=key, schema_json=schema_json, description=description))
    return answer.is_given, None if answer.value_json is None else from_json_text(answer.value_json)


def wait_for_answer(
    key: str,
    schema: Mapping[str, object] | None = None,
    description: str = "",
    timeout_seconds: float | None = None,
) -> object:
    """Ask as :func:`find_input`, wait for the answer, and return it.

    Raises
    ------
    TimeoutError
        Nobody answered in time; None waits for ever.
    """
    began = time.monotonic()
    while True:
        is_given, value = find_input(key, schema, description)
        if is_given:
            return value
        waited = time.monotonic() - began
        if timeout_seconds is not None and waited >= timeout_seconds:
            raise TimeoutError(f"Nobody answered {key!r} within {timeout_seconds:g} s.")
        pause = min(max(waited / 10, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
        time.sleep(pause if timeout_seconds is None else min(pause, timeout_seconds - waited))
