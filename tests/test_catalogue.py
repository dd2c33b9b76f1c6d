"""The catalogues of translations are what the source says, whole, and where JupyterLab looks for them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts/write_catalogue.py"


@pytest.fixture(scope="module")
def catalogues() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_catalogue", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a folder with one schema and room for code."""
    for name in ("src", "schema"):
        (tmp_path / name).mkdir()
    schema = {"title": "Runs", "jupyter.lab.internationalization": {"domain": "orchestra_nb"}}
    (tmp_path / "schema/runs.json").write_text(json.dumps(schema))
    return tmp_path


def test_catalogues_are_what_the_source_says_and_translated_wholly():
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_messages_are_found_in_calls_and_schemas(catalogues, sources):
    (sources / "src/a.tsx").write_text(
        """const a = <b title={trans.__('One ' + `more`)}>{this._texts._n('%1 run', '%1 runs', 2)}</b>;
        trans._p('verb', 'Open');
        translator.load('jupyterlab').__('Theirs');
        // trans.__('In a comment')"""
    )

    found = catalogues.template(sources)

    assert [(message.context, message.id) for message in found if message.id] == [
        (None, "One more"),
        (None, ("%1 run", "%1 runs")),
        ("verb", "Open"),
        ("schema", "Runs"),
    ]
    assert found.get("One more").locations == [("labextension/src/a.tsx", None)]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("texts.__(word)", "src/a.ts:1: __() needs a literal text", id="name"),
        pytest.param("texts._n('%1 run', plural, 2)", "_n() needs a literal text", id="plural"),
        pytest.param("texts.__(`${n} runs`)", "needs a literal text", id="template"),
        pytest.param("texts.__('')", "needs a literal text that is not empty", id="empty"),
        pytest.param("texts.__('run'); texts._n('run', 'runs', 2)", "another plural", id="both ways"),
    ],
)
def test_message_that_cannot_be_translated_is_refused(catalogues, sources, code, said):
    (sources / "src/a.ts").write_text(code)

    with pytest.raises(catalogues.CatalogueError) as refused:
        catalogues.template(sources)

    assert said in str(refused.value)


def test_schema_of_no_domain_is_refused(catalogues, sources):
    (sources / "schema/more.json").write_text('{"title": "More"}')

    with pytest.raises(catalogues.CatalogueError, match=r"schema/more\.json.*orchestra_nb"):
        catalogues.template(sources)


def test_wrong_translations_are_told(catalogues):
    catalogue = Catalog(locale="de_DE")
    catalogue.add("Open", "Öffnen")
    catalogue.add("Close", "", [("src/a.ts", None)])
    catalogue.add(("%1 run", "%1 runs"), ("%1 Lauf", ""))
    catalogue.add("%1 of %2", "%1 von %3")

    assert list(catalogues.problems(catalogue)) == [
        "de_DE: 'Close' (src/a.ts) is not translated.",
        "de_DE: '%1 run' () is not translated.",
        "de_DE: '%1 von %3' is to have the same places for values as '%1 of %2' ().",
    ]


def test_new_message_keeps_the_translations_of_the_others(catalogues, tmp_path):
    path = tmp_path / "de_DE/LC_MESSAGES/orchestra_nb.po"
    path.parent.mkdir(parents=True)
    path.write_text('# Glossar\nmsgid ""\nmsgstr ""\n\nmsgid "Run"\nmsgstr "Lauf"\n\nmsgid "Gone"\nmsgstr "Weg"\n')
    words = Catalog()
    words.add("New")
    words.add("Run")

    text = catalogues._as_po(catalogues.translated(path, words))

    assert text.startswith("# Glossar\nmsgid")
    assert text.endswith('msgid "New"\nmsgstr ""\n\nmsgid "Run"\nmsgstr "Lauf"\n\n')
    assert "Weg" not in text


@pytest.mark.parametrize(
    ("locale", "categories"),
    [("de_DE", {"one": 0, "other": 1}), ("pl_PL", {"few": 1, "many": 2, "one": 0}), ("ja_JP", {"other": 0})],
)
def test_plural_forms_are_told_by_category(catalogues, locale, categories):
    head = json.loads(catalogues.as_json(Catalog(locale=locale)))[""]

    assert head["plural_categories"] == categories
    assert head["language"] == locale.replace("_", "-")


def test_jupyterlab_finds_the_catalogue_by_the_entry_point():
    translation_utils = pytest.importorskip("jupyterlab_server.translation_utils")
    if not any(point.name == "orchestra_nb" for point in entry_points(group="jupyterlab.locale")):
        pytest.fail("No entry point jupyterlab.locale: install the package again, so that its metadata is of now.")

    found, _ = translation_utils.get_installed_packages_locale("de_DE")

    assert found["orchestra_nb"]["Cancel run"] == ["Lauf abbrechen"]
