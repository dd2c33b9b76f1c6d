"""What is rehearsed for runners: all of it can be done, and nothing is left of it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from orchestra_nb.notebooks.runner_rehearsal import rehearse


def test_a_rehearsal_leaves_no_file_thread_or_descriptor_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads, descriptors = threading.enumerate(), os.listdir("/proc/self/fd")

    rehearse()

    assert list(tmp_path.iterdir()) == []
    assert threading.enumerate() == threads
    assert os.listdir("/proc/self/fd") == descriptors
