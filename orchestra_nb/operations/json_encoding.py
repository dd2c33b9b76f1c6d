"""Records as JSON, whatever text they hold."""

from __future__ import annotations

import json

import msgspec


def encode_json(value: object) -> bytes:
    r"""Return a record, or containers of records, as JSON.

    Lone surrogates, which stand for undecodable bytes in messages of user code, have no UTF-8: a value that holds
    one is written in ASCII, with escapes.

    Examples
    --------
    >>> encode_json({"text": "ä"})
    b'{"text":"\xc3\xa4"}'
    >>> encode_json({"text": "\udc80"})
    b'{"text":"\\udc80"}'
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode("ascii")
