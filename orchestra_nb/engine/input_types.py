"""What a paused flow may ask for (nothing, a type, a pydantic model, a JSON Schema), as a schema, and back as a value.

Pydantic is loaded only for types and models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestra_nb.errors import InvalidInput

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class InputType:
    """What is asked for.

    Parameters
    ----------
    schema
        JSON Schema of the answer; None when only "go on" is asked for.
    description
        What to tell whoever answers.
    """

    schema: dict[str, object] | None
    description: str = ""
    adapter: TypeAdapter[Any] | None = None

    def value_of(self, answer: object, key: str) -> Any:
        """Return the answer as the type that was asked for.

        Raises
        ------
        InvalidInput
            It does not fit: a validator of the model's own refuses it.
        """
        if self.adapter is None:
            return answer
        from pydantic import ValidationError

        try:
            return self.adapter.validate_json(json.dumps(answer))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            at = f" at {where}" if where else ""
            raise InvalidInput(f"The answer to {key!r} does not fit what was asked for{at}: {first['msg']}") from None


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
        return InputType(schema, str(schema.get("description", "")))
    if isinstance(wait_for_input, str | bytes | int | float):
        raise InvalidInput(
            f"wait_for_input is {wait_for_input!r}. Write a type such as int, a pydantic model, or a JSON Schema."
        )
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(wait_for_input)
        schema = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise InvalidInput(
            f"wait_for_input is {wait_for_input!r}, of which no form can be made: {error}. Write a type such as int, a "
            "pydantic model, or a JSON Schema."
        ) from None
    described = getattr(wait_for_input, "_description", None)
    return InputType(schema, described if isinstance(described, str) else "", adapter)
