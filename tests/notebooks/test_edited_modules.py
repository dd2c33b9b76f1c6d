"""A worker imports a module anew once its file was edited."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from orchestra_nb.notebooks.edited_modules import EditedModules


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EditedModules:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "edited_rates.py").write_text("RATE = 1\n")
    (tmp_path / "edited_prices.py").write_text("from edited_rates import RATE\n")
    modules = EditedModules()
    importlib.import_module("edited_prices")
    modules.note()
    return modules


def test_edited_module_and_who_imported_from_it_are_imported_anew(modules: EditedModules, tmp_path: Path) -> None:
    (tmp_path / "edited_rates.py").write_text("RATE = 222\n")

    modules.forget_edited()

    assert importlib.import_module("edited_prices").RATE == 222


def test_unchanged_modules_stay(modules: EditedModules) -> None:
    before = sys.modules["edited_prices"]

    modules.forget_edited()

    assert sys.modules["edited_prices"] is before
    assert "json" in sys.modules
