"""``RunInput``: a pydantic model of what a paused flow asks for, with first values and words for whoever answers.

Loads pydantic: imported only by programs that use the class.
"""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar, Self

from pydantic import BaseModel, create_model  # noqa: TID253  the class is a model
from pydantic.fields import FieldInfo  # noqa: TID253


class RunInput(BaseModel):
    """What a flow asks people for.

    Examples
    --------
    >>> class Review(RunInput):
    ...     rows: int
    ...     comment: str = ""
    >>> Review.with_initial_data(description="Is it right?", rows=3)().rows
    3
    """

    _description: ClassVar[str | None] = None

    @classmethod
    def with_initial_data(cls, description: str | None = None, **initial: Any) -> type[Self]:
        """Return this model with defaults for some fields, and a text for whoever answers.

        Nothing else of the fields changes: their rules hold for the answer, and for a default that is left as it is.
        """
        unknown = sorted(set(initial) - set(cls.model_fields))
        if unknown:
            raise TypeError(f"{cls.__name__} has no field {unknown[0]!r}.")
        fields: dict[str, Any] = {
            name: (cls.model_fields[name].annotation, _with_default(cls.model_fields[name], value))
            for name, value in initial.items()
        }
        model: type[Self] = create_model(cls.__name__, __base__=cls, **fields)
        model._description = description
        return model


def _with_default(field: FieldInfo, value: object) -> FieldInfo:
    """Return a copy of a field that differs in its default only."""
    changed = copy(field)
    changed.default, changed.default_factory, changed.validate_default = value, None, True
    # what pydantic takes for given when it makes the new model; no public way from 2.7 on sets it
    given = {name: given for name, given in field._attributes_set.items() if name != "default_factory"}
    changed._attributes_set = given | {"default": value, "validate_default": True}
    return changed
