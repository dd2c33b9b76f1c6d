"""Annotations of arguments: Prefect's module name."""

from orchestra_nb.engine.annotations import allow_failure, quote, unmapped

__all__ = ["allow_failure", "quote", "unmapped"]
