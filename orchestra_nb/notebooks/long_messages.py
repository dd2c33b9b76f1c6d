"""Reads a kernel's messages; of one that is far larger than a cell may show, only what will be kept is decoded.

A print of 100 MB arrives as one message, and to decode it as a whole takes its size four times over. Here strings that
are too long are found in the raw JSON, and what is left of it is decoded: of a stream both ends of the text, of a rich
output the representations that are not too long.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestra_nb.notebooks.cell_outputs import MAX_CELL_CHARACTERS

Message = Mapping[str, Any]

#: Content of up to this many bytes is decoded as a whole.
_WHOLE_BYTES = 2 * MAX_CELL_CHARACTERS
#: What is kept of each end of a stream's text, in bytes of its JSON.
_END_BYTES = MAX_CELL_CHARACTERS // 2
_LONG_STRING = 100_000
_CONTENT = 4
#: A string of JSON; nothing is remembered for going back, however many escapes are in it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
#: How far a slice of JSON may begin or end within one character: an escape has six, one of UTF-8 up to four.
_SLACK = 12
_LINE_END = re.compile(rb"(?<!\\)(?:\\\\)*\\n")


def read_message(session: Any, frames: Sequence[Any]) -> Message | None:
    """Return a message; None for one that is not signed with the session's key, or has another form.

    Parameters
    ----------
    frames
        As ``recv_multipart(copy=False)`` gives them.
    """
    parts = [frame.bytes if len(frame) <= _WHOLE_BYTES else frame.buffer for frame in frames]
    try:
        _, signed = session.feed_identities(parts)
        if session.auth is not None and not hmac.compare_digest(signed[0], session.sign(signed[1:5])):
            return None
        header, raw = json.loads(signed[1]), signed[_CONTENT]
        if not str(header.get("version", "")).startswith("5"):  # a kernel from before 2014
            old: Message = session.deserialize([bytes(part) for part in signed])
            return old
        kind = header["msg_type"]
        # not by session.deserialize: most of its time goes into dates that nobody looks at
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": kind,
            "parent_header": json.loads(signed[2]),
            "metadata": json.loads(signed[3]),
            "content": json.loads(raw.decode("utf-8", "replace")) if isinstance(raw, bytes) else _shortened(kind, raw),
            "buffers": [memoryview(part) for part in signed[_CONTENT + 1 :]],
        }
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _shortened(kind: str, raw: memoryview) -> dict[str, Any]:
    """Return content that was decoded in part.

    A stream that was cut has beside its ``text``, which is the beginning, ``cut``, how many bytes are missing, and
    ``rest``, what came after them.
    """
    if kind == "stream":
        return _shortened_stream(raw)
    skeleton, cuts = _without_long_strings(raw)
    if len(skeleton) > _WHOLE_BYTES:  # it is long by its many short parts
        return _left_out(kind, len(raw))
    content: dict[str, Any] = json.loads(skeleton)
    if isinstance(content.get("data"), dict):
        data = content["data"]
        lost = {name: size for name, value in data.items() if (size := _cut_in(value, cuts))}
        for name in lost:
            del data[name]
        if lost:
            data["text/plain"] = _note(lost, data.get("text/plain"))
    return content


def _shortened_stream(raw: memoryview) -> dict[str, Any]:
    skeleton, cuts = _without_long_strings(raw, longest=2 * _END_BYTES)
    content: dict[str, Any] = json.loads(skeleton)
    span = cuts.get(content["text"])
    if span is None:
        return content
    text = raw[span[0] : span[1]]
    content["text"] = _decoded_head(bytes(text[:_END_BYTES]))
    content["rest"] = _decoded_tail(bytes(text[-_END_BYTES:]))
    content["cut"] = len(text) - 2 * _END_BYTES
    return content


def _without_long_strings(raw: memoryview, longest: int = _LONG_STRING) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Return the JSON with a mark in place of each long string, and for each mark where the string stands."""
    pieces: list[memoryview | bytes] = []
    cuts: dict[str, tuple[int, int]] = {}
    place = 0
    for found in _STRING.finditer(raw):
        start, end = found.span()
        if end - start > longest:
            mark = f"\0cut {len(cuts)}\0"
            cuts[mark] = (start + 1, end - 1)
            pieces += [raw[place:start], json.dumps(mark).encode()]
            place = end
    pieces.append(raw[place:])
    return b"".join(pieces), cuts


def _cut_in(value: object, cuts: Mapping[str, tuple[int, int]]) -> int:
    """Return how many bytes of a value were cut."""
    if isinstance(value, str):
        span = cuts.get(value)
        return 0 if span is None else span[1] - span[0]
    if isinstance(value, Mapping):
        return sum(_cut_in(item, cuts) for item in value.values())
    if isinstance(value, list):
        return sum(_cut_in(item, cuts) for item in value)
    return 0


def _note(lost: Mapping[str, int], before: object) -> str:
    kinds = ", ".join(f"{name} of {size / 1e6:.1f} MB" for name, size in lost.items())
    text = f"[left out, as it is too large: {kinds}]"
    return f"{before}\n{text}" if isinstance(before, str) else text


def _left_out(kind: str, size: int) -> dict[str, Any]:
    text = f"[left out, as it is too large: {size / 1e6:.1f} MB]"
    if kind == "error":
        return {"ename": "Error", "evalue": text, "traceback": [text]}
    return {"data": {"text/plain": text}, "metadata": {}, "execution_count": None}


def _decoded_head(raw: bytes) -> str:
    for missing in range(_SLACK):
        try:
            return str(json.loads(b'"%b"' % raw[: len(raw) - missing]))
        except ValueError:
            continue
    return ""


def _decoded_tail(raw: bytes) -> str:
    line_end = _LINE_END.search(raw, 0, 100_000)  # better than to begin within an escape
    begin = 0 if line_end is None else line_end.end()
    for missing in range(_SLACK):
        try:
            return str(json.loads(b'"%b"' % raw[begin + missing :]))
        except ValueError:
            continue
    return ""
