"""Notebook files: read, repaired, refused, written."""

from __future__ import annotations

import copy
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.errors import InvalidNotebook, NotebookNotFound
from orchestra_nb.notebooks.document import (
    cell_title,
    kernel_name,
    language,
    notebook_text,
    read_notebook,
    write_notebook,
)

TEXT_CELL: dict[str, Any] = {"cell_type": "markdown", "metadata": {}, "source": "text"}
CODE: dict[str, Any] = {
    "cell_type": "code",
    "id": "c1",
    "metadata": {},
    "source": ["x = 1\n", "y"],
    "outputs": [],
    "execution_count": None,
}


def notebook(*cells: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}},
        "cells": list(cells),
        **changes,
    }


def as_bytes(content: object) -> bytes:
    return json.dumps(content).encode()


def test_sources_and_outputs_are_joined() -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/plain": ["a", "b"], "application/json": ["a", "b"]},
        },
    ]

    read = read_notebook(as_bytes(notebook({**CODE, "outputs": outputs})))

    assert read["cells"][0]["source"] == "x = 1\ny"
    assert read["cells"][0]["outputs"][0]["text"] == "a\nb"
    assert read["cells"][0]["outputs"][1]["data"] == {"text/plain": "ab", "application/json": ["a", "b"]}


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert len(read_notebook(b"\xef\xbb\xbf" + as_bytes(notebook(CODE)))["cells"]) == 1


@pytest.mark.parametrize("found", [None, "", "a b", "x" * 65, 3, "ü"])
def test_missing_and_invalid_ids_are_replaced_by_the_same_ones_each_time(found: object) -> None:
    cell = {**CODE, "id": found}
    if found is None:
        del cell["id"]
    content = as_bytes(notebook(CODE, cell, cell))

    first, second = read_notebook(content), read_notebook(content)

    ids = [each["id"] for each in first["cells"]]
    assert ids[0] == "c1"
    assert len(set(ids)) == 3
    assert ids == [each["id"] for each in second["cells"]]
    nbformat.validate(nbformat.from_dict(first))


def test_the_first_of_two_cells_with_one_id_keeps_it() -> None:
    read = read_notebook(as_bytes(notebook(CODE, {**CODE, "source": "z"})))

    assert read["cells"][0]["id"] == "c1"
    assert read["cells"][1]["id"] != "c1"


def test_what_is_missing_is_filled_in() -> None:
    read = read_notebook(as_bytes({"cells": [{"cell_type": "code", "source": "x"}, {"cell_type": "markdown"}]}))

    nbformat.validate(nbformat.from_dict(read))
    assert (kernel_name(read), language(read)) == ("python3", "python")


def test_zero_and_five_thousand_cells_are_read() -> None:
    assert read_notebook(as_bytes(notebook()))["cells"] == []
    many = [{**CODE, "id": f"c{number}"} for number in range(5000)]
    assert len(read_notebook(as_bytes(notebook(*many)))["cells"]) == 5000


def test_older_minors_become_the_current_one_and_newer_ones_stay() -> None:
    assert read_notebook(as_bytes(notebook(CODE, nbformat_minor=2)))["nbformat_minor"] == 5
    newer = read_notebook(as_bytes(notebook({**CODE, "new_field": 1}, nbformat_minor=99, new="kept")))
    assert (newer["nbformat_minor"], newer["new"], newer["cells"][0]["new_field"]) == (99, "kept", 1)


