"""Serializers of results, for ``result_serializer``: Prefect's module name."""

from orchestra_nb.engine.result_serializers import (
    ArrowSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)

__all__ = ["ArrowSerializer", "CompressedSerializer", "JSONSerializer", "PickleSerializer", "Serializer"]
