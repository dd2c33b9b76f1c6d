"""Parameters that are written as other tools take them are answered with how they are written here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestra_nb.cli.main import main

EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def orchestra(folder: Path, *words: str) -> Result:
    notebook = folder / "nb.ipynb"
    notebook.write_text(json.dumps(EMPTY))
    return CliRunner().invoke(main, [str(notebook) if word == "nb.ipynb" else word for word in words])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("run nb.ipynb -p region=US", "Option '-p' requires 2 arguments. Write -p region US, without the equals sign."),
        ("run -p region=US nb.ipynb", "Missing argument 'NOTEBOOK'. Write -p region US, without the equals sign."),
        ("run nb.ipynb -p a=1 -p b=2", "'a=1' cannot be the name of a parameter. Write -p a 1, without the equals sign."),
        ("run nb.ipynb -r a=1 out.ipynb", "Write -r a 1, without the equals sign."),
        ("plan nb.ipynb -p region=US", "Write -p region US, without the equals sign."),
        ("run nb.ipynb --min_units 2", "No such option '--min_units'. A parameter of the notebook is given so: -p min_units 2."),
        ("run nb.ipynb --min-units=-2", "A parameter of the notebook is given so: -p min_units -2."),
        ("run nb.ipynb --offset -2.5", "A parameter of the notebook is given so: -p offset -2.5."),
        ("run nb.ipynb --parameter x", "A parameter of the notebook is given so: -p parameter x."),
    ],
)  # fmt: skip
def test_a_parameter_that_was_written_otherwise_is_shown_as_it_is_written(
    tmp_path: Path, words: str, hint: str
) -> None:
    refused = orchestra(tmp_path, *words.split())

    assert refused.exit_code == 2
    assert hint in refused.output


@pytest.mark.parametrize(
    "words",
    [
        "run nb.ipynb --paralel",
        "run --paralel nb.ipynb",
        "run nb.ipynb --paralel --json",
        "run nb.ipynb -p region",
        "run nb.ipynb --secret token=a",
    ],
)
def test_what_has_no_value_of_a_parameter_gets_no_such_hint(tmp_path: Path, words: str) -> None:
    refused = orchestra(tmp_path, *words.split())

    assert refused.exit_code == 2
    assert "given so" not in refused.output
    assert "equals sign" not in refused.output
