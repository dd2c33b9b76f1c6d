"""Results that outlive the cluster: written by a worker, read by whoever has the reference, a driver or another worker.

A file is named by its content, so the same result is stored once and never changes. What runs code when it is loaded
(a pickle, or what a serializer of the user's makes) carries an HMAC-SHA256 under the user's key before its content,
which is checked before anything is loaded. The key goes to workers with the :class:`ResultStore`, over the cluster's
own connection, and stands in no record.

A signed file is: ``_MAGIC``, 32 bytes of HMAC, the serialised value. All others are the serialised value alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from orchestra_nb.engine.result_files import delete_file, normal_url, read_file, write_file
from orchestra_nb.engine.result_serializers import (
    NotExact,
    Serializer,
    dumps_automatically,
    name_of,
    runs_code,
    serializer_of,
)
from orchestra_nb.engine.signing_key import KEY_BYTES
from orchestra_nb.errors import InvalidInput, InvalidSetting, ResultNotTrusted, ValueNotPortable
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.notebooks.portability import explain_not_portable
from orchestra_nb.settings import default_store_path

_MAGIC = b"orchestra signed result 1\n"
_SIGNATURE_BYTES = hashlib.sha256().digest_size
_HEAD_BYTES = len(_MAGIC) + _SIGNATURE_BYTES

_EXTENSIONS = {"json": ".json", "arrow": ".arrow", "pickle": ".pickle"}


def default_results_url() -> str:
    """Return where results stand when nothing else was said: beside the store, in Jupyter's data folder."""
    return str(default_store_path().parent / "results")


