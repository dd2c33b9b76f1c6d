"""Where sockets stand, and files that end with the processes that made them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from orchestra_nb.errors import InvalidSetting


def runtime_folder() -> Path:
    """Return the folder for sockets and scheduler files, made for this user alone, with a short path.

    Unix socket paths are limited to about 107 characters, so it is not under a deep home folder.

    Raises
    ------
    InvalidSetting
        The folder belongs to somebody else, or others may enter it.
    """
    chosen = os.environ.get("ORCHESTRA_RUNTIME_DIR")
    if chosen:
        folder = Path(chosen)
    elif os.environ.get("XDG_RUNTIME_DIR") and Path(os.environ["XDG_RUNTIME_DIR"]).is_dir():
        folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "orchestra-nb"
    else:
        import tempfile  # late: a command that a service runs imports as little as it can

        user = os.getuid() if sys.platform != "win32" else os.environ.get("USERNAME", "user")
        folder = Path(tempfile.gettempdir()) / f"orchestra-nb-{user}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32":
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise InvalidSetting(
                f"{folder} belongs to another user. Set ORCHESTRA_RUNTIME_DIR to a folder of your own."
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(0o700)
    return folder
