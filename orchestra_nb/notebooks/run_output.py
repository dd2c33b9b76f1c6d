"""Where the executed notebook of a run is seen: during the run through a link, afterwards as a file of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

#: ioctl of Linux: let a file have the blocks of another one until either is changed.
_FICLONE = 0x40049409


class RunOutput:
    """The file that one attempt writes, and the place where its user wants it. Belongs to one thread.

    Attributes
    ----------
    path
        Where the executed notebook stands: the user's place, or the attempt's file where that cannot be had.
    user_path
        The user's place.
    """

    def __init__(self, attempt_path: Path, user_path: Path) -> None:
        self._attempt_path = attempt_path
        self.user_path = user_path
        self._is_linked = attempt_path == user_path
        self.path = attempt_path

    def link(self) -> bool:
        """Let the user's place show the attempt's file as it grows, as soon as there is one; cheap to call often.

        True for the call that has done it.
        """
        if self._is_linked or not self._attempt_path.exists():
            return False
        self._is_linked = True
        temporary = self._temporary()
        try:
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self._attempt_path)
            os.replace(temporary, self.user_path)
        except OSError:
            return False
        return True

    def keep_if_linked(self) -> None:
        """Do what :meth:`keep` does where the user's place still is a link: its driver died before it could."""
        with contextlib.suppress(OSError):
            if os.readlink(self.user_path) == str(self._attempt_path):
                self.keep()

    def keep(self) -> None:
        """Put a copy at the user's place, and see that nobody changes the attempt's own file any more.

        Raises
        ------
        OSError
            The copy could not be made.
        """
        with contextlib.suppress(OSError):
            self._attempt_path.chmod(0o400)
        if self._attempt_path == self.user_path:
            return
        temporary = self._temporary()
        try:
            _copy(self._attempt_path, temporary)
            os.replace(temporary, self.user_path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self.path = self.user_path

    def _temporary(self) -> Path:
        return self.user_path.with_name(f".{self.user_path.name}.{os.getpid()}.tmp")


def _copy(source: Path, target: Path) -> None:
    """Copy a file; where the file system can do that, without writing it again."""
    with source.open("rb") as read, target.open("wb") as written:
        try:
            fcntl.ioctl(written, _FICLONE, read.fileno())
        except OSError:
            shutil.copyfileobj(read, written, 1 << 20)
