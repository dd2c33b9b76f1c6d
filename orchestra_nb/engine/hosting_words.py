"""What the driver of a notebook run and the Dask task that hosts its runner say to each other, beside the runner's own.

The messages of the runner (:mod:`orchestra_nb.notebooks.runner_messages`) go through as they are, as JSON. The words
here are msgpack, because they carry the bytes of files.
"""

from __future__ import annotations

import msgspec

from orchestra_nb.notebooks.runner_messages import (
    FromRunner,
    ToRunner,
    decode_from_runner,
    decode_to_runner,
    encode_message,
)

#: The name of the executed notebook among the files of a run; the others are results, by their path below the folder.
EXECUTED_NOTEBOOK = ""


class HostReady(msgspec.Struct, frozen=True, tag=True):
    """The host hears what is said from now on."""


class FileWritten(msgspec.Struct, frozen=True, tag=True):
    """What stands at a place of a file."""

    file: str
    offset: int
    data: bytes


class FileWhole(msgspec.Struct, frozen=True, tag=True):
    """All that was said of a file is one state of it, and its size is this."""

    file: str
    size_bytes: int


class RunnerGone(msgspec.Struct, frozen=True, tag=True):
    """The runner's process has ended; the fields are those of ``RunnerEnded``."""

    reason: str
    tail: str


class ResultsPlace(msgspec.Struct, frozen=True, tag=True):
    """Where large values that the notebook records will stand, and what signs them."""

    url: str
    signing_key: bytes


ToHost = ResultsPlace | ToRunner
FromHost = HostReady | FileWritten | FileWhole | RunnerGone | FromRunner

_OWN = HostReady | FileWritten | FileWhole | RunnerGone | ResultsPlace
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[_OWN] = msgspec.msgpack.Decoder(_OWN)


def encode_word(word: ToHost | FromHost) -> bytes:
    """Return a word as it travels."""
    return _ENCODER.encode(word) if isinstance(word, _OWN) else encode_message(word)


def decode_to_host(data: bytes) -> ToHost:
    """Return a word that a host heard."""
    if _is_runners(data):
        return decode_to_runner(data)
    word = _DECODER.decode(data)
    assert isinstance(word, ResultsPlace)
    return word


def decode_from_host(data: bytes) -> FromHost:
    """Return a word that a driver heard."""
    if _is_runners(data):
        return decode_from_runner(data)
    word = _DECODER.decode(data)
    assert not isinstance(word, ResultsPlace)
    return word


def _is_runners(data: bytes) -> bool:
    """Tell JSON from msgpack: no map of msgpack begins with a brace."""
    return data.startswith(b"{")
