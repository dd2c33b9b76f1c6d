"""One entry in the system's keyring, by the package ``keyring``: the Keychain, a Secret Service, KWallet and others."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from typing import Final

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.runtime_folder import runtime_folder

#: What the entry is called there.
SERVICE: Final = "orchestra-nb"
ENTRY: Final = "secret key"


def read_or_add(make: Callable[[], str]) -> str:
    """Return the text of the entry; where there is none, what ``make`` gives, which is there from then on.

    Safe when several processes of this user on this machine do it at once.

    Raises
    ------
    InvalidSetting
        The package, or a keyring for it, is not there.
    StoreUnavailable
        The keyring cannot be used now: it may be locked.
    """
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        raise InvalidSetting(
            "secret_backend is 'keyring', and its package is not installed: pip install 'orchestra-nb[keyring]'"
        ) from None
    try:
        if (found := keyring.get_password(SERVICE, ENTRY)) is not None:
            return found
        with (runtime_folder() / "keyring.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (found := keyring.get_password(SERVICE, ENTRY)) is not None:
                return found
            keyring.set_password(SERVICE, ENTRY, make())
            kept = keyring.get_password(SERVICE, ENTRY)
    except NoKeyringError:
        raise InvalidSetting(
            "There is no keyring here: no Keychain, Secret Service or KWallet, and none that keyringrc.cfg names "
            "(`python -m keyring diagnose`). Set secret_backend to 'file', which needs none."
        ) from None
    except (KeyringError, OSError) as error:
        why = str(error) or type(error).__name__
        raise StoreUnavailable(f"The keyring with the key of the secrets cannot be used: {why}. Unlock it.") from error
    if kept is None:
        raise InvalidSetting(
            f"{keyring.get_keyring().name} keeps nothing (`python -m keyring diagnose`). Set secret_backend to 'file'."
        )
    return kept
