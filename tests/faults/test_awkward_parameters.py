"""F57, S22, S23: parameters arrive exactly, or are refused before anything runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations.opening import open_store
from orchestra_nb.operations.problems import problem_of
from orchestra_nb.operations.run_notebook import run_notebook
from orchestra_nb.settings import load_settings
from tests.faults.invariants import assert_invariants
from tests.faults.notebook_command import code_cell, notebook_of, orchestra_run, printed, refused_run

AWKWARD: dict[str, Any] = {
    "nan": math.nan,
    "infinite": [math.inf, -math.inf, {"deep": [math.nan]}],
    "small": 5e-324,
    "minus_zero": -0.0,
    "big": [10**4000, -(2**63), 2**64],
    "nested": {"a b": [{"ä": {"": [None, True, {}]}}], "$float": "nan", "$kind": "date", "$mapping": {}},
    "path_like": "../../etc/passwd",
    "windows": "C:\\temp\\new\\x41",
    "home": "~/$HOME/%PATH%/{region}",
    "quotes": "'\"`'''\"\"\"\\'\\\"",
    "lines": "a\nb\r\nc\rd\x0b\x0c\x1c\x85\u2028\u2029",
    "controls": "".join(map(chr, range(32))) + "\x7f\u202e\ufeff\u200b",
    "emoji": "é😀\U0010ffff",
    "code": "\"); import os; os._exit(9) #\n'''\nraise SystemExit(9)",
    "magic": "%run x\n!touch ran\n?x",
    "call": "__import__('os').system('touch ran')",
    "escape": "\\u0041\\N{BULLET}\\x41\\0",
    "template": "{{ 7*7 }} ${7*7} #{7*7} <%= 7*7 %>",
    "number_like": "007",
    "nothing_like": "None",
    "date_like": "2026-01-01",
    "long": "ä" * 500_000,
    "empty": ["", [], {}],
}
BASH = {
    "plain": "x",
    "code": "$(touch ran); `touch ran`; touch ran",
    "quotes": "'\"`\\' \\\" '' \"\"",
    "lines": "a\nb\tc\r\n",
    "controls": "\x01\x03\x04\x1b[31m\x7f'\\n",
    "globs": "* ~ ? [a] {a,b} !! #x =y",
    "variables": "$HOME ${HOME} $((1+1)) %s \\n",
    "options": "--help -n",
    "emoji": "é😀",
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))


def test_awkward_values_arrive_in_python_and_are_recorded_as_they_are(tmp_path: Path) -> None:
    defaults = "\n".join(f"{name} = None" for name in AWKWARD)
    show = f"import pathlib\npathlib.Path('seen').write_text(ascii([{', '.join(AWKWARD)}]))"
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook_of(code_cell(defaults, "parameters"), code_cell(show))))
    (tmp_path / "values.json").write_text(json.dumps(AWKWARD))

    code, document, said = orchestra_run(tmp_path, "n.ipynb", "out.ipynb", "-f", "values.json")

    assert (code, document.get("state")) == (0, "COMPLETED"), said
    assert (tmp_path / "seen").read_text() == ascii(list(AWKWARD.values()))
    assert not (tmp_path / "ran").exists()
    store = open_store(load_settings())
    assert_invariants(store, document["run_id"])
    shown = dict(AWKWARD, nan="NaN", infinite=["Infinity", "-Infinity", {"deep": ["NaN"]}])
    metadata = json.loads((tmp_path / "out.ipynb").read_text())["metadata"]
    assert document["parameters"] == shown
    assert metadata["papermill"]["parameters"] == shown


def test_awkward_texts_arrive_in_bash(tmp_path: Path) -> None:
    show = "".join(f'printf "%s|" "${name}" >> seen\n' for name in BASH)
    defaults = code_cell("plain=none", "parameters")
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook_of(defaults, code_cell(show), kernel="bash")))

    words = [word for name, text in BASH.items() for word in ("-r", name, text)]
    code, document, said = orchestra_run(tmp_path, "n.ipynb", "out.ipynb", *words)

    assert (code, document.get("state")) == (0, "COMPLETED"), said
    assert (tmp_path / "seen").read_bytes().decode() == "".join(f"{text}|" for text in BASH.values())
    assert not (tmp_path / "ran").exists()
    assert document["parameters"] == BASH


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param(["-p", "a\nopen('ran', 'w')", "1"], "\"a\\nopen('ran', 'w')\" cannot be the name", id="newline"),
        pytest.param(["-r", "class", "1"], "'class' cannot be the name of a parameter: it is a keyword", id="keyword"),
        pytest.param(["-y", "{a.b: 1}"], "'a.b' cannot be the name", id="attribute"),
        pytest.param(["-p", "__builtins__", "{}", "--no-strict"], "'__builtins__' cannot be the name", id="builtins"),
        pytest.param(["-f", "large.json"], "large.json has 20.0 MB", id="20-MB-file"),
        pytest.param(["-f", "larger.json"], "Parameter 'x' takes 2.0 MB, and the limit is 1 MB", id="2-MB"),
        pytest.param(["-f", "half.json"], "Parameter 'x' holds a character that is no Unicode text", id="surrogate"),
        pytest.param(["-p", "n", "x"], "'n' is declared as int, and was given 'x'", id="type"),
    ],
)
def test_what_would_not_arrive_is_refused_before_anything_runs(tmp_path: Path, words: list[str], reason: str) -> None:
    cells = [code_cell("x = 1\nn: int = 1", "parameters"), code_cell("open('ran', 'w')")]
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook_of(*cells)))
    (tmp_path / "large.json").write_text(json.dumps({"x": "a" * (20 << 20)}))
    (tmp_path / "larger.json").write_text(json.dumps({"x": "a" * (2 << 20)}))
    (tmp_path / "half.json").write_text('{"x": "\\ud800"}')

    code, document, _ = refused_run(tmp_path, "n.ipynb", "out.ipynb", *words)

    assert (code, document["error"]["code"]) == (2, "invalid_parameters")
    assert reason in document["error"]["message"]
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out.ipynb").exists()


def test_a_script_s_own_objects_arrive_and_a_refusal_is_422(tmp_path: Path) -> None:
    from datetime import date
    from decimal import Decimal

    from orchestra_nb.errors import InvalidParameters

    above = "from datetime import date\nfrom decimal import Decimal"
    cells = [code_cell(above), code_cell("day: date = date(2026, 1, 1)\nprice = Decimal(1)", "parameters")]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook_of(*cells, code_cell("print(repr(day), repr(price))"))))

    result = run_notebook(path, parameters={"day": date(2026, 3, 29), "price": Decimal("1.10")})

    assert result.run.parameters == {"day": "2026-03-29", "price": "1.10"}
    assert printed(Path(str(result.run.output_path))) == "datetime.date(2026, 3, 29) Decimal('1.10')\n"
    with pytest.raises(InvalidParameters) as refused:
        run_notebook(path, parameters={"day": "soon"})
    assert (problem_of(refused.value).status, problem_of(refused.value).exit_code) == (422, 2)


def test_a_secret_arrives_in_bash_and_is_hidden_in_what_it_prints(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    show = code_cell('printf "%s" "$token" > seen; echo "it is $token"')
    path.write_text(json.dumps(notebook_of(code_cell("token=none", "parameters"), show, kernel="bash")))

    result = run_notebook(path, parameters={"token": Secret("it's S3cr3t\t!")})

    assert (tmp_path / "seen").read_text() == "it's S3cr3t\t!"
    assert printed(Path(str(result.run.output_path))) == "it is ••••\n"
    assert "S3cr3t" not in Path(str(result.run.output_path)).read_text()
