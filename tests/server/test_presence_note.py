"""What Jupyter's file of a server says of the extension, and that nothing of it stays when the server ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path

import pytest

from orchestra_nb.operations.running_servers import EXTENSION_INFO_KEY, STORE_INFO_KEY
from orchestra_nb.server.presence_note import PresenceNote
from orchestra_nb.version import __version__

LOG = logging.getLogger(__name__)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a server, as Jupyter writes it."""
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path}/orchestra.db")
    file = tmp_path / "runtime" / "jpserver-1.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"pid": 1, "token": "t"}))
    file.chmod(0o600)
    return file


async def test_the_file_says_so_and_is_for_its_user_alone(file: Path, tmp_path: Path) -> None:
    note = PresenceNote(str(file), LOG)

    await note.put()

    told = {"pid": 1, "token": "t", EXTENSION_INFO_KEY: __version__, STORE_INFO_KEY: f"{tmp_path}/orchestra.db"}
    assert json.loads(file.read_text()) == told
    assert file.stat().st_mode & 0o777 == 0o600
    await note.take_away()
    assert list(file.parent.iterdir()) == []


async def test_a_server_that_ends_while_its_file_is_changed_leaves_none(file: Path) -> None:
    text = file.read_text()
    file.unlink()
    os.mkfifo(file)  # so that its reader is held up in the middle
    note = PresenceNote(str(file), LOG)
    putting = asyncio.create_task(note.put())
    writer = await asyncio.to_thread(file.open, "w")  # returns when the reader has it open

    taking_away = asyncio.create_task(note.take_away())
    with writer:
        writer.write(text)
    await asyncio.gather(putting, taking_away)

    assert list(file.parent.iterdir()) == []


async def test_a_server_that_has_ended_gets_no_file(file: Path) -> None:
    note = PresenceNote(str(file), LOG)
    await note.take_away()
    before = file.read_text()  # of somebody else, who has the number of the process now

    await note.put()

    assert file.read_text() == before


async def test_a_server_that_ends_has_its_file_deleted(jp_serverapp) -> None:
    [extension] = jp_serverapp.extension_manager.extension_apps["orchestra_nb"]
    file = Path(jp_serverapp.info_file)
    jp_serverapp.write_server_info_file()
    await PresenceNote.put(extension._note)
    jp_serverapp.remove_server_info_file()
    file.write_text("{}")  # what Jupyter deleted a moment too early

    await extension.stop_extension()

    assert not file.exists()
