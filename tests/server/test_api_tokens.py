"""Tokens of ours on the REST API: what each scope opens, and that nothing else does."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from example_runs import UPGRADE, run_of
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from orchestra_nb.model.events import RunCreated
from orchestra_nb.operations.api_tokens import CREATED_EVENT, REVOKED_EVENT, create_token, list_tokens, revoke_token
from orchestra_nb.store.custom_event_store import CustomEventStore
from tests.patience import PATIENCE_SECONDS

API = "orchestra/api/v1"
BEGAN = datetime.now(UTC)
#: The end of a token, which is its secret; it may have an underscore in it.
SECRET_CHARACTERS = 43


def bearer(store, *scopes: str, name: str = "ci", expires_at: datetime | None = None) -> dict[str, str]:
    now = BEGAN - timedelta(hours=1)
    _, text = create_token(store, name, scopes, expires_at=expires_at, actor="me", now=now)
    return {"Authorization": f"Bearer {text.get()}"}


@pytest.fixture
def fetch(http_server_client, jp_base_url):
    async def send(path: str, headers: dict[str, str], method: str = "GET", **options: object):
        answer = await http_server_client.fetch(
            f"{jp_base_url}{API}/{path}",
            method=method,
            headers=headers,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            raise_error=False,
            **options,
        )
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.code, json.loads(answer.body) if is_json else {}

    return send


async def test_a_token_opens_what_its_scopes_say_and_the_answer_names_the_missing_one(
    jp_serverapp, fetch, jp_http_port, jp_base_url, store, calm_fox
) -> None:
    reader, writer = bearer(store, "runs:read"), bearer(store, "runs:write", name="writer")
    admin = bearer(store, "admin", name="admin")
    cancel = {"path": "runs/calm-fox/cancel", "method": "POST", "body": b""}

    assert (await fetch("runs/calm-fox", reader))[1]["run"]["name"] == "calm-fox"
    code, problem = await fetch(headers=reader, **cancel)
    assert (code, problem["code"]) == (403, "scope_missing")
    assert problem["detail"] == "The token 'ci' does not have the scope runs:write."
    assert (await fetch("runs", writer))[0] == 403
    assert (await fetch("stream", writer | UPGRADE))[0] == 403
    address = f"ws://localhost:{jp_http_port}{jp_base_url}{API}/stream"
    socket = await websocket_connect(HTTPRequest(address, headers=reader))
    assert "hello" in str(await socket.read_message())
    socket.close()
    assert (await fetch(headers=writer, **cancel))[0] == 202  # no token against forgery, and no cookie
    assert [(await fetch(path, admin))[0] for path in ("runs", "health", "nothing")] == [200, 200, 404]


async def test_a_scrape_has_a_token_of_its_own(jp_serverapp, fetch, http_server_client, jp_base_url, store) -> None:
    scraper, reader = bearer(store, "metrics:read"), bearer(store, "runs:read", name="reader")

    page = await http_server_client.fetch(f"{jp_base_url}{API}/metrics", headers=scraper)

    assert page.headers["Content-Type"].startswith("text/plain; version=")
    names = {line.split("{")[0].split(" ")[0] for line in page.body.decode().splitlines() if not line.startswith("#")}
    assert "orchestra_store_up" in names
    assert all(name.startswith("orchestra_") for name in names)
    assert (await fetch("runs", scraper))[1]["detail"] == "The token 'ci' does not have the scope runs:read."
    assert (await fetch("metrics", reader))[1]["detail"] == "The token 'reader' does not have the scope metrics:read."
    assert (await fetch("metrics", {}))[0] == 403


async def test_a_token_that_opens_nothing_is_refused_whatever_comes_with_it(
    jp_serverapp, fetch, http_server_client, jp_base_url, jp_auth_header, store, calm_fox
) -> None:
    good = bearer(store, "admin")
    expired = bearer(store, "admin", name="old", expires_at=BEGAN - timedelta(minutes=1))
    revoked = bearer(store, "admin", name="gone")
    revoke_token(store, "gone", actor="me", now=BEGAN)
    text = good["Authorization"]
    forged = {"Authorization": text[:-1] + ("A" if text[-1] != "A" else "B")}
    jupyters_own = jp_auth_header["Authorization"].partition(" ")[2]

    for headers in (expired, revoked, forged, {"Authorization": "Bearer orc_"}):
        # the server's own token in the address would open everything, if nothing else were said
        code, problem = await fetch(f"runs?token={jupyters_own}", headers)
        assert (code, problem["code"]) == (401, "token_refused")
        assert (await fetch("stream", headers | UPGRADE))[0] == 401
    assert (await fetch("runs", good | {"Host": "elsewhere.example"}))[0] == 403
    elsewhere = await http_server_client.fetch(f"{jp_base_url}api/contents", headers=good, raise_error=False)
    assert elsewhere.code == 403  # it is none of Jupyter's


async def test_a_stream_ends_before_it_tells_a_revoked_token_anything_more(
    jp_serverapp, http_server, jp_http_port, jp_base_url, store
) -> None:
    address = f"ws://localhost:{jp_http_port}{jp_base_url}{API}/stream"
    socket = await websocket_connect(HTTPRequest(address, headers=bearer(store, "runs:read")))
    assert "hello" in str(await socket.read_message())

    revoke_token(store, "ci", actor="me", now=BEGAN)
    store.apply([RunCreated(run=run_of(1))])

    assert await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS) is None
    assert socket.close_code == 1008
    socket.close()


async def test_what_is_kept_of_a_token_is_a_hash_its_use_and_who_made_and_revoked_it(
    jp_serverapp, fetch, store, store_url, tmp_path
) -> None:
    headers = bearer(store, "runs:read")
    text = headers["Authorization"].partition(" ")[2]

    await fetch("runs", headers)
    [token] = list_tokens(store)
    revoke_token(store, token.token_id, actor="somebody else", now=BEGAN)

    assert token.last_used_at is not None
    assert token.last_used_at > BEGAN
    events = [event for _, event in CustomEventStore(store.database).list_events()]
    assert [(event.event, event.payload["by"], event.resource["id"]) for event in events] == [
        (CREATED_EVENT, "me", "orchestra.api-token.ci"),
        (REVOKED_EVENT, "somebody else", "orchestra.api-token.ci"),
    ]
    assert (list_tokens(store), len(list_tokens(store, has_revoked=True))) == ([], 1)
    store.database.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir() if path.is_file())
    assert b"runs:read" in kept
    assert text[-SECRET_CHARACTERS:].encode() not in kept
