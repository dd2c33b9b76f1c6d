"""The worker's end of the way to its sentinel: what it writes before and after user code."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Mapping

from orchestra_nb.engine.sentinel import beside_command, uptime

#: An outcome larger than this is not kept by the sentinel until it has been told.
_MOST_OUTCOME_BYTES = 8192


class SentinelRecords:
    """Writes records to the sentinel: the worker's parent, or one beside it that is started when first needed.

    Parameters
    ----------
    descriptor
        Where the sentinel that started this process reads; None if none did.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._is_guarded = descriptor is not None
        self._beside: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def begin(self, key: str, seconds: float | None) -> None:
        """Say that user code is about to run, and after how many seconds to kill this process."""
        with self._lock:
            if self._descriptor is None and seconds is not None:
                self._start_beside()
            self._write({"begin": key, "seconds": seconds})

    def end(self, key: str) -> None:
        """Say that user code ended."""
        with self._lock:
            self._write({"end": key, "at": uptime()})

    @property
    def is_guarded(self) -> bool:
        """Whether the sentinel is this process's parent, and tells how it ended."""
        return self._is_guarded

    def begin_chunk(self, chunk: str) -> None:
        """Say that calls of a chunk are about to run."""
        if self._is_guarded:
            with self._lock:
                self._write({"chunk": chunk})

    def begin_call(self, number: int, at: float, seconds: float | None, outcome: tuple[int, bytes] | None) -> None:
        """Say that a call of the chunk is about to run, and how the one before it ended."""
        record: dict[str, object] = {"call": number, "at": at, "seconds": seconds}
        if outcome is not None and len(outcome[1]) <= _MOST_OUTCOME_BYTES:
            record["done"] = (outcome[0], base64.b64encode(outcome[1]).decode())
        with self._lock:
            self._write(record)

    def end_call(self) -> None:
        """Say that user code of the running call ended."""
        with self._lock:
            self._write({"call_end": True})

    def told(self, chunk: str, number: int) -> None:
        """Say that the outcomes of a chunk up to this number have left the process."""
        if self._is_guarded:
            with self._lock:
                self._write({"told": number, "of": chunk})

    def end_chunk(self, chunk: str) -> None:
        """Say that no call of the chunk will run any more."""
        if self._is_guarded:
            with self._lock:
                self._write({"chunk_end": chunk, "at": uptime()})

    def close(self) -> None:
        """Let a sentinel beside this process end."""
        with self._lock:
            if self._beside is not None and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
                self._beside.wait()
                self._beside = None

    def _start_beside(self) -> None:
        reading, self._descriptor = os.pipe()
        self._beside = subprocess.Popen(beside_command(os.getpid()), stdin=reading, start_new_session=True)
        os.close(reading)

    def _write(self, record: Mapping[str, object]) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps(record).encode() + b"\n")
