"""The notebook whose runs a request is about: by where it is, since several may be called alike."""

from __future__ import annotations

import os.path
from typing import Annotated

from msgspec import Meta

from orchestra_nb.rest.endpoint import Call

RunNotebook = Annotated[
    Annotated[str, Meta(max_length=4096)] | None,
    Meta(
        description="Only runs of the notebook at this path: an absolute one, as in `notebook_path` of a run, or one "
        "below the server's root folder.",
    ),
]


def place_of_notebook(call: Call, path: str | None) -> str | None:
    """Return the absolute path of a notebook that a request names, also of one that is gone; None for none.

    Raises
    ------
    InvalidInput, NotebookNotFound, Conflict
        As ``call.place_at`` has it, for a path that is not absolute.
    """
    return path if path is None or os.path.isabs(path) else str(call.place_at(path))
