"""The key that encrypts this user's secrets: in a file for this user alone, in the system's keyring, or in the
environment; never in the store itself.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Final

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.settings import SecretKeyPlace
from orchestra_nb.store.keyring_entry import read_or_add

#: The variable with the key, where the environment is the place.
KEY_VARIABLE: Final = "ORCHESTRA_SECRET_KEY"
_MODE = 0o600


def load_secret_key(place: SecretKeyPlace | Path) -> bytes:
    """Return the key, made when there is none; in the environment there has to be one. A path is that of a file.

    Safe when several processes do it at once: all get the same key, and nobody reads half of one.

    Raises
    ------
    InvalidSetting
        There is no key where it has to be, others may read it, or there is no keyring here.
    StoreUnavailable
        The file or the keyring cannot be read or written now.
    """
    if isinstance(place, Path):
        place = SecretKeyPlace(place)
    match place.backend:
        case "keyring":
            return _key_of_keyring(place.file)
        case "environment":
            return _key_of_environment()
        case "file":
            return _key_of_file(place.file)


def _key_of_keyring(before: Path) -> bytes:
    """Return the key in the keyring, which takes over that of a file: what it has encrypted stays readable."""
    key = read_or_add(lambda: (_key_of_file(before) if before.exists() else _new_key()).decode("ascii"))
    if not _is_key(key.encode()):
        raise InvalidSetting(
            "The keyring holds something else than a key of secrets for orchestra-nb. Put back a copy of the key; "
            "without it the secrets that it encrypted are lost."
        )
    return key.encode()


def _key_of_environment() -> bytes:
    key = os.environ.get(KEY_VARIABLE, "").strip().encode("utf-8", "surrogateescape")
    if not _is_key(key):
        what = "is not set" if not key else "holds no key of secrets"
        raise InvalidSetting(
            f"{KEY_VARIABLE} {what}, and secret_backend says that the key is there. A key is what "
            "`python -c 'from cryptography.fernet import Fernet; "
            "print(Fernet.generate_key().decode())'` prints."
        )
    return key


def _new_key() -> bytes:
    from cryptography.fernet import Fernet

    return Fernet.generate_key()


def _key_of_file(path: Path) -> bytes:
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
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE)
    try:
        with open(descriptor, "wb") as file:
            file.write(_new_key() + b"\n")
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
