"""Who may do what: every route that the application has, without credentials, with wrong ones, and across sites."""

from __future__ import annotations

import re

import pytest
from example_runs import UPGRADE, run_of
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import User
from tornado.httpclient import HTTPClientError
from tornado.web import Application, RequestHandler
from traitlets.config import Config
from user_headers import OnlyReading

from orchestra_nb.model.events import RunCreated
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.rest.endpoint import Role

METHODS = RequestHandler.SUPPORTED_METHODS
API = "orchestra/api/v1"

#: What anybody may call, since messages show by their signature who sent them: 401 to those that do not.
PUBLIC = ("/webhooks/something", "POST")


#: Pages for people: who is not logged in is sent to the login page. Their files are refused: that page is no script.
PAGES = (
    *("/orchestra", "/orchestra/", "/orchestra/service", "/orchestra/runs/something"),
    *("/orchestra/flows", "/orchestra/flows/something", "/orchestra/flows/something/something"),
    *("/orchestra/dead-letters", "/orchestra/notifications", "/orchestra/pools"),
    *("/orchestra/variables", "/orchestra/automations", "/orchestra/webhooks", "/orchestra/something"),
)


class NobodyMay(Authorizer):
    """Allows nothing."""

    def is_authorized(self, handler: RequestHandler, user: User, action: str, resource: str) -> bool:
        return False


def our_routes(application: Application) -> list[str]:
    """Return an example path of each route that our handlers have, as the application knows them."""
    found = []
    pending = [application.default_router, application.wildcard_router]
    while pending:
        for rule in pending.pop().rules:
            if hasattr(rule.target, "rules"):
                pending.append(rule.target)
            elif getattr(rule.target, "__module__", "").startswith("orchestra_nb"):
                pattern = rule.matcher.regex.pattern.removesuffix("$").replace("(?:/.*)?", "/something")
                found.append(re.sub(r"\([^)]*\)", "something", pattern))
    assert len(found) == len(set(found)) >= 4
    return found


def our_calls(application: Application) -> list[tuple[str, str]]:
    """Return an example (path, method) of each endpoint of the API, and of each route with each method."""
    routes = our_routes(application)
    (rest,) = (path.removesuffix("/something") for path in routes if path.endswith("/v1/something"))
    endpoints = [(rest + re.sub(r"{\w+}", "something", one.path), one.method) for one in ENDPOINTS]
    assert len(endpoints) >= 50
    return [*endpoints, (f"{rest}/openapi.json", "GET"), *((path, method) for path in routes for method in METHODS)]


def is_public(path: str, method: str) -> bool:
    return path.endswith(PUBLIC[0]) and method == PUBLIC[1]


def refusal(path: str, method: str) -> int:
    """Return the status that a request without a credential gets."""
    if is_public(path, method):
        return 401
    return 302 if path.endswith(PAGES) and method in ("GET", "HEAD") else 403


async def code_of(client, path: str, **options: object) -> int:
    options = {"allow_nonstandard_methods": True, "follow_redirects": False, "raise_error": False} | options
    response = await client.fetch(path, **options)
    assert b"calm-fox" not in response.body
    return response.code


@pytest.fixture
def secret(store):
    """A run that must not be seen."""
    store.apply([RunCreated(run=run_of(1, name="calm-fox"))])


@pytest.mark.parametrize("unmarked_methods_are_open", [False, True])
async def test_s1_no_route_answers_without_a_credential(
    jp_serverapp, http_server_client, secret, unmarked_methods_are_open: bool
) -> None:
    jp_serverapp.web_app.settings["allow_unauthenticated_access"] = unmarked_methods_are_open

    codes = {
        (path, method, "upgrade" if headers else ""): await code_of(
            http_server_client, path, method=method, headers=headers
        )
        for path, method in our_calls(jp_serverapp.web_app)
        for headers in ({}, dict(UPGRADE))
    }

    public = {key for key in codes if is_public(*key[:2])}
    assert len(public) == 2
    assert {key: code for key, code in codes.items() if code != refusal(*key[:2])} == {}


async def test_s3_a_wrong_token_opens_nothing(jp_serverapp, http_server_client, secret) -> None:
    headers = {"Authorization": "token 0000"}

    codes = {
        (path, method): await code_of(http_server_client, path, method=method, headers=headers)
        for path, method in our_calls(jp_serverapp.web_app)
        if method != "OPTIONS"
    }

    wrong = {key: code for key, code in codes.items() if code != refusal(*key)}
    assert wrong == {}


