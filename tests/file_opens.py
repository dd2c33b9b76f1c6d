"""Which files this process opens: so is told what was read, and what was known without."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: Folder to the names of what was opened in it. A hook stays for ever: there is one, and it notes what is asked for.
_watched: Final[dict[str, list[str]]] = {}


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watched and isinstance(arguments[0], str):
        folder, name = os.path.split(arguments[0])
        if folder in _watched:
            _watched[folder].append(name)


sys.addaudithook(_note)


@contextmanager
def opens_in(folder: Path) -> Iterator[list[str]]:
    """Give the names of the files of a folder that are opened in the block, in order; more come as they are."""
    _watched[str(folder)] = found = []
    try:
        yield found
    finally:
        del _watched[str(folder)]
