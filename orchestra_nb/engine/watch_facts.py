"""What is told of the code of a cell while it runs, and who it is told to."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, Protocol


class FactKind(Enum):
    """What happened."""

    #: A file is read.
    READ = "read"
    #: A file is written, from its beginning or not.
    WRITTEN = "written"
    #: The names in a folder are read.
    LISTED = "listed"
    #: Somebody looks whether there is a file, or what is known of it.
    LOOKED_AT = "looked at"
    #: A file or folder is changed in another way than by writing it as a whole.
    CHANGED = "changed"
    #: Something is done that is about no file.
    DONE = "done"
    #: Code of the user's looks up a variable of the environment; the path is its name.
    LOOKED_UP = "looked up"


class Fact(NamedTuple):
    """One thing that happens.

    Parameters
    ----------
    path
        Absolute; "" where it is about no file, or nobody can tell about which.
    deed
        What is done, in people's words, to follow "it": "starts a process". Empty for what only reads or looks.
    """

    kind: FactKind
    path: str = ""
    deed: str = ""


class WatchPolicy(Protocol):
    """Who watches. Its methods are called in the thread that does something, often while that holds a lock."""

    def is_concerned(self) -> bool:
        """Tell whether what this thread does counts."""
        ...

    def take(self, fact: Fact) -> None:
        """Take a fact. It may not import, lock or open anything; what it raises prevents the deed."""
        ...


#: Deeds that are told in several ways, or that policies tell apart.
STARTS_A_PROCESS: Final = "starts a process"
MAKES_A_FOLDER: Final = "makes a folder"
CHANGES_A_FILE: Final = "changes a file"
