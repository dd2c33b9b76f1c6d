"""The key that signs stored pickles: one for each user, made once, readable by nobody else."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.settings import default_store_path

#: Length of the key: that of the hash it is used with.
KEY_BYTES = 32

_FILE = "signing.key"


def load_signing_key(folder: Path | None = None) -> bytes:
    """Return the user's key, and make it when there is none. Safe when several processes do it at once.

    Parameters
    ----------
    folder
        Where it stands; None for Orchestra's folder in Jupyter's data folder.

    Raises
    ------
    InvalidSetting
        The file belongs to somebody else, can be read by others, or holds no key.
    """
    path = (default_store_path().parent if folder is None else folder) / _FILE
    if not path.exists():
        _make(path)
    _check_owner(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise InvalidSetting(
            f"{path} holds no signing key. Delete it: a new one is made, and results that are pickles are made again."
        )
    return key


def _make(path: Path) -> None:
    """Write a new key; the first of several processes wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike a rename it never replaces a key that is in use
        except FileExistsError:
            pass
    finally:
        temporary.unlink()


def _check_owner(path: Path) -> None:
    if sys.platform == "win32":
        return
    status = path.stat()
    if status.st_uid != os.getuid():
        raise InvalidSetting(
            f"The signing key {path} belongs to another user. Set JUPYTER_DATA_DIR to a folder of yours."
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise InvalidSetting(
            f"Others may read the signing key {path}, and could make pickles that are trusted. Delete it: a new one is "
            "made, and results that are pickles are made again."
        )