@dataclass(frozen=True, slots=True)
class ResultStore:
    """Results in one place. May be used from all threads and processes at once, and sent to workers.

    Parameters
    ----------
    url
        A folder, or any URL of fsspec, without a password.
    signing_key
        What signs pickles: the user's own (:func:`~orchestra_nb.engine.signing_key.load_signing_key`).
    serializer
        ``"auto"`` (exact JSON or Arrow first, else a signed pickle), another name, or an object with ``dumps`` and
        ``loads``.

    Raises
    ------
    InvalidInput
        There is no such serializer, or the key is none.
    InvalidSetting
        The URL cannot be used.
    """

    url: str | os.PathLike[str]
    signing_key: bytes = field(repr=False)
    serializer: str | Serializer = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", normal_url(self.url))
        if len(self.signing_key) < KEY_BYTES:
            raise InvalidInput(f"A signing key has {KEY_BYTES} bytes or more. Use load_signing_key().")
        if self.serializer not in ("auto", "compressed/auto"):
            serializer_of(self.serializer)

    def write(
        self,
        value: object,
        *,
        name: str,
        now: datetime,
        expires_at: datetime | None = None,
        storage_key: str | None = None,
    ) -> ResultReference:
        """Store a value and return where it is. Idempotent; it costs one pass over the bytes.

        Parameters
        ----------
        name
            The task's, for messages.
        storage_key
            File below the URL, in place of one named by the content: a later result there replaces this one.

        Raises
        ------
        ValueNotPortable
            It cannot be stored; the message names the task and the type.
        """
        reference, parts = self._prepare(value, name, now, expires_at, storage_key)
        write_file(reference.url, *parts)
        return reference

    def stage(
        self,
        value: object,
        *,
        name: str,
        now: datetime,
        expires_at: datetime | None = None,
        storage_key: str | None = None,
    ) -> tuple[ResultReference, str]:
        """Store a value under a temporary name, and return where it is, and the URL that :meth:`write` would give it.

        Raises
        ------
        ValueNotPortable
            It cannot be stored; the message names the task and the type.
        """
        reference, parts = self._prepare(value, name, now, expires_at, storage_key)
        staged = msgspec.structs.replace(reference, url=f"{self.url}/staged/{secrets.token_hex(16)}")
        write_file(staged.url, *parts)
        return staged, reference.url

    def _prepare(
        self, value: object, name: str, now: datetime, expires_at: datetime | None, storage_key: str | None
    ) -> tuple[ResultReference, tuple[bytes, ...]]:
        """Return where a value is to be, and the parts of its file."""
        serializer, blob = self._dumps(value, name)
        digest = hashlib.sha256(blob).hexdigest()
        serializer_name = name_of(serializer)
        head = b""
        file = f"{digest[:2]}/{digest}"
        if runs_code(serializer):
            signature = self._sign(serializer_name, digest)
            head = _MAGIC + signature
            # two users who share a folder do not overwrite each other's signatures
            file += "-" + signature[:8].hex()
        file += _EXTENSIONS.get(serializer_name, ".bin")
        url = f"{self.url}/{file if storage_key is None else storage_path(storage_key)}"
        reference = ResultReference(
            url=url,
            digest=digest,
            serializer=serializer_name,
            size_bytes=len(blob),
            created_at=now,
            expires_at=expires_at,
        )
        return reference, (head, blob)

    def read(self, reference: ResultReference) -> Any:
        """Return a stored value, also one that another store wrote.

        Raises
        ------
        ResultNotFound
            It is gone.
        ResultNotTrusted
            It was altered or replaced since the reference was made, or is no pickle that this key has signed. Nothing
            of it was loaded.
        InvalidInput
            It was made by a serializer of the user's, and this store has another one.
        """
        serializer = self._serializer_for(reference)
        content = read_file(reference.url)
        is_signed = runs_code(serializer)
        if is_signed and not content.startswith(_MAGIC):
            raise ResultNotTrusted(
                f"The result at {reference.url} is a pickle without a signature. It was not loaded. Run the task again."
            )
        blob = memoryview(content)[_HEAD_BYTES if is_signed else 0 :]  # no copy of what may be large
        digest = hashlib.sha256(blob).hexdigest()
        if digest != reference.digest:
            raise ResultNotTrusted(
                f"The result at {reference.url} was altered or replaced after it had been written. It was not loaded. "
                "Run the task again."
            )
        if is_signed:
            signature = content[len(_MAGIC) : _HEAD_BYTES]
            if not hmac.compare_digest(signature, self._sign(reference.serializer, digest)):
                raise ResultNotTrusted(
                    f"The result at {reference.url} was signed with another user's key, or altered. It was not loaded. "
                    "Run the task again."
                )
        return serializer.loads(bytes(blob) if "custom/" in reference.serializer else blob)

    def delete(self, reference: ResultReference) -> None:
        """Delete a stored value; nothing happens when it is gone. Others with the same content lose theirs, too."""
        delete_file(reference.url)

    def _dumps(self, value: object, name: str) -> tuple[Serializer, bytes]:
        try:
            if self.serializer == "auto":
                return dumps_automatically(value)
            if self.serializer == "compressed/auto":
                return dumps_automatically(value, "compressed/")
            serializer = serializer_of(self.serializer)
            return serializer, serializer.dumps(value)
        except NotExact as error:
            raise ValueNotPortable(
                f"result of {name} (type {type(value).__name__}) cannot be stored as {self.serializer}: {error}. Use "
                "result_serializer='auto' or 'pickle'."
            ) from None
        except InvalidSetting:
            raise
        except Exception as error:  # pickling runs code of any class
            reason = explain_not_portable("result", value, error, self._try_to_dump())
            raise ValueNotPortable(
                f"result of {name} (type {type(value).__name__}) cannot be stored: {reason}"
            ) from error

    def _try_to_dump(self) -> Callable[[object], object]:
        if self.serializer in ("auto", "compressed/auto"):
            return serializer_of("pickle").dumps
        return serializer_of(self.serializer).dumps

    def _serializer_for(self, reference: ResultReference) -> Serializer:
        if "custom/" not in reference.serializer:
            return serializer_of(reference.serializer)
        own = None if isinstance(self.serializer, str) else serializer_of(self.serializer)
        if own is None or name_of(own) != reference.serializer:
            raise InvalidInput(
                f"The result at {reference.url} was made by the serializer {reference.serializer}. Give the same one "
                "as result_serializer to read it."
            )
        return own

    def _sign(self, serializer_name: str, digest: str) -> bytes:
        return hmac.digest(self.signing_key, f"{serializer_name}\0{digest}".encode(), "sha256")


def storage_path(storage_key: str) -> str:
    """Return the path below the URL; raises when it would leave it."""
    parts = storage_key.replace("\\", "/").split("/")
    if not storage_key or storage_key.startswith("/") or ".." in parts or "\0" in storage_key:
        raise InvalidInput(f"result_storage_key {storage_key!r} is no file below the folder of results.")
    return "/".join(parts)
