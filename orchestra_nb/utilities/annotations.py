"""Annotations of arguments: Prefect's module name."""

from orchestra_nb.engine.annotations import BaseAnnotation, allow_failure, quote, unmapped

__all__ = ["BaseAnnotation", "allow_failure", "quote", "unmapped"]