def test_format_3_is_upgraded_in_memory() -> None:
    old = nbformat.convert(nbformat.from_dict(notebook({**CODE, "source": "x = 1"})), 3)

    read = read_notebook(as_bytes(old))

    assert (read["nbformat"], read["cells"][0]["source"]) == (4, "x = 1")
    nbformat.validate(nbformat.from_dict(read))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b'{\n "cells": [\n  }', "line 3, column 3: not JSON"),
        (b"print('a script')\n", "line 1, column 1: not JSON"),
        (b'{"cells": []', "line 1, column 13: not JSON"),
        (b"[1]", "JSON, but no notebook: it has no cells"),
        (b"null", "JSON, but no notebook"),
        (b"{}", "JSON, but no notebook: it has no cells"),
        (b'{"nbformat": 4}', "JSON, but no notebook: it has no cells"),
        (b'{"a": 1}\xff', "line 1: not UTF-8"),
        (b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}', r"line 2: unresolved merge conflict \(<<<<<<<\)"),
        (
            as_bytes(notebook(CODE, nbformat=5, nbformat_minor=99)),
            "notebook format 5.99, and this version knows formats up to 4",
        ),
        (as_bytes(notebook(CODE, nbformat="4")), 'nbformat is "4"'),
        (as_bytes(notebook(CODE, nbformat=True)), "nbformat is true"),
        (as_bytes(notebook(CODE, {"cell_type": "wat"})), "the entry 2 of its cells: neither a code cell nor"),
        (as_bytes(notebook(CODE, 3)), "the entry 2 of its cells: neither"),  # type: ignore[arg-type]
        (as_bytes(notebook({**CODE, "source": 3})), "cell 1: its source is no text"),
        (as_bytes(notebook({**CODE, "source": ["a", 3]})), "cell 1: its source is no text"),
        (as_bytes(notebook(TEXT_CELL, {**CODE, "source": 3})), "cell 1: its source is no text"),
        (
            as_bytes(notebook(CODE, {**TEXT_CELL, "source": 3})),
            "the markdown cell in place 2 of all: its source is no text",
        ),
        (as_bytes({"nbformat": 3, "worksheets": 3, "metadata": {}}), "the old notebook format 3 could not be upgraded"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_what_is_no_notebook_is_refused_with_line_and_reason(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(content)

    with pytest.raises(InvalidNotebook, match=f"n.ipynb.*(?:{words})"):
        read_notebook(path)
    assert path.read_bytes() == content


def test_conflict_marks_inside_a_text_of_a_valid_notebook_are_fine() -> None:
    read_notebook(as_bytes(notebook({**CODE, "source": ["<<<<<<< HEAD\n", ">>>>>>> b"]})))


def test_reading_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(as_bytes(notebook(CODE, CODE, nbformat_minor=2)))
    before = (path.read_bytes(), path.stat().st_mtime_ns)

    read_notebook(path)

    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert os.listdir(tmp_path) == ["n.ipynb"]


def test_a_missing_notebook_names_near_ones(tmp_path: Path) -> None:
    for name in ("Quickstart.ipynb", "report.ipynb", "notes.txt"):
        (tmp_path / name).touch()

    with pytest.raises(NotebookNotFound, match=r"Did you mean Quickstart\.ipynb\?"):
        read_notebook(tmp_path / "quickstrat.ipynb")
    with pytest.raises(NotebookNotFound, match=r"Did you mean report\.ipynb\?"):
        read_notebook(tmp_path / "report")
    with pytest.raises(NotebookNotFound, match=r"Notebooks in that folder: Quickstart\.ipynb, report\.ipynb\."):
        read_notebook(tmp_path / "zzz.ipynb")
    with pytest.raises(NotebookNotFound, match="the folder .*none does not exist"):
        read_notebook(tmp_path / "none" / "a.ipynb")


def test_a_folder_is_no_notebook(tmp_path: Path) -> None:
    with pytest.raises(InvalidNotebook, match="is a folder"):
        read_notebook(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "kernel", "name"),
    [
        ({}, "python3", "python"),
        ({"kernelspec": {"name": "bash", "language": "bash"}}, "bash", "bash"),
        ({"kernelspec": {"name": "my-env"}, "language_info": {"name": "Python"}}, "my-env", "python"),
        ({"language_info": {"name": "R"}}, "ir", "r"),
        ({"language_info": {"name": "bash"}}, "bash", "bash"),
        ({"kernelspec": {"name": "ir"}}, "ir", "r"),
        ({"kernelspec": None, "language_info": None}, "python3", "python"),
        ({"kernelspec": {"name": ""}}, "python3", "python"),
    ],
)
def test_kernel_and_language(metadata: dict[str, Any], kernel: str, name: str) -> None:
    read = read_notebook(as_bytes(notebook(metadata=metadata)))

    assert (kernel_name(read), language(read)) == (kernel, name)


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("", ""),
        ("\n\n", ""),
        ("# Load the data\nx = 1", "Load the data"),
        ("## Load ##\nx = 1", "Load"),
        ("# ------\n# Clean\n# ------", "Clean"),
        ("#: --retries 3\nx = 1", "x = 1"),
        ("# %% cell\nx = 1", "x = 1"),
        ("#!/bin/bash\nls", "ls"),
        ("   x = f(1)", "x = f(1)"),
        ("x" * 80, "x" * 59 + "…"),
        ("%%bash\nls", "%%bash"),
        ("#\n#\nx", "x"),
        ("@task\ndef load(region):\n    return region", "@task load"),
        ("@flow(\n    name='x',\n)\n@other\nasync def report():\n    ...", "@flow report"),
        ("@dataclass\nclass Shop:\n    name: str", "@dataclass Shop"),
        ("import asyncio\n\nasyncio.run(main())", "asyncio.run(main())"),
        ("from a import (\n    b,\n    c,\n)\nfrom d import e\n\n@task\ndef f(): ...", "@task f"),
        ("import a\nimport b", "import a"),
        ("# import the data\nx = 1", "import the data"),
        ("@", "@"),
    ],
)
def test_titles(source: str, title: str) -> None:
    assert cell_title(source) == title


