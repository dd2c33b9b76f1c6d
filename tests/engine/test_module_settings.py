"""What a cell sets in libraries is told by the statements that say it all by themselves."""

from __future__ import annotations

import csv
import logging
import signal
import socket
import sys
import types
from importlib import import_module

import pytest

from orchestra_nb.engine.module_settings import settings_made

_NAMES = {
    "csv": csv,
    "logging": logging,
    "signal": signal,
    "sys": sys,
    "limit": socket.setdefaulttimeout,
    "plain": import_module("email.charset").add_charset,
    "np": import_module("numpy"),
    "own": types.ModuleType("own_module_of_this_test"),
    "n": 5,
    "table": object(),
}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("sys.setrecursionlimit(5000)", {"sys.setrecursionlimit(": "sys.setrecursionlimit(5000)"}),
        ("logging.disable(level=logging.INFO)", {"logging.disable(": "logging.disable(level=logging.INFO)"}),
        ("sys.tracebacklimit = -1", {"sys.tracebacklimit": "sys.tracebacklimit = -1"}),
        ("plain('x')\nadd_charset('x')", {}),
        ("table.set_index('a')\nn.set(1)\nown.set(1)\nown.X = 3", {}),
        ("np.set_printoptions(precision=2)\nsys.path = []\nsys.argv = []", {}),
        ("csv.register_dialect('x', table)\nsys.setrecursionlimit(n)", {}),
        ("def f():\n    sys.setrecursionlimit(5)\nx = csv.field_size_limit(3)", {}),
        ("%matplotlib inline\nnot python at all", {}),
    ],
)
def test_the_settings_that_a_cell_makes(source: str, made: dict[str, str]) -> None:
    assert settings_made(source, _NAMES) == made


def test_a_setting_from_a_value_of_the_notebook_is_the_value_that_it_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "tracebacklimit", 5, raising=False)

    assert settings_made("sys.tracebacklimit = n", _NAMES) == {"sys.tracebacklimit": "sys.tracebacklimit = 5"}
