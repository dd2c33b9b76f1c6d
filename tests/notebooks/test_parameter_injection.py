"""Parameter values in a notebook's source: papermill's text, at papermill's place."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.runs import INJECTED_CELL_ID
from orchestra_nb.notebooks.parameter_injection import inject_source, parameters_source
from orchestra_nb.notebooks.parameter_languages import translated


def notebook(*tags: str | None) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "markdown" if tag == "text" else "code",
            "id": f"c{n}",
            "metadata": {} if tag is None else {"tags": ["parameters" if tag == "text" else tag]},
            "source": f"{n}",
        }
        for n, tag in enumerate(tags)
    ]
    return {"cells": cells, "metadata": {}}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param([None, "parameters", None], ["0", "1", "new", "2"], id="after-the-defaults"),
        pytest.param([None, None], ["new", "0", "1"], id="first-without-defaults"),
        pytest.param(["parameters", "injected-parameters", None], ["0", "new", "2"], id="in-place-of-the-last"),
        pytest.param([None, "injected-parameters"], ["0", "new"], id="in-place-without-defaults"),
        pytest.param(["text", "parameters", None], ["0", "1", "new", "2"], id="a-text-cell-has-no-defaults"),
    ],
)
def test_the_cell_stands_where_papermill_puts_it(tags: list[str | None], expected: list[str]) -> None:
    document = notebook(*tags)

    inject_source(document, "a = 1\n")

    assert ["new" if "a = 1" in cell["source"] else cell["source"] for cell in document["cells"]] == expected
    new = next(cell for cell in document["cells"] if "a = 1" in cell["source"])
    assert new["metadata"] == {"tags": ["injected-parameters"]}


def test_a_cell_that_the_user_s_file_has_is_told_from_one_that_it_has_not() -> None:
    document = notebook(None, None)

    inject_source(document, "a = 1\n")
    as_run = [cell["id"] for cell in document["cells"]]
    inject_source(document, "a = 2\n")
    as_run_again = [cell["id"] for cell in document["cells"]]

    assert as_run == [INJECTED_CELL_ID, "c0", "c1"]
    assert as_run_again[1:] == ["c0", "c1"]
    assert as_run_again[0] != INJECTED_CELL_ID


def test_without_values_nothing_changes() -> None:
    document = notebook("parameters", "injected-parameters")

    inject_source(document, parameters_source({}, kernel_name="python3", language="python"))

    assert document == notebook("parameters", "injected-parameters")


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(10**30), 1e-300, math.inf, "", "a\"b'c\n\\d {x} $y é😀", [1, [None]], {"a b": {"c": False}}, []],
    ids=repr,
)
def test_values_are_the_same_when_python_reads_the_cell(value: object) -> None:
    namespace: dict[str, object] = {}

    exec(translated({"a": value}, kernel_name="python3", language="python"), namespace)

    assert namespace["a"] == value
    assert type(namespace["a"]) is type(value)


def test_values_are_the_same_when_bash_reads_the_cell() -> None:
    awkward = "a\"b'c $HOME `id` \\d"
    source = translated({"a": awkward, "n": 3}, kernel_name="bash", language="bash")

    printed = subprocess.run(["bash", "-c", f'{source}printf "%s|%s" "$a" "$n"'], capture_output=True, text=True)

    assert printed.stdout == f"{awkward}|3"


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("r", r'a = "é\\ \"q\" $x\n\u0007"'),
        ("julia", r'a = "é\\ \"q\" \$x\n\u0007"'),
        ("scala", r'val a = "é\\ \"q\" $x\n\u0007"'),
        (".net-csharp", r'var a = "é\\ \"q\" $x\n\u0007";'),
        (".net-powershell", "$a = 'é\\ \"q\" $x\n\a'"),
        ("bash", r"""a=$'é\\ "q" $x\n\007'"""),
    ],
)
def test_a_text_is_written_as_its_language_reads_it(language: str, line: str) -> None:
    source = translated({"a": 'é\\ "q" $x\n\a'}, kernel_name=language, language=language)

    assert source.partition("\n")[2] == f"{line}\n"


@pytest.mark.parametrize(
    ("value", "language", "words"),
    [
        pytest.param({"b": 1}, "bash", r"\{'b': 1\} \(dict\), for which papermill has no form in bash", id="no-form"),
        pytest.param([[1]], "bash", r"\(list\), for which there is no form in bash", id="nested"),
        pytest.param("a\0", "bash", "there is no NUL in a text in bash", id="nul"),
        pytest.param([-math.inf], "r", r"\[-inf\] \(list\), for which papermill has no form in r", id="not-finite"),
        pytest.param(2**53 + 1, "r", "too large to be exact in r", id="too-large"),
        pytest.param(1, "fortran", "cannot be given to a notebook in fortran", id="unknown-language"),
    ],
)
def test_what_a_language_cannot_say_is_refused(value: object, language: str, words: str) -> None:
    with pytest.raises(InvalidParameters, match=words):
        translated({"a": value}, kernel_name=language, language=language)


def test_papermill_itself_is_not_imported() -> None:
    code = (
        "import sys\nfrom orchestra_nb.notebooks.parameter_languages import translated\n"
        "translated({'a': 1}, kernel_name='r', language='r')\n"
        "print([name for name in ('papermill', 'nbformat', 'nbclient') if name in sys.modules])"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert printed.stdout == "[]\n"
