"""The modules that code imports are found in their files, with what they import, and none of them is imported."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from orchestra_nb.engine.import_names import imported_in
from orchestra_nb.engine.module_sources import module_sources

_SOURCES = {
    "sourced_top.py": "import json\nfrom sourced_deep import number\n\n\ndef plain():\n    return number()\n",
    "sourced_deep.py": "raise SystemExit('imported')\n",
    "sourced_lazy.py": "def late():\n    import sourced_deep\n    return sourced_deep.number()\n",
    "sourced_circle.py": "import sourced_circle\nimport sourced_lazy\n",
    "sourced_box/__init__.py": "raise SystemExit('imported')\n",
    "sourced_box/one.py": "def late():\n    from . import two\n    return two.N\n",
    "sourced_box/two.py": "N = 2\n",
    "sourced_box/inner/three.py": "from ..two import N\nfrom .... import too_far\n",
    "sourced_open/part/four.py": "import sourced_deep\n",
    "sourced_broken.py": "def (:\n",
    "site-packages/sourced_installed.py": "import sourced_deep\n",
    "site-packages/sourced_open/five.py": "import sourced_deep\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that may not be imported."""
    for name, source in _SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "site-packages"), *sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sources_of(code: str) -> dict[str, str]:
    return module_sources(imported_in(ast.parse(code)))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import sourced_top", {"sourced_top", "sourced_deep"}),
        ("from sourced_top import plain", {"sourced_top", "sourced_deep"}),
        ("def f():\n    import sourced_deep as d", {"sourced_deep"}),
        ("import sourced_lazy", {"sourced_lazy", "sourced_deep"}),
        ("import sourced_circle", {"sourced_circle", "sourced_lazy", "sourced_deep"}),
        ("import sourced_box.two", {"sourced_box", "sourced_box.two"}),
        ("from sourced_box import one", {"sourced_box", "sourced_box.one", "sourced_box.two"}),
        ("from sourced_box.inner import three", {"sourced_box", "sourced_box.inner.three", "sourced_box.two"}),
        ("import sourced_open.part.four", {"sourced_open.part.four", "sourced_deep"}),
        ("import sourced_open.five", set()),
        ("import sourced_broken", {"sourced_broken"}),
        ("get_ipython().run_line_magic('time', 'import sourced_deep')", {"sourced_deep"}),
        ("import sourced_installed, json, sourced_nowhere, orchestra_nb, numpy.linalg", set()),
        ("from . import sourced_deep", set()),
    ],
)
def test_what_is_imported_anywhere_is_found_without_importing_it(code: str, found: set[str]) -> None:
    before = set(sys.modules)

    assert sources_of(code).keys() == found

    assert not {name for name in sys.modules.keys() - before if name.startswith("sourced_")}


def test_the_code_counts_without_comments_and_wherever_its_folder_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sources_of("import sourced_top")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "sourced_top.py").write_text("# moved\n" + _SOURCES["sourced_top.py"])

    monkeypatch.chdir(elsewhere)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "path", ["", *sys.path])

    assert sources_of("import sourced_top") == before

    (elsewhere / "sourced_top.py").write_text("number = 3\n")
    assert sources_of("import sourced_top").keys() == {"sourced_top"}
