"""F59: a file that is no notebook is refused with line and reason; what can be repaired in memory runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from orchestra_nb.operations.opening import open_store
from orchestra_nb.settings import load_settings
from tests.faults.invariants import assert_invariants
from tests.faults.notebook_command import code_cell, notebook_of, orchestra_run, printed, refused_run

CODE = code_cell("print('ran')")
VALID = json.dumps(notebook_of(CODE), indent=1)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))


def described(language: str, kernel: str = "python3") -> bytes:
    metadata = {"kernelspec": {"name": kernel, "language": language, "display_name": kernel}}
    return json.dumps(notebook_of(CODE, metadata=metadata)).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"print('a script')\n", "n.ipynb, line 1, column 1: not JSON", id="no-json"),
        pytest.param(VALID[:-20].encode(), "n.ipynb, line 18, column 2: not JSON", id="cut-off"),
        pytest.param(b"", "n.ipynb is empty. Save the notebook in JupyterLab", id="empty"),
        pytest.param(b"\xef\xbb\xbf \n", "n.ipynb is empty", id="only-a-mark"),
        pytest.param(VALID.encode("utf-16"), "n.ipynb, line 1: not UTF-8 text", id="utf-16"),
        pytest.param(b'{"cells": 3}', "JSON, but no notebook: it has no cells", id="no-cells"),
        pytest.param(
            json.dumps(notebook_of(CODE, nbformat=5, nbformat_minor=99)).encode(),
            "written in notebook format 5.99, and this version knows formats up to 4",
            id="format-5.99",
        ),
        pytest.param(
            VALID.replace(' "cells": [', '<<<<<<< HEAD\n "cells": [').replace(' "nbformat"', "=======\n", 1).encode(),
            "n.ipynb, line 2: unresolved merge conflict (<<<<<<<). Resolve it",
            id="merge-conflict",
        ),
        pytest.param(
            json.dumps(notebook_of(CODE, {"cell_type": "heading"})).encode(),
            "n.ipynb, the entry 2 of its cells: neither",
            id="odd-cell",
        ),
        pytest.param(
            json.dumps(notebook_of(CODE, kernel="ir")).encode(),
            "There is no kernel 'ir' here. Installed kernels: bash, python3.",
            id="unknown-kernel",
        ),
        pytest.param(
            described("R"), "is written in r, and the kernel 'python3' runs python", id="another-language-s-kernel"
        ),
    ],
)
def test_what_is_no_notebook_that_can_run_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(content)

    code, document, _ = refused_run(tmp_path, "n.ipynb", "out.ipynb")

    assert (code, document["error"]["code"]) == (2, "invalid_notebook")
    assert reason in document["error"]["message"]
    assert path.read_bytes() == content
    assert not (tmp_path / "out.ipynb").exists()


def old_format() -> bytes:
    upgraded = nbformat.from_dict(notebook_of({**CODE, "id": "a"}))
    return json.dumps(nbformat.convert(upgraded, 3)).encode()


def odd_cells() -> bytes:
    """Return 5,000 cells without ids or with the same, null metadata, no kernelspec, a mark at the head."""
    texts: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": None, "source": "x"}] * 4_995
    empty = [{**code_cell(""), "id": "same"}, {"cell_type": "code", "source": ["", " "], "metadata": {"tags": None}}]
    ran = [{**CODE, "id": "same"}, {**CODE, "id": "no such id!"}, {**CODE, "metadata": {"tags": "parameters"}}]
    return b"\xef\xbb\xbf" + json.dumps({"cells": [*ran, *texts, *empty]}).encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(json.dumps(notebook_of()).encode(), "", id="no-cells"),
        pytest.param(old_format(), "ran\n", id="format-3"),
        pytest.param(odd_cells(), "ran\n" * 3, id="5000-odd-cells"),
    ],
)
def test_what_can_be_repaired_runs_and_the_file_stays_as_it_is(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(content)

    code, document, said = orchestra_run(tmp_path, "n.ipynb", "out.ipynb")

    assert (code, document.get("state")) == (0, "COMPLETED"), said
    assert path.read_bytes() == content
    assert printed(tmp_path / "out.ipynb") == text
    executed = nbformat.read(tmp_path / "out.ipynb", 4)
    nbformat.validate(executed)
    assert len({cell["id"] for cell in executed.cells}) == len(executed.cells)
    assert_invariants(open_store(load_settings()), document["run_id"])
