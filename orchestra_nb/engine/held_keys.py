"""The cache keys that the calls around this code are computing: a call of one of them must not wait for itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

#: Key to the holder of its claim. It goes along with tasks that are submitted inside, also to other processes.
held_keys: ContextVar[Mapping[str, str]] = ContextVar(
    "orchestra_held_keys",
    default=MappingProxyType({}),
)
