"""Other processes, which may end while a test looks at them."""

from __future__ import annotations

import psutil


def words_of(process: psutil.Process) -> list[str]:
    """Return the words of a process's command, or those that it has put in their place; none when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def title_of(process: psutil.Process) -> str:
    """Return the first of these words; empty when there is none."""
    return next(iter(words_of(process)), "")
