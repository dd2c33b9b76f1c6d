"""Inputs of runs: Prefect's module name. ``RunInput`` is a pydantic model; pydantic is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_nb.engine.run_input_model import RunInput

__all__ = ["RunInput"]


def __getattr__(name: str) -> object:
    if name != "RunInput":
        raise AttributeError(f"module 'orchestra_nb.input' has no attribute {name!r}")
    from orchestra_nb.engine.run_input_model import RunInput

    return RunInput
