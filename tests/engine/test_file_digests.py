"""The digest of a file is that of its content now, whatever the times that it shows."""

from __future__ import annotations

import os
import time
from pathlib import Path

from file_opens import opens_in
from patience import eventually

from orchestra_nb.engine.file_digests import FileDigests


def test_a_file_of_the_same_size_and_time_with_another_content_has_another_digest(tmp_path: Path) -> None:
    digests, path = FileDigests(), tmp_path / "data"
    seen = []
    for text in ("one", "two", "six"):
        path.write_text(text)
        os.utime(path, ns=(1, 1_000_000_000))
        seen.append(digests(str(path)))

    assert len(set(seen)) == 3
    assert seen[2] == FileDigests()(str(path))


def test_no_more_files_are_remembered_than_is_said_and_what_is_forgotten_is_read_again(tmp_path: Path) -> None:
    digests, paths = FileDigests(most=2), [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    eventually(lambda: time.time_ns() - paths[-1].stat().st_ctime_ns > 200_000_000 or None)

    with opens_in(tmp_path) as opened:
        for path in (*paths, *reversed(paths)):
            digests(str(path))

    assert opened == ["a", "b", "c", "a"]


def test_a_file_that_takes_the_place_of_another_has_a_digest_of_its_own(tmp_path: Path) -> None:
    digests, path = FileDigests(), tmp_path / "data"
    path.write_text("one")
    os.utime(path, ns=(1, 1_000_000_000))
    first = digests(str(path))
    (tmp_path / "new").write_text("two")
    os.utime(tmp_path / "new", ns=(1, 1_000_000_000))
    os.replace(tmp_path / "new", path)

    assert digests(str(path)) != first
