"""Paths as they are recorded: one for each place."""

from __future__ import annotations

from pathlib import Path

from orchestra_nb.operations.absolute_paths import absolute_path


def test_a_path_is_absolute_without_steps_back(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()

    assert absolute_path(f"{tmp_path}/sub/.././n.ipynb") == tmp_path / "n.ipynb"
    assert absolute_path(f"{tmp_path}/missing/../n.ipynb") == tmp_path / "n.ipynb"
    assert absolute_path("n.ipynb") == Path.cwd() / "n.ipynb"


def test_a_step_back_from_a_link_leads_to_where_the_system_takes_it(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")

    assert absolute_path(tmp_path / "link" / "n.ipynb") == tmp_path / "link" / "n.ipynb"
    assert absolute_path(f"{tmp_path}/link/../n.ipynb") == (tmp_path / "far" / "n.ipynb").resolve()
