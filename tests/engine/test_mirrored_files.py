"""A file that is written on one machine and read on another."""

from __future__ import annotations

import random
import resource
from pathlib import Path

import pytest

from orchestra_nb.engine.hosting_words import FileWhole, FileWritten, decode_from_host, encode_word
from orchestra_nb.engine.mirrored_files import FileCopy, FileSource

BLOCK = 64 * 1024


def carry(source: FileSource, copy: FileCopy) -> list[FileWritten | FileWhole]:
    """Carry all changes over as they travel; return them."""
    changes = list(source.changes())
    for change in changes:
        word = decode_from_host(encode_word(change))
        if isinstance(word, FileWritten):
            copy.write(word)
        else:
            assert isinstance(word, FileWhole)
            copy.complete(word.size_bytes)
    return changes


def random_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize(
    "states",
    [
        [b"", b"x"],
        [random_bytes(3 * BLOCK + 5), random_bytes(3 * BLOCK + 5)[:-5], b"", random_bytes(BLOCK)],
        [random_bytes(BLOCK), random_bytes(BLOCK) + b"more", b"less"],
    ],
    ids=["empty", "shorter and longer", "grown"],
)
def test_a_copy_is_as_its_source_after_each_change(tmp_path: Path, states: list[bytes]) -> None:
    path, target = tmp_path / "source", tmp_path / "folder" / "copy"
    source, copy = FileSource(path, "file"), FileCopy(target)

    for state in states:
        path.write_bytes(state)
        carry(source, copy)

        assert target.read_bytes() == state
    assert [entry.name for entry in target.parent.iterdir()] == ["copy"]


def test_only_what_changed_travels(tmp_path: Path) -> None:
    path = tmp_path / "source"
    source, copy = FileSource(path, "file"), FileCopy(tmp_path / "copy")
    content = random_bytes(5 * BLOCK)
    path.write_bytes(content)
    carry(source, copy)

    path.write_bytes(content[: 3 * BLOCK] + b"changed" + content[3 * BLOCK + 7 :] + b"end")
    changes = carry(source, copy)

    assert [change.offset for change in changes if isinstance(change, FileWritten)] == [3 * BLOCK, 5 * BLOCK]
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    assert list(source.changes()) == []  # and nothing where nothing has changed


def test_what_could_not_be_sent_is_sent_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "source"
    source, copy = FileSource(path, "file"), FileCopy(tmp_path / "copy")
    path.write_bytes(random_bytes(3 * BLOCK))
    interrupted = source.changes()
    assert next(interrupted) == FileWritten("file", 0, random_bytes(3 * BLOCK)[:BLOCK])  # and got nowhere

    interrupted.close()
    carry(source, copy)

    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_a_block_that_the_disk_does_not_take_whole_is_an_error(tmp_path: Path) -> None:
    copy = FileCopy(tmp_path / "copy")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK + 5, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            for number in range(2):
                copy.write(FileWritten("file", number * BLOCK, random_bytes(BLOCK)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        copy.discard()


def test_what_did_not_become_whole_is_seen_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"before")
    copy = FileCopy(path)

    copy.write(FileWritten("file", 0, b"half"))
    copy.discard()

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_copy_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "results" / "ab" / "abc.pickle"

    copy = FileCopy(path, is_private=True)
    copy.write(FileWritten("file", 0, b"secret"))
    copy.complete(6)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