async def cookies_of(client, app, base_url: str) -> tuple[dict[str, str], str]:
    """Log in as a browser does; return the headers with its cookies, and the token against forgery."""
    page = await client.fetch(f"{base_url}login")
    forged = next(value for value in page.headers.get_list("Set-Cookie") if value.startswith("_xsrf="))
    xsrf = forged.partition(";")[0].removeprefix("_xsrf=")
    answer = await client.fetch(
        f"{base_url}login",
        method="POST",
        body=f"password={app.identity_provider.token}&_xsrf={xsrf}",
        headers={"Cookie": f"_xsrf={xsrf}"},
        follow_redirects=False,
        raise_error=False,
    )
    logged_in = [value.partition(";")[0] for value in answer.headers.get_list("Set-Cookie")]
    return {"Cookie": "; ".join([f"_xsrf={xsrf}", *logged_in])}, xsrf


async def test_s5_a_cookie_without_the_token_against_forgery_changes_nothing(
    jp_serverapp, http_server_client, jp_base_url, store, secret
) -> None:
    headers, xsrf = await cookies_of(http_server_client, jp_serverapp, jp_base_url)
    path = f"{jp_base_url}{API}/runs/calm-fox/cancel"

    reading = await http_server_client.fetch(f"{jp_base_url}{API}/runs", headers=headers)
    forged = await code_of(http_server_client, path, method="POST", body=b"", headers=headers)
    honest = await code_of(http_server_client, path, method="POST", body=b"", headers={**headers, "X-XSRFToken": xsrf})

    assert (reading.code, forged, honest) == (200, 403, 202)


async def test_s6_a_cookie_from_a_foreign_site_opens_nothing(
    jp_serverapp, http_server_client, jp_base_url, secret
) -> None:
    headers, xsrf = await cookies_of(http_server_client, jp_serverapp, jp_base_url)
    headers |= {"X-XSRFToken": xsrf, "Origin": "https://elsewhere.example"}

    codes = [
        await code_of(http_server_client, f"{jp_base_url}{API}/runs", headers=headers),
        await code_of(
            http_server_client, f"{jp_base_url}{API}/runs/calm-fox/cancel", method="POST", body=b"", headers=headers
        ),
        await code_of(http_server_client, f"{jp_base_url}{API}/stream", headers={**headers, **UPGRADE}),
    ]

    assert codes == [404, 404, 403]


async def test_s8_a_foreign_host_opens_nothing_even_with_the_token(
    jp_serverapp, http_server_client, jp_auth_header, secret
) -> None:
    headers = {**jp_auth_header, "Host": "elsewhere.example"}

    codes = {await code_of(http_server_client, path, headers=headers) for path in our_routes(jp_serverapp.web_app)}

    assert codes == {403}


class TestOnlyReading:
    """S9: an authorizer that allows reading only."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.authorizer_class = OnlyReading
        return jp_server_config

    async def test_s9_what_changes_anything_is_refused(self, jp_fetch, store) -> None:
        run = run_of(1, driver_id="driver-1")
        store.apply([RunCreated(run=run)])
        changing = [endpoint for endpoint in ENDPOINTS if endpoint.method != "GET"]

        for endpoint in changing:
            path = re.sub(r"{\w+}", "something", endpoint.path.replace("{run}", run.run_id))
            with pytest.raises(HTTPClientError) as refused:
                await jp_fetch(f"{API}{path}", method=endpoint.method, allow_nonstandard_methods=True)
            assert refused.value.code == 403, endpoint

        assert len(changing) >= 25
        assert all(endpoint.role is not Role.VIEWER for endpoint in changing)
        assert store.cancel_requests("driver-1") == []

    async def test_s9_reading_is_allowed(self, jp_fetch, jp_ws_fetch, store) -> None:
        store.apply([RunCreated(run=run_of(1))])
        name = run_of(1).name
        paths = ["runs", f"runs/{name}", f"runs/{name}/tasks", f"runs/{name}/logs", "health"]

        codes = [(await jp_fetch(f"{API}/{path}")).code for path in paths]
        socket = await jp_ws_fetch(f"{API}/stream")

        assert codes == [200] * len(paths)
        assert b"hello" in (await socket.read_message()).encode()
        socket.close()


class TestNobodyMay:
    """An authorizer that allows nothing."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.authorizer_class = NobodyMay
        return jp_server_config

    async def test_s9_each_route_asks_the_authorizer(
        self, jp_serverapp, http_server_client, jp_auth_header, secret
    ) -> None:
        codes = {
            (path, method): await code_of(http_server_client, path, method=method, headers=jp_auth_header | UPGRADE)
            for path, method in our_calls(jp_serverapp.web_app)
            if method not in ("HEAD", "OPTIONS")
        }

        # 405: a route of its own that has no such method
        wrong = {key: code for key, code in codes.items() if code not in (403, 405) and not is_public(*key)}
        assert wrong == {}
        assert not any(codes[key] == 405 for key in our_calls(jp_serverapp.web_app)[: len(ENDPOINTS)])
