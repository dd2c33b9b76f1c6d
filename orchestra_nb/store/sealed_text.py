"""Texts that are kept encrypted with Fernet (AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec)."""

from __future__ import annotations

from orchestra_nb.errors import SecretUnreadable
from orchestra_nb.model.secret_values import Secret


def seal(secret: Secret, key: bytes | None) -> str:
    """Return a secret, encrypted with a key of :func:`~orchestra_nb.store.secret_key.load_secret_key`."""
    from cryptography.fernet import Fernet

    return Fernet(_known(key)).encrypt(secret.get().encode("utf-8", "surrogatepass")).decode("ascii")


def unseal(ciphertext: str, key: bytes | None, what: str) -> Secret:
    """Return the secret that :func:`seal` encrypted.

    Parameters
    ----------
    what
        ``"secret 'token'"``: for the error.

    Raises
    ------
    SecretUnreadable
        It was encrypted with another key, or changed behind our back.
    """
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Secret(Fernet(_known(key)).decrypt(ciphertext.encode("ascii")).decode("utf-8", "surrogatepass"))
    except InvalidToken:
        raise SecretUnreadable(
            f"The {what} was encrypted with another key than yours. Set it again, or set "
            "ORCHESTRA_SECRET_KEY_FILE, or ORCHESTRA_SECRET_BACKEND, to where the key of whoever set it is."
        ) from None


def _known(key: bytes | None) -> bytes:
    if key is None:
        raise ValueError("this store of secrets was opened without a key")
    return key
