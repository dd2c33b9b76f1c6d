"""A worker imports a module anew once its file was edited, or for a driver with another path or environment."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb.notebooks.edited_modules import EditedModules


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EditedModules]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "edited_rates.py").write_text("RATE = 1\n")
    (tmp_path / "edited_prices.py").write_text("from edited_rates import RATE\n")
    modules = EditedModules()
    importlib.import_module("edited_prices")
    modules.note()
    yield modules
    for name in [name for name in sys.modules if name.startswith("edited_")]:
        del sys.modules[name]


def test_edited_module_and_who_imported_from_it_are_imported_anew(modules: EditedModules, tmp_path: Path) -> None:
    (tmp_path / "edited_rates.py").write_text("RATE = 222\n")

    modules.forget_edited()

    assert importlib.import_module("edited_prices").RATE == 222


def test_unchanged_modules_stay(modules: EditedModules) -> None:
    before = sys.modules["edited_prices"]

    modules.forget_edited()

    assert sys.modules["edited_prices"] is before
    assert "json" in sys.modules


def test_modules_of_another_environment_are_imported_anew(
    modules: EditedModules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edited_address.py").write_text("import os\nURL = os.environ['API_URL']\n")
    seen = []
    for url in ("http://one", "http://one", "http://two"):
        monkeypatch.setenv("API_URL", url)
        modules.take_place()
        seen.append(importlib.import_module("edited_address"))
        modules.note()

    assert [module.URL for module in seen] == ["http://one", "http://one", "http://two"]
    assert seen[0] is seen[1]


def test_modules_of_another_path_are_imported_anew(
    modules: EditedModules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules.take_place()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "edited_rates.py").write_text("RATE = 3\n")

    monkeypatch.syspath_prepend(tmp_path / "other")
    modules.take_place()

    assert importlib.import_module("edited_prices").RATE == 3
