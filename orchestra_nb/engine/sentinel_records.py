"""The worker's end of the way to its sentinel: what it writes before and after user code."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping

from orchestra_nb.engine.sentinel import beside_command, uptime


class SentinelRecords:
    """Writes records to the sentinel: the worker's parent, or one beside it that is started when first needed.

    Parameters
    ----------
    descriptor
        Where the sentinel that started this process reads; None if none did.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
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
