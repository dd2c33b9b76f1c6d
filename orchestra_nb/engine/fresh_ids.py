"""Ids of what begins now. The randomness comes in blocks: asking the system for each lets other threads run first."""

from __future__ import annotations

import os
import threading
from datetime import datetime

from orchestra_nb.model.identifiers import new_id

_ID_BYTES = 10
_BLOCK_BYTES = 512 * _ID_BYTES


class _RandomBits:
    """Gives 80 random bits a call, never the same to two threads or to a process and its fork."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Let go of what was drawn: in a fork, where the parent gives the same."""
        self._lock = threading.Lock()
        self._block = b""
        self._used = 0

    def next(self) -> int:
        with self._lock:
            if self._used >= len(self._block):
                self._block = os.urandom(_BLOCK_BYTES)
                self._used = 0
            start = self._used
            self._used = start + _ID_BYTES
            return int.from_bytes(self._block[start : self._used])


_bits = _RandomBits()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_bits.forget)


def fresh_id(now: datetime) -> str:
    """Return an id of :func:`~orchestra_nb.model.identifiers.new_id` that no other has. For any thread."""
    return new_id(now, _bits.next())
