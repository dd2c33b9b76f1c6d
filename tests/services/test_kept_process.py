"""Processes that are kept up."""

from __future__ import annotations

from pathlib import Path

from orchestra_nb.services.kept_process import KeptProcess
from tests.patience import PATIENCE_SECONDS


def test_a_command_that_is_not_there_now_is_started_when_it_is(tmp_path: Path) -> None:
    command = tmp_path / "command"
    kept = KeptProcess("probe", [str(command)])
    assert not kept.wait_until_ready(0.2)

    new = tmp_path / "new"
    new.write_text("#!/bin/sh\necho ready\nread line\n", encoding="utf-8")
    new.chmod(0o700)
    new.rename(command)

    assert kept.wait_until_ready(PATIENCE_SECONDS)
    kept.close()