OUTPUTS = st.one_of(
    st.fixed_dictionaries({"output_type": st.just("stream"), "name": st.just("stdout"), "text": st.text(max_size=20)}),
    st.fixed_dictionaries(
        {
            "output_type": st.just("display_data"),
            "metadata": st.just({}),
            "data": st.dictionaries(
                st.sampled_from(
                    [
                        "text/plain",
                        "text/html",
                        "image/png",
                        "image/svg+xml",
                        "application/json",
                        "application/javascript",
                    ]
                ),
                st.text(max_size=20),
                max_size=3,
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("error"),
            "ename": st.text(max_size=5),
            "evalue": st.text(max_size=5),
            "traceback": st.lists(st.text(max_size=20), max_size=2),
        }
    ),
)
CELLS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "cell_type": st.just("code"),
                "metadata": st.sampled_from([{}, {"tags": ["parameters"]}, {"trusted": True}]),
                "source": st.text(max_size=40),
                "outputs": st.lists(OUTPUTS, max_size=2),
                "execution_count": st.none() | st.integers(1, 9),
            }
        ),
        st.fixed_dictionaries(
            {
                "cell_type": st.sampled_from(["markdown", "raw"]),
                "metadata": st.just({}),
                "source": st.text(alphabet="a\n\r\u2028\x0bä", max_size=20),
                "attachments": st.dictionaries(
                    st.just("a.png"), st.dictionaries(st.just("image/png"), st.text(max_size=5))
                ),
            }
        ),
    ),
    max_size=4,
)


@given(CELLS)
def test_the_written_text_is_nbformats_to_the_byte(cells: list[dict[str, Any]]) -> None:
    for number, cell in enumerate(cells):
        cell["id"] = f"c{number}"
    content = notebook(*cells)
    content["metadata"]["signature"] = "x"
    before = copy.deepcopy(content)

    text = notebook_text(content)

    expected = nbformat.versions[4].writes_json(nbformat.from_dict(copy.deepcopy(content)))
    assert text == expected + "\n"
    assert content == before
    assert notebook_text(read_notebook(text.encode())) == text


def test_a_written_file_is_nbformats_to_the_byte(tmp_path: Path) -> None:
    content = read_notebook(as_bytes(notebook({**CODE, "source": "größe = 1\n\nx"})))

    write_notebook(content, tmp_path / "ours.ipynb")
    nbformat.write(nbformat.from_dict(copy.deepcopy(content)), str(tmp_path / "theirs.ipynb"))

    assert (tmp_path / "ours.ipynb").read_bytes() == (tmp_path / "theirs.ipynb").read_bytes()


def test_a_replaced_file_keeps_its_permissions_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text("old")
    path.chmod(0o640)

    write_notebook(notebook(), path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["n.ipynb"]
    assert read_notebook(path)["cells"] == []


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()

    write_notebook(notebook(), tmp_path / "n.ipynb")

    assert (tmp_path / "n.ipynb").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.ipynb").write_text("old")
    (tmp_path / "link.ipynb").symlink_to("real.ipynb")

    write_notebook(notebook(), tmp_path / "link.ipynb")

    assert (tmp_path / "link.ipynb").is_symlink()
    assert read_notebook(tmp_path / "real.ipynb")["cells"] == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    write_notebook(notebook(), path)
    before = path.read_bytes()

    with pytest.raises(TypeError):
        write_notebook(notebook(metadata={"a": object()}), path)

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["n.ipynb"]


def test_nbformat_is_not_imported_for_a_notebook_of_today(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(as_bytes(notebook(CODE)))
    program = (
        "import sys\n"
        "from orchestra_nb.notebooks.document import *\n"
        "from orchestra_nb.notebooks.parameters import read_declaration\n"
        "from orchestra_nb.notebooks.names import analyse_cell\n"
        "from orchestra_nb.notebooks.task_line import parse_task_line\n"
        "read_declaration(read_notebook(sys.argv[1])); analyse_cell('x = 1'); parse_task_line('a --wait', '')\n"
        "heavy = {'nbformat', 'IPython', 'yaml', 'papermill', 'jupyter_core', 'argparse', 'dask'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )

    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
