"""Under a real JupyterHub: users with servers of their own, and ``orchestra serve`` as a service of the hub."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from hub_world import HubWorld, find_proxy, status_of
from lab_pages import wait_for_lab
from missing import miss
from patience import PATIENCE_SECONDS
from standalone_pages import keep_picture, open_alone

from orchestra_nb.client import Client
from orchestra_nb.errors import DeploymentNotFound, RunNotFound, ScopeMissing
from orchestra_nb.model.api_tokens import Scope
from tests.faults.notebook_command import code_cell, notebook_of
from tests.server.webhook_messages import body_of, standard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NOTEBOOK = notebook_of(code_cell("print('done')"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubWorld]:
    proxy = find_proxy()
    if importlib.util.find_spec("jupyterhub") is None:
        miss("JupyterHub is not installed. Run: pip install 'jupyterhub>=5'")
    if proxy is None:
        miss("The proxy of JupyterHub is not installed. Run: jlpm install in labextension/")
    world = HubWorld(tmp_path_factory.mktemp("hub"), proxy)
    try:
        world.wait()
        yield world
    finally:
        world.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with open_alone(chromium) as page:
        yield page


def log_in(page: Page, hub: HubWorld, user: str) -> None:
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(hub.password)
    page.get_by_role("button", name="Sign in").click()


def orchestra(hub: HubWorld, url: str, token: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command over a server, as somebody does on another machine."""
    environ = hub.environ | {"ORCHESTRA_API_TOKEN": token, "HOME": str(hub.folder)}
    command = [sys.executable, "-m", "orchestra_nb", "--server", url, *words]
    return subprocess.run(
        command, env=environ, cwd=hub.folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def test_each_user_has_runs_of_their_own_on_a_server_of_their_own(hub: HubWorld) -> None:
    ana, ben = hub.start_server("ana"), hub.start_server("ben")
    of_ana, of_ben = hub.token_of("ana"), hub.token_of("ben")
    (hub.folder / "homes/ana/report.ipynb").write_text(json.dumps(NOTEBOOK))

    run = orchestra(hub, ana, of_ana, "run", "report.ipynb")
    listed = orchestra(hub, ana, of_ana, "runs", "ls", "--json")
    foreign = orchestra(hub, ana, of_ben, "runs", "ls")
    stopped = orchestra(hub, f"{hub.url}user/eve", of_ana, "runs", "ls")

    assert (run.returncode, "COMPLETED" in run.stderr) == (0, True), run.stderr
    assert [(found["flow_name"], found["owner"]) for found in json.loads(listed.stdout)["runs"]] == [("report", "ana")]
    assert Client(ben, of_ben).list_runs().runs == ()
    assert (Client(ana, of_ana).show_me().user, Client(ben, of_ben).show_me().user) == ("ana", "ben")
    assert (foreign.returncode, "It takes tokens that its JupyterHub makes" in foreign.stderr) == (1, True)
    assert (stopped.returncode, "No server runs at" in stopped.stderr) == (1, True)


def test_pages_of_a_user_are_live_behind_the_hubs_login_and_when_the_server_is_back(hub: HubWorld, page: Page) -> None:
    url = hub.start_server("ana")
    (hub.folder / "homes/ana/prices.ipynb").write_text(json.dumps(NOTEBOOK))
    client = hub.client(url, "ana")
    first = client.run_notebook(path="prices.ipynb")
    client.wait_for_run(first.run_id)

    page.goto(f"{url}orchestra/flows/prices")
    log_in(page, hub, "ana")
    page.get_by_role("heading", name="prices").wait_for()
    page.wait_for_url(f"{url}orchestra/flows/prices")
    page.get_by_role("link", name=first.name).first.click()
    page.wait_for_url(f"{url}orchestra/runs/{first.run_id}")
    page.get_by_text("Live", exact=True).wait_for()
    keep_picture(page, "hub-run")

    # a change, with the hub's token against forgery
    page.get_by_role("button", name="Run again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Run it", exact=True).click()
    page.wait_for_url(lambda address: "/runs/" in address and first.run_id not in address)
    page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()

    hub.stop_server("ana")
    page.get_by_text("No connection, trying again…").wait_for()
    keep_picture(page, "hub-stopped")
    hub.start_server("ana")
    page.get_by_role("button", name="Log in").click()  # the hub lets a new server trust no login at the one before
    page.get_by_text("Live", exact=True).wait_for()


def test_a_named_server_has_pages_links_and_commands_below_its_own_address(hub: HubWorld, page: Page) -> None:
    url = hub.start_server("ana", "gpu")
    token = hub.token_of("ana")
    (hub.folder / "homes/ana/labels.ipynb").write_text(json.dumps(NOTEBOOK))
    said = hub.folder / "homes/ana/said"
    (hub.folder / "homes/ana/links.ipynb").write_text(
        json.dumps(
            notebook_of(
                code_cell(
                    "from pathlib import Path\nfrom orchestra_nb.settings import load_settings\n"
                    f"Path({str(said)!r}).write_text(load_settings().pages_url)"
                )
            )
        )
    )
    client = Client(url, token)

    ran = orchestra(hub, url, token, "run", "labels.ipynb")
    client.wait_for_run(client.run_notebook(path="links.ipynb").run_id)
    webhook = client.create_webhook(name="labels", event="labels")
    stopped = orchestra(hub, f"{hub.url}user/ana/cpu", token, "runs", "ls")

    assert url == f"{hub.url}user/ana/gpu/"
    assert (ran.returncode, "COMPLETED" in ran.stderr) == (0, True), ran.stderr
    assert said.read_text() == f"{url}orchestra/"  # with which links in notifications begin
    assert webhook.address == f"{url}orchestra/api/v1/webhooks/labels"
    assert (stopped.returncode, "No server runs at" in stopped.stderr) == (1, True), stopped.stderr

    page.goto(f"{url}orchestra/flows/labels")
    log_in(page, hub, "ana")
    page.get_by_role("heading", name="labels").wait_for()
    page.wait_for_url(f"{url}orchestra/flows/labels")
    (run,) = client.list_runs(flow="labels").runs
    page.get_by_role("link", name=run.name).first.click()
    page.wait_for_url(f"{url}orchestra/runs/{run.run_id}")
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_role("button", name="Run again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Run it", exact=True).click()
    page.wait_for_url(lambda address: address.startswith(f"{url}orchestra/runs/") and run.run_id not in address)
    page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()

    page.goto(f"{url}lab?reset")
    wait_for_lab(page)
    page.evaluate("jupyterapp.commands.execute('orchestra:open-panel')")
    shown = page.locator("#orchestra-nb-panel .orc-run[data-state=COMPLETED]", has_text=run.name)
    shown.locator(".orc-row-names").click()
    page.locator(".jp-MainAreaWidget .orc-run-page .orc-run-header [data-state=COMPLETED]").wait_for()
    keep_picture(page, "hub-named")


def test_jupyterlab_of_a_user_shows_the_runs_and_opens_the_page_of_one(hub: HubWorld, page: Page) -> None:
    url = hub.start_server("ana")
    (hub.folder / "homes/ana/sales.ipynb").write_text(json.dumps(NOTEBOOK))
    page.goto(f"{url}lab?reset")
    log_in(page, hub, "ana")
    wait_for_lab(page)
    page.evaluate("jupyterapp.commands.execute('orchestra:open-panel')")

    run = hub.client(url, "ana").run_notebook(path="sales.ipynb")

    shown = page.locator("#orchestra-nb-panel .orc-run[data-state=COMPLETED]", has_text=run.name)
    shown.locator(".orc-row-names").click()
    page.locator(".jp-MainAreaWidget .orc-run-page .orc-run-header [data-state=COMPLETED]").wait_for()
    keep_picture(page, "hub-lab")


def test_the_service_knows_users_and_groups_of_the_hub(hub: HubWorld) -> None:
    ana, ben, eve = (hub.client(hub.service_url, user) for user in ("ana", "ben", "eve"))
    admin = Client(hub.service_url, hub.admin_token)

    assert [(one.user, one.role) for one in (client.show_me() for client in (ana, ben, eve, admin))] == [
        ("ana", "author"),
        ("ben", "author"),
        ("eve", "viewer"),
        ("service tests", "admin"),
    ]
    for name, client in (("of-ana", ana), ("of-ben", ben)):
        client.deploy(name, notebook=NOTEBOOK)
    with pytest.raises(ScopeMissing, match="needs the role author, and you have the role viewer"):
        eve.deploy("of-eve", notebook=NOTEBOOK)
    with pytest.raises(DeploymentNotFound, match="There is no deployment 'of-ana'"):
        ben.run_deployment("of-ana")
    run = ana.run_deployment("of-ben")  # who shares with ana
    assert (ana.wait_for_run(run.run_id).state, ana.show_run(run.run_id).run.owner) == ("COMPLETED", "ana")


def test_each_user_of_the_service_sees_what_is_theirs_or_shared_with_them(hub: HubWorld, page: Page) -> None:
    ana, ben, eve = (hub.client(hub.service_url, user) for user in ("ana", "ben", "eve"))
    admin = Client(hub.service_url, hub.admin_token)
    runs = {}
    for name, client in (("ana", ana), ("ben", ben)):
        source = f"from orchestra_nb.variables import get_secret\nassert get_secret('db').get() == 'of {name}'"
        client.set_secret("db", value=f"of {name}")
        client.deploy(f"prices-of-{name}", notebook=notebook_of(code_cell(source)))
        runs[name] = client.wait_for_run(client.run_deployment(f"prices-of-{name}").run_id)
    admin.set_variable("home-region", value="EU")

    def seen(client: Client) -> list[str]:
        return [one.name for one in client.list_deployments().deployments if one.name.startswith("prices")]

    assert [run.state for run in runs.values()] == ["COMPLETED"] * 2
    assert [seen(client) for client in (ana, ben, eve, admin)] == [
        ["prices-of-ana", "prices-of-ben"],
        ["prices-of-ben"],
        [],
        ["prices-of-ana", "prices-of-ben"],
    ]
    with pytest.raises(RunNotFound):
        ben.show_run(runs["ana"].run_id)
    listed = orchestra(hub, hub.service_url, hub.token_of("ben"), "secrets", "ls")
    made = orchestra(
        hub, hub.service_url, hub.token_of("ben"), "tokens", "create", "--name", "s", "--scope", "runs:read"
    )
    script = Client(hub.service_url, made.stdout.strip())
    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [["db", "ben"]], listed.stderr
    assert (script.show_me().user, script.show_me().actor) == ("ben", "token s")
    assert {run.owner for run in script.list_runs().runs} == {"ben"}

    page.goto(f"{hub.service_url}orchestra/")
    log_in(page, hub, "ben")
    page.get_by_role("link", name=runs["ben"].name).first.wait_for()
    assert page.get_by_text(runs["ana"].name).count() == 0
    keep_picture(page, "hub-runs-of-ben")
    page.get_by_text("Live", exact=True).wait_for()
    hidden = ana.run_deployment("prices-of-ana")
    told = ben.run_deployment("prices-of-ben")
    page.get_by_role("link", name=told.name).first.wait_for()
    assert page.get_by_text(hidden.name).count() == 0
    for path, words in (
        ("flows", "prices-of-ben"),
        ("automations", "There is nothing here that is yours, or shared with you."),
        ("webhooks", "No webhooks yet. One has others start runs by signed messages."),
        ("pools", "default"),
        ("variables", "home-region"),
        ("notifications", "No rules yet"),
        ("dead-letters", "Nothing waits for a decision."),
        (f"runs/{hidden.run_id}", f"No run '{hidden.run_id}'"),
    ):
        page.goto(f"{hub.service_url}orchestra/{path}")
        page.get_by_text(words).first.wait_for()
        assert page.get_by_text("prices-of-ana").count() == 0
        keep_picture(page, f"hub-of-ben-{path.partition('/')[0]}")


def test_the_service_takes_messages_and_tokens_of_its_own_past_the_hubs_login(hub: HubWorld) -> None:
    admin = Client(hub.service_url, hub.admin_token)
    token = admin.create_token(name="ci", scopes=[Scope.READ_RUNS])
    webhook = admin.create_webhook(name="orders", event="order")
    body = body_of({"n": 1})

    sent = urllib.request.Request(webhook.address, body, standard(webhook.secret, body))
    with urllib.request.urlopen(sent, timeout=PATIENCE_SECONDS) as answer:
        received = answer.status

    assert webhook.address == f"{hub.service_url}orchestra/api/v1/webhooks/orders"
    assert received == 202
    assert Client(hub.service_url, token.text).show_me().actor == "token ci"
    assert status_of(f"{hub.service_url}orchestra/api/v1/runs")[0] == 403
    assert status_of(f"{hub.service_url}orchestra/static/pages.js")[0] == 403


def test_a_visitor_of_the_service_logs_in_at_the_hub_and_gets_the_page_that_was_asked_for(
    hub: HubWorld, page: Page
) -> None:
    page.goto(f"{hub.service_url}orchestra/pools?from=mail")
    assert page.url.startswith(f"{hub.url}hub/login")
    log_in(page, hub, "eve")

    page.get_by_role("heading", name="Work pools").wait_for()
    page.wait_for_url(f"{hub.service_url}orchestra/pools?from=mail")
    page.get_by_text(re.compile(r"Your role here is viewer\. .*Change.*Pause.*: takes the role admin\.")).wait_for()
    page.get_by_role("rowheader").first.wait_for()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    keep_picture(page, "hub-service")


def test_a_service_in_which_nobody_has_a_role_is_refused(hub: HubWorld, tmp_path: Path) -> None:
    told = {
        "JUPYTERHUB_SERVICE_NAME": "open",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/open/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:0",
        "JUPYTERHUB_API_URL": f"{hub.url}hub/api",
        "JUPYTERHUB_API_TOKEN": hub.admin_token,
        "JUPYTERHUB_CLIENT_ID": "service-open",
    }
    command = [sys.executable, "-m", "orchestra_nb", "serve", "--no-commands", "--ServerApp.allow_root=True"]
    environ = hub.environ | told | {"HOME": str(tmp_path)}

    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert (done.returncode, "nobody has a role in it" in done.stderr) == (1, True), done.stderr
