"""Digests of files and folders by content."""

from __future__ import annotations

import hashlib
import os
import stat

import xxhash

_PIECE_BYTES = 1 << 20


class FileDigests:
    """Digests of files and folders by content; a file is read once for each of its states. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], str]] = {}

    def __call__(self, path: str) -> str:
        """Return the digest of a file, or of a folder's names; "" where there is none or it cannot be read.

        A path that ends in "/" is one of which only counts whether it is a folder.
        """
        try:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                if path.endswith(os.sep):
                    return "folder"
                names = "\0".join(sorted(os.listdir(path)))
                return "folder " + hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:32]
            if not stat.S_ISREG(status.st_mode):
                return ""
            state = status.st_size, status.st_mtime_ns
            if (known := self._known.get(path)) is not None and known[0] == state:
                return known[1]
            digest = xxhash.xxh3_128()
            with open(path, "rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
        except OSError:
            return ""
        self._known[path] = state, digest.hexdigest()
        return self._known[path][1]
