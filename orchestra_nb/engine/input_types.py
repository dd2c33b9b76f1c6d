"""What a paused flow may ask for (nothing, a type, a pydantic model, a JSON Schema), and the answer as that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.engine.input_forms import InputForm, input_form
from orchestra_nb.engine.services import ask_for
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.questions import AskForInput, InputAnswer


@dataclass(frozen=True, slots=True)
class InputType:
    """What is asked for.

    Parameters
    ----------
    form
        None when only "go on" is asked for.
    description
        What to tell whoever answers.
    """

    form: InputForm | None
    description: str = ""

    def ask(self, key: str) -> tuple[bool, object]:
        """Ask people, unless it was asked before, and return (whether they answered, the answer as JSON has it)."""
        schema = None if self.form is None else to_json_text(self.form.schema, f"The schema of input {key!r}")
        answer = ask_for(InputAnswer, AskForInput(key=key, schema_json=schema, description=self.description))
        return answer.is_given, None if answer.value_json is None else from_json_text(answer.value_json)

    def value_of(self, answer: object) -> Any:
        """Return the answer as the type that was asked for.

        Raises
        ------
        InvalidInput
            It does not fit: a validator of the model's own refuses it.
        """
        return answer if self.form is None else self.form.parse(answer)


def input_type_of(wait_for_input: Any) -> InputType:
    """Return what ``wait_for_input`` asks for.

    Raises
    ------
    InvalidInput
        It is no type, no model and no schema.
    """
    if wait_for_input is None:
        return InputType(None)
    if isinstance(wait_for_input, Mapping):
        schema = dict(wait_for_input)
        return InputType(InputForm(schema, lambda value: value), str(schema.get("description", "")))
    if isinstance(wait_for_input, str | bytes | int | float):
        raise InvalidInput(
            f"wait_for_input is {wait_for_input!r}. Write a type such as int, a pydantic model, or a JSON Schema."
        )
    described = getattr(wait_for_input, "_description", None)
    return InputType(input_form(wait_for_input), described if isinstance(described, str) else "")
