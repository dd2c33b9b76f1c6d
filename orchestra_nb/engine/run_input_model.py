"""``RunInput``: a pydantic model of what a paused flow asks for, with first values and words for whoever answers.

Loads pydantic: imported only by programs that use the class.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import BaseModel, Field, create_model  # noqa: TID253  the class is a model


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
        """Return this model with defaults for some fields, and a text for whoever answers."""
        unknown = sorted(set(initial) - set(cls.model_fields))
        if unknown:
            raise TypeError(f"{cls.__name__} has no field {unknown[0]!r}.")
        fields: dict[str, Any] = {
            name: (cls.model_fields[name].annotation, Field(default=value)) for name, value in initial.items()
        }
        model: type[Self] = create_model(cls.__name__, __base__=cls, **fields)
        model._description = description
        return model
