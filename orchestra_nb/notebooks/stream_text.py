"""The text of a stream as a terminal would leave it: what a carriage return or a backspace overwrote is not kept.

A progress bar that is drawn a million times is one line, from the first drawing on: so it costs no memory, and nothing
of it counts towards what a cell may show.
"""

from __future__ import annotations

import re

#: Pieces that are joined to one, so that a million small ones are not a million objects.
_MANY_PIECES = 256
#: Where a terminal starts to write over what it has written.
_RETURNS = re.compile("\r+")
_ESCAPE = "\x1b"


class StreamText:
    """Text that grows. Not thread-safe. Adding costs what is added, and where it overwrites, the line that it is in."""

    __slots__ = ("_pieces", "_returns", "size")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._returns = False
        self.size = 0

    def add(self, text: str) -> None:
        """Take more text."""
        if self._returns or "\r" in text or "\b" in text:
            text = settle_lines(self.take_open_line() + text)
            self._returns = text.endswith("\r")
        self._pieces.append(text)
        self.size += len(text)
        if len(self._pieces) >= _MANY_PIECES:
            self._pieces = ["".join(self._pieces)]

    def take_open_line(self, longest: int | None = None) -> str:
        """Remove the line that has not ended yet and return it; one longer than this stays, and "" is returned."""
        pieces: list[str] = []
        length = 0
        for number in range(len(self._pieces) - 1, -1, -1):
            piece = self._pieces[number]
            cut = piece.rfind("\n") + 1
            length += len(piece) - cut
            if longest is not None and length > longest:
                return ""
            pieces.append(piece[cut:])
            if cut:
                self._pieces[number:] = [piece[:cut]]
                break
        else:
            self._pieces.clear()
        self.size -= length
        self._returns = False
        return "".join(reversed(pieces))

    def text(self) -> str:
        """Return all of it."""
        joined = "".join(self._pieces)
        self._pieces = [joined] if joined else []
        return joined.rstrip("\r") if self._returns else joined


def as_left_by_terminal(text: str) -> str:
    """Return a whole text with each line as its carriage returns and backspaces left it."""
    return settle_lines(text).removesuffix("\r") if "\r" in text or "\b" in text else text


def settle_lines(text: str) -> str:
    r"""Return the text with each line as it was left; a last line that ends in "\r" keeps it, for more."""
    *lines, rest = text.split("\n")
    settled = [_settled(line) for line in lines]
    settled.append(_settled(rest) + ("\r" if rest.endswith("\r") else ""))
    return "\n".join(settled)


def _settled(line: str) -> str:
    if "\r" not in line:
        return _without_erased(line)
    shown = ""
    for part in _RETURNS.split(line):
        part = _without_erased(part)
        if not part:
            continue
        # among escape sequences nobody knows which characters have a place of their own: the last drawing is taken
        is_plain = len(part) < len(shown) and _ESCAPE not in part and _ESCAPE not in shown
        shown = part + shown[len(part) :] if is_plain else part
    return shown


def _without_erased(line: str) -> str:
    if "\b" not in line:
        return line
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
