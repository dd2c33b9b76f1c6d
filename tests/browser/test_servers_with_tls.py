"""Servers that are reached by TLS: with a certificate of their own, and behind a proxy that ends TLS before them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS
from served_pages import Service
from standalone_pages import keep_picture, open_alone

from orchestra_nb.client import Client
from tests.faults.notebook_command import code_cell, notebook_of
from tests.ports import free_ports
from tests.services.deployed import wait_until_ready
from tests.tls import Certificates, TlsProxy, make_certificates

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NOTEBOOK = notebook_of(code_cell("print('done')"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Service]:
    """``orchestra serve`` with a certificate."""
    files = (f"--ServerApp.certfile={certificates.certificate}", f"--ServerApp.keyfile={certificates.key}")
    yield from _started(Service(tmp_path_factory.mktemp("tls"), *files))


@pytest.fixture(scope="module")
def plain_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """``orchestra serve`` that believes what a proxy says of its callers."""
    yield from _started(Service(tmp_path_factory.mktemp("plain"), "--ServerApp.trust_xheaders=True"))


@pytest.fixture(scope="module")
def proxied_url(plain_service: Service, certificates: Certificates) -> Iterator[str]:
    """Where the second one is reached by TLS."""
    (port,) = free_ports(1)
    proxy = TlsProxy(port, plain_service.port, certificates)
    try:
        yield f"https://127.0.0.1:{port}/team/"
    finally:
        proxy.close()


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with open_alone(chromium, trusts_all=True) as page:
        yield page


def _started(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        service.close()


def orchestra(service: Service, url: str, *words: str, trusting: Path | str) -> subprocess.CompletedProcess[str]:
    """Run a command over a server, as somebody does who trusts these certificates."""
    return subprocess.run(
        [sys.executable, "-m", "orchestra_nb", "--server", url, *words],
        env=os.environ | {"ORCHESTRA_API_TOKEN": service.token, "SSL_CERT_FILE": str(trusting)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_commands_and_programs_work_over_tls_and_hear_of_changes(
    service: Service, certificates: Certificates, trusted: None
) -> None:
    with Client(service.url, service.token) as client:
        client.deploy("prices", notebook=NOTEBOOK)
        run = client.run_deployment("prices")
        states = (one.state for changes in client.follow(runs=[run.run_id], since=0) for one in changes.runs)
        assert next(state for state in states if state.is_terminal) == "COMPLETED"

    listed = orchestra(service, service.url, "runs", "ls", trusting=certificates.authority)

    assert service.url.startswith("https://")
    assert (listed.returncode, run.name in listed.stdout) == (0, True), listed.stderr


def test_a_worker_takes_its_runs_over_tls(service: Service, certificates: Certificates, trusted: None) -> None:
    with Client(service.url, service.token) as client:
        client.create_pool(name="far")
        client.deploy("far-prices", notebook=NOTEBOOK, pool="far")
        run = client.run_deployment("far-prices")
        token = client.create_token(name="far-box", scopes=["worker:far"]).text
        worker = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "worker", "--pool", "far", "--server", service.url],
            cwd=service.deployed.folder,
            env=os.environ | {"ORCHESTRA_API_TOKEN": token},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until_ready(worker)
            ended = client.wait_for_run(run.run_id)
        finally:
            worker.terminate()
            worker.communicate(timeout=PATIENCE_SECONDS)

    assert ended.state == "COMPLETED", ended.message


def test_what_is_wrong_with_a_certificate_or_a_scheme_is_said_with_the_remedy(
    service: Service, plain_service: Service, certificates: Certificates, tmp_path: Path
) -> None:
    nobodys = make_certificates(tmp_path / "other").authority

    def said(url: str, *, trusting: Path | str) -> str:
        done = orchestra(service, url, "runs", "ls", trusting=trusting)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    def said_with(certificates: Certificates) -> str:
        (port,) = free_ports(1)
        proxy = TlsProxy(port, plain_service.port, certificates)
        try:
            return said(f"https://127.0.0.1:{port}/team", trusting=certificates.authority)
        finally:
            proxy.close()

    untrusted = said(service.url, trusting=nobodys)
    no_file = said(service.url, trusting="/nowhere.pem")
    late = said_with(make_certificates(tmp_path / "late", is_expired=True))
    other_host = said_with(make_certificates(tmp_path / "elsewhere", host="db.example.org"))
    without_tls = said(service.url.replace("https:", "http:"), trusting=certificates.authority)
    with_tls = said(plain_service.url.replace("http:", "https:"), trusting=certificates.authority)

    start = f"The server {service.url.rstrip('/')} cannot be reached: its certificate is not trusted here ("
    assert untrusted.startswith(start)
    assert f"as a PEM file in SSL_CERT_FILE. Now that is {nobodys}.\n" in untrusted
    assert "Now that is /nowhere.pem, which is no file.\n" in no_file
    assert "its certificate is not valid now (certificate has expired). It has to be renewed at the server" in late
    assert "it answers by TLS only. Its address begins with https://." in without_tls
    assert "it does not answer by TLS" in with_tls
    assert "If it has no certificate, its address begins with http://." in with_tls
    assert (
        "its certificate is for another host (IP address mismatch, certificate is not valid for '127.0.0.1')"
        in other_host
    )
    assert "Give the address with the name that the certificate has." in other_host


def test_a_worker_that_does_not_trust_the_certificate_says_so_and_ends(service: Service, tmp_path: Path) -> None:
    nobodys = make_certificates(tmp_path / "other").authority
    worker = subprocess.run(
        [sys.executable, "-m", "orchestra_nb", "worker", "--pool", "default", "--server", service.url],
        env=os.environ | {"ORCHESTRA_API_TOKEN": service.token, "SSL_CERT_FILE": str(nobodys)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert (worker.returncode, "its certificate is not trusted here" in worker.stderr) == (2, True), worker.stderr


def test_pages_are_live_by_tls_with_a_certificate_of_the_server(service: Service, page: Page, trusted: None) -> None:
    _open_live(page, service.url, service.token)
    _run_is_shown_live(page, service.url, service.token)


def test_behind_a_proxy_that_ends_tls_pages_are_live_and_the_login_and_addresses_are_for_tls(
    plain_service: Service, proxied_url: str, page: Page, trusted: None
) -> None:
    _open_live(page, proxied_url, plain_service.token)
    cookies = page.context.cookies()
    _run_is_shown_live(page, proxied_url, plain_service.token)

    (login,) = [cookie for cookie in cookies if cookie["name"] != "_xsrf"]
    assert (login["secure"], login["httpOnly"], login["path"]) == (True, True, "/team/")
    with Client(proxied_url, plain_service.token) as client:
        webhook = client.create_webhook(name="orders", event="order")
        assert webhook.address == f"{proxied_url}orchestra/api/v1/webhooks/orders"


def _open_live(page: Page, url: str, token: str) -> None:
    page.goto(f"{url}orchestra/?token={token}")
    page.get_by_text("Live", exact=True).wait_for()


def _run_is_shown_live(page: Page, url: str, token: str) -> None:
    """Have a page show what another one does, and change something itself."""
    with Client(url, token) as client:
        client.deploy("seen", notebook=NOTEBOOK)
        run = client.run_deployment("seen")
    page.get_by_role("link", name=run.name).first.click()
    page.wait_for_url(f"{url}orchestra/runs/{run.run_id}")
    page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()

    page.get_by_role("button", name="Run again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Run it", exact=True).click()
    page.wait_for_url(lambda address: "/runs/" in address and run.run_id not in address)
    page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()
    keep_picture(page, "tls-run")
