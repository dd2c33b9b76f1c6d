"""The key that encrypts this user's secrets: a file for this user alone, never in the store itself."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

from orchestra_nb.errors import InvalidSetting, StoreUnavailable

_MODE = 0o600


def load_secret_key(path: Path) -> bytes:
    """Return the key in a file, made when there is none.

    Safe when several processes do it at once: all get the same key, and nobody reads half of one.

    Raises
    ------
    InvalidSetting
        The file holds no key, or others may read it.
    StoreUnavailable
        The file cannot be read or made.
    """
    try:
        if not path.exists():
            _make(path)
        _check_permissions(path)
        key = path.read_bytes().strip()
    except OSError as error:
        raise StoreUnavailable(
            f"The key of the secrets, {path}, cannot be used: {error.strerror}. Give yourself access to it, or set "
            "ORCHESTRA_SECRET_KEY_FILE to another file."
        ) from error
    if not _is_key(key):
        raise InvalidSetting(
            f"{path} holds no key of secrets. Put back a copy of it; without it the secrets that it encrypted are lost."
        )
    return key


def _make(path: Path) -> None:
    """Write a whole new file beside, and then give it the name that nobody else has taken meanwhile."""
    from cryptography.fernet import Fernet

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE)
    try:
        with open(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster: its key holds
            os.link(draft, path)
    finally:
        draft.unlink()


def _check_permissions(path: Path) -> None:
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InvalidSetting(f"Others may read the key of the secrets, {path}. Run `chmod 600 {path}`.")


def _is_key(key: bytes) -> bool:
    from cryptography.fernet import Fernet

    try:
        Fernet(key)
    except ValueError:
        return False
    return True
