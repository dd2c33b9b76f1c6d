"""The pages at ``/orchestra/``: their frame, what it allows the browser, and the files of their code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tornado.httpclient import HTTPClientError

from orchestra_nb.server import pages_handler

RUN = "0" * 31 + "1"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for what the build wrote."""
    (tmp_path / "pages.js").write_text("document.title = 'é'", encoding="utf-8")
    (tmp_path / "pages.css").write_text("body {}", encoding="utf-8")
    monkeypatch.setattr(pages_handler, "STATIC", tmp_path)
    return tmp_path


def rules_of(response) -> dict[str, str]:
    """Return the Content-Security-Policy as the name of a rule to what it allows."""
    header = response.headers["Content-Security-Policy"]
    return dict(rule.strip().partition(" ")[::2] for rule in header.split(";"))


@pytest.mark.parametrize("page", ["", f"runs/{RUN}"])
async def test_each_page_is_a_frame_for_the_code_of_all(jp_fetch, jp_base_url, built, page: str) -> None:
    response = await jp_fetch("orchestra/" + page)

    text = response.body.decode()
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert f'data-base-url="{jp_base_url}"' in text
    assert re.search(rf'src="{jp_base_url}orchestra/static/pages.js\?v=[0-9a-f]{{16}}"', text)
    assert re.search(rf'href="{jp_base_url}orchestra/static/pages.css\?v=[0-9a-f]{{16}}"', text)
    assert any(cookie.startswith("_xsrf=") for cookie in response.headers.get_list("Set-Cookie"))


@pytest.mark.parametrize("path", ["nonsense", "runs/a/b", "service/x"])
async def test_an_address_that_is_none_is_a_page_for_people_and_a_bare_answer_for_programs(
    jp_fetch, built, path: str
) -> None:
    shown = await jp_fetch("orchestra", path, headers={"Accept": "text/html,*/*"}, raise_error=False)
    bare = await jp_fetch("orchestra", path, headers={"Accept": "application/json"}, raise_error=False)

    assert (shown.code, bare.code) == (404, 404)
    assert "pages.js" in shown.body.decode()
    assert bare.body == b"404 Not Found\n"


async def test_an_address_of_the_api_that_is_none_stays_a_problem_for_people_too(jp_fetch, built) -> None:
    answer = await jp_fetch("orchestra/api/v1/nonsense", headers={"Accept": "text/html"}, raise_error=False)

    assert answer.code == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_page_may_run_and_ask_nothing_but_this_server(jp_fetch, http_server_port, built) -> None:
    rules = rules_of(await jp_fetch("orchestra/"))

    host = f"127.0.0.1:{http_server_port[1]}"
    assert rules["default-src"] == "'none'"
    assert (rules["script-src"], rules["style-src"]) == ("'self'", "'self'")
    assert rules["connect-src"] in (
        f"'self' ws://{host} wss://{host}",
        f"'self' ws://localhost:{host[10:]} wss://localhost:{host[10:]}",
    )
    assert rules["frame-ancestors"] == "'self'"


async def test_a_page_that_is_not_built_says_what_to_do(jp_fetch, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pages_handler, "STATIC", tmp_path)

    text = (await jp_fetch("orchestra/")).body.decode()

    assert "jlpm build:pages" in text
    assert "<script" not in text
    assert "orchestra/service" in text


async def test_files_of_the_build_are_kept_by_the_browser_under_their_digest(jp_fetch, built) -> None:
    page = (await jp_fetch("orchestra/")).body.decode()
    digest = re.search(r"pages\.js\?v=([0-9a-f]{16})", page)[1]

    named = await jp_fetch("orchestra", "static", "pages.js", params={"v": digest})
    plain = await jp_fetch("orchestra", "static", "pages.js")
    (built / "pages.js").write_text("document.title = 'new'", encoding="utf-8")
    newer = (await jp_fetch("orchestra/")).body.decode()

    assert named.headers["Content-Type"] == "text/javascript; charset=UTF-8"
    assert named.body.decode() == "document.title = 'é'"
    assert "immutable" in named.headers["Cache-Control"]
    assert plain.headers["Cache-Control"] == "private, no-cache"
    assert digest not in newer


async def test_page_is_in_the_language_of_the_browser_and_offers_its_words(jp_fetch, jp_base_url, built) -> None:
    german = (await jp_fetch("orchestra/", headers={"Accept-Language": "fr, de-AT;q=0.8, en;q=0.5"})).body.decode()
    english = (await jp_fetch("orchestra/", headers={"Accept-Language": "fr"})).body.decode()

    assert '<html lang="de-DE">' in german
    url = re.search(rf'data-words-url="{jp_base_url}(orchestra/static/de-DE.json)\?v=([0-9a-f]{{16}})"', german)
    words = await jp_fetch(url[1], params={"v": url[2]})
    assert json.loads(words.body)["Cancel run"] == ["Lauf abbrechen"]
    assert words.headers["Content-Type"] == "application/json"
    assert "immutable" in words.headers["Cache-Control"]
    assert '<html lang="en">' in english
    assert "data-words-url" not in english


async def test_language_of_the_configuration_counts_before_that_of_the_browser(jp_fetch, jp_serverapp, built) -> None:
    jp_serverapp.web_app.settings[pages_handler.LANGUAGE_SETTING] = "en"

    text = (await jp_fetch("orchestra/", headers={"Accept-Language": "de"})).body.decode()

    assert '<html lang="en">' in text


@pytest.mark.parametrize("name", ["widget.js", "nothing.js", "..%2Fversion.py"])
async def test_no_other_file_is_given(jp_fetch, built, name: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(f"orchestra/static/{name}")

    assert refused.value.code == 404


async def test_how_the_service_stands_has_a_page_of_its_own(jp_fetch, jp_base_url) -> None:
    text = (await jp_fetch("orchestra", "service")).body.decode()

    assert "Services of the store" in text
    assert f'href="{jp_base_url}orchestra/"' in text
