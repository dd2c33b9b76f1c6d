"""Options of file systems as automations say them: checked where they are written, and with their secrets at use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import SECRET_KEY

if TYPE_CHECKING:
    from orchestra_nb.settings import Settings
    from orchestra_nb.store.run_store import RunStore

#: Options that hold what nobody else may see.
_HIDDEN: Final = re.compile(r"secret|passw|passphrase|token$|_key$|^key_data$|sas|credential", re.IGNORECASE)
#: Some of many.
_USUAL: Final = ("file", "s3", "gs", "abfs", "sftp", "ftp", "http", "https", "smb")
#: Named so, but no secrets.
_SHOWN: Final = frozenset({"access_key", "key_filename", "token_uri"})


def check_file_url(url: str, storage: Mapping[str, object]) -> str:
    """Return a URL that can be watched.

    Raises
    ------
    InvalidInput
        No file system is of its kind, or it or an option holds a secret in plain words.
    """
    from fsspec import available_protocols

    protocol, separator, _ = url.partition("://")
    if separator and protocol.partition("::")[0] not in available_protocols():
        raise InvalidInput(f"{url!r}: there is no file system {protocol!r}. Known: {', '.join(_USUAL)} and others.")
    try:
        password = urlsplit(url).password if separator else None
    except ValueError as error:
        raise InvalidInput(f"{url!r} is no URL: {error}.") from None
    if password is not None:
        raise InvalidInput("A URL with a password in it would be seen by all. Set a secret, and name it in storage.")
    for name, value in _options(storage):
        if isinstance(value, str) and _HIDDEN.search(name) and name not in _SHOWN:
            raise InvalidInput(
                f"The option {name} holds a secret. Set it with `orchestra secrets set NAME`, and write "
                f"{{{SECRET_KEY}: NAME}}."
            )
    return url


def storage_options(
    store: RunStore, storage: Mapping[str, object], settings: Settings, owner: str | None
) -> dict[str, object]:
    """Return options with their secrets in place of the names of these.

    Parameters
    ----------
    owner
        Whose own secrets come before those of all; None where it is nobody's.

    Raises
    ------
    SecretNotFound, SecretUnreadable
        One is not there, or cannot be read with this key.
    """
    from orchestra_nb.operations.shared_variables import get_secret

    def resolved(value: object) -> object:
        if isinstance(value, Mapping):
            if set(value) == {SECRET_KEY}:
                return get_secret(store, str(value[SECRET_KEY]), settings.secret_key_place, owner).get()
            return {name: resolved(item) for name, item in value.items()}
        return value

    return {name: resolved(value) for name, value in storage.items()}


def secret_names(storage: Mapping[str, object]) -> list[str]:
    """Return the names of the stored secrets that options need."""
    return [str(value[SECRET_KEY]) for _, value in _options(storage) if isinstance(value, Mapping)]


def _options(storage: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield name and value of options, also of those in others; a secret's name is a mapping."""
    for name, value in storage.items():
        if isinstance(value, Mapping) and set(value) != {SECRET_KEY}:
            yield from _options({str(inner): item for inner, item in value.items()})
        else:
            yield name, value
