"""Which language a reader gets, and that JupyterLab's server finds the titles of our settings in it."""

from __future__ import annotations

import copy
import logging

import pytest
from jupyterlab_server.translation_utils import translator

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.server.lab_titles import offer_titles
from orchestra_nb.server.languages import DOMAIN, known_language, reader_language, wanted_language

SCHEMA = {
    "title": "Orchestra: side bar",
    "description": "Nobody translated this.",
    "jupyter.lab.internationalization": {"domain": "orchestra_nb"},
    "properties": {"closed": {"type": "object", "title": "Closed sections"}},
}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        pytest.param("de-DE,de;q=0.9,en;q=0.8", "de-DE", id="exactly"),
        pytest.param("DE", "de-DE", id="without a region"),
        pytest.param("de-CH", "de-DE", id="another region"),
        pytest.param("en-GB, de", "en", id="English first"),
        pytest.param("en;q=0.3, de;q=0.7", "de-DE", id="by weight"),
        pytest.param("fr, de;q=0.1", "de-DE", id="the first known"),
        pytest.param("de;q=0, fr", "en", id="refused"),
        pytest.param("*", "en", id="any"),
        pytest.param("", "en", id="none"),
        pytest.param("de;q=much, ;;, -", "en", id="nonsense"),
    ],
)
def test_reader_gets_the_first_known_language(header, language):
    assert wanted_language(header) == language


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, None),
        ({"Accept-Language": ""}, None),
        ({"Accept-Language": "*"}, None),
        ({"Accept-Language": " *;q=0.5"}, None),
        ({"Accept-Language": "*, de;q=0.5"}, "de-DE"),
        ({"Accept-Language": "fr"}, "en"),
    ],
)
def test_who_takes_any_language_has_not_said_in_which_they_read(headers, language):
    assert reader_language(headers) == language


@pytest.mark.parametrize(("setting", "language"), [("", ""), ("de", "de-DE"), ("de_DE", "de-DE"), ("en", "en")])
def test_setting_names_a_language(setting, language):
    assert known_language(setting) == language


def test_unknown_language_of_the_configuration_is_refused():
    with pytest.raises(InvalidSetting, match=r"'tlh'.*en, de-DE"):
        known_language("tlh")


@pytest.fixture
def lab_locale(monkeypatch: pytest.MonkeyPatch):
    """Give JupyterLab's server a language of its own for the test."""
    monkeypatch.setattr(translator, "_TRANSLATORS", {})
    monkeypatch.setattr(translator, "_LOCALE", "en")
    return translator.set_locale


def test_titles_of_settings_are_in_the_language_of_jupyterlab(lab_locale):
    offer_titles(logging.getLogger(__name__))

    lab_locale("de_DE")
    german = translator.translate_schema(copy.deepcopy(SCHEMA))
    lab_locale("fr_FR")
    french = translator.translate_schema(copy.deepcopy(SCHEMA))

    assert german["title"] == "Orchestra: Seitenleiste"
    assert german["properties"]["closed"]["title"] == "Geschlossene Abschnitte"
    assert german["description"] == SCHEMA["description"]
    assert french == SCHEMA


def test_other_packages_keep_their_own_words(lab_locale):
    offer_titles(logging.getLogger(__name__))

    assert set(translator._TRANSLATORS) == {DOMAIN}
