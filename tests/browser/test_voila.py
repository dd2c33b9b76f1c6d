"""Notebooks with tasks and flows in a real Voilà: its page shows widgets, and has no renderer for our type."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect, expect_attributes
from lab_pages import Lab, write_cells
from missing import miss
from patience import PATIENCE_SECONDS, eventually
from running_lab import EXTENSION, running_lab
from standalone_pages import keep_picture

from orchestra_nb.run_widget import BUNDLE
from tests.ports import free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

#: The task waits for a file, so that it goes on when Voilà has run the notebook and shows its page.
WAITS = """import time
from pathlib import Path
while not Path("{file}").exists():
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Voilà over a folder of notebooks, with our extension installed as it is beside JupyterLab."""
    if find_spec("voila") is None:
        miss("Voilà is not installed. Run: pip install -e .[test]")
    if not BUNDLE.exists() or not (EXTENSION / "package.json").exists():
        miss("The JupyterLab extension is not built. Run: make test, or jlpm build in labextension/")
    folder = tmp_path_factory.mktemp("voila")
    root = folder / "root"
    root.mkdir()
    shutil.copytree(EXTENSION, folder / "data/labextensions/orchestra-nb")  # Voilà serves no file behind a link
    environ = os.environ | {
        "HOME": str(folder),
        "PYTHONPATH": str(EXTENSION.parent.parent),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "ORCHESTRA_STORE_URL": f"sqlite:///{folder / 'orchestra.db'}",
    }
    (port,) = free_ports(1)
    command = [
        *(sys.executable, "-m", "voila", "--no-browser", f"--port={port}"),
        "--progressive_rendering=True",  # a cell's output is seen while later ones run
        str(root),
    ]
    log = folder / "voila.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environ, cwd=root, stdout=output, stderr=output)

        def is_up() -> bool:
            assert server.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
            except OSError:
                return False
            return True

        try:
            eventually(is_up)
            yield Lab(url=f"http://127.0.0.1:{port}/", token="", root=root, environ=environ)
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@pytest.fixture
def voila_of_lab(tmp_path: Path) -> Iterator[Lab]:
    """Voilà as an extension of a Jupyter server, which has ours, too."""
    with running_lab(tmp_path, with_voila=True) as lab:
        yield lab


def open_in_voila(page: Page, voila: Lab, name: str, *sources: str) -> None:
    """Show a new notebook with these cells, which Voilà runs for its reader."""
    write_cells(voila, name, *sources)
    # what Voilà's page takes from elsewhere (fonts, MathJax) is not needed, nor is a network
    page.route(lambda url: url.startswith("http") and not url.startswith(voila.url), lambda route: route.abort())
    page.goto(f"{voila.url}voila/render/{name}?token={voila.token}", wait_until="commit")


def test_task_cells_go_on_in_the_page_and_are_seen_live_until_one_fails_and_is_run_again(
    voila: Lab, page: Page
) -> None:
    cells = (
        "%load_ext orchestra_nb\n%flow",
        f"%%task good\n{WAITS.format(file='go')}print('now', 'good')\nrows = 3\ndisplay({{'text/html': '<b>three rows</b>'}}, raw=True)",
        f"%%task bad\n{WAITS.format(file='go')}if not Path('mended').exists():\n    raise ValueError('no such number')\nprint('mended')",
        "%%task after\nprint(rows)",
    )
    open_in_voila(page, voila, "cells.ipynb", *cells)
    flow = page.locator(".orc-widget .orc-flow")
    line = page.locator(".orc-widget:not(:has(.orc-flow)) .orc-line", has_text="bad")

    flow.locator(".orc-node[data-orchestra-task=bad][data-state=RUNNING]").wait_for()
    expect(flow).to_have_attribute("data-state", "RUNNING")
    keep_picture(page, "voila-live")
    (voila.root / "go").touch()

    expect(flow).to_have_attribute("data-state", "FAILED")
    for task, state in (("good", "COMPLETED"), ("bad", "FAILED"), ("after", "COMPLETED")):
        flow.locator(f".orc-node[data-orchestra-task={task}][data-state={state}]").wait_for()
    expect(flow).to_have_attribute("data-live", "false")
    outputs = page.locator(".jp-OutputArea .jp-OutputArea-output")
    outputs.filter(has_text="now good").first.wait_for()
    outputs.locator("b", has_text="three rows").wait_for()
    flow.get_by_role("tab", name="Logs").click()
    flow.locator(".orc-log-text", has_text="ValueError: no such number").first.wait_for()
    keep_picture(page, "voila-failed")
    expect(line).to_contain_text("ValueError: no such number")
    assert page.get_by_text("%flow --help").count() == 0  # nobody types there

    (voila.root / "mended").touch()
    flow.get_by_role("button", name="Retry failed").click()

    expect(flow).to_have_attribute("data-state", "COMPLETED")
    expect(line).to_contain_text("Completed")
    outputs.filter(has_text="mended").first.wait_for()
    keep_picture(page, "voila-mended")


def test_flows_that_cells_call_are_seen_as_they_ended_and_one_that_failed_with_its_failure(
    voila: Lab, page: Page
) -> None:
    flows = """import time
from orchestra_nb import flow, task

@task
def load(n):
    time.sleep(0.5)  # a flow that ends within a second is not shown
    if n > 2:
        raise ValueError("no such number")
    return n

@flow
def report(count):
    return sum(load(n) for n in range(count))
"""
    failing = """try:
    report(4)
except ValueError as error:
    print("caught:", error)
"""
    open_in_voila(page, voila, "called.ipynb", flows, "report(3)", failing)
    flow = page.locator(".orc-widget .orc-flow")

    expect_attributes(flow, "data-state", ("COMPLETED", "FAILED"))
    expect_attributes(flow, "data-live", ("false", "false"))
    flow.nth(1).get_by_text("ValueError: no such number").first.wait_for()
    page.locator(".jp-OutputArea-output", has_text="caught: no such number").wait_for()
    keep_picture(page, "voila-called")


def test_a_reader_cancels_a_task_and_the_page_says_so(voila: Lab, page: Page) -> None:
    cells = ("%load_ext orchestra_nb\n%flow", f"%%task endless\n{WAITS.format(file='never')}")
    open_in_voila(page, voila, "endless.ipynb", *cells)
    flow = page.locator(".orc-widget .orc-flow")
    flow.locator(".orc-node[data-orchestra-task=endless][data-state=RUNNING]").wait_for()

    flow.get_by_role("button", name="Cancel").first.click()

    expect(flow).to_have_attribute("data-state", "CANCELLED")


def test_voila_of_a_jupyter_server_with_our_extension_shows_the_same(voila_of_lab: Lab, page: Page) -> None:
    cells = ("%load_ext orchestra_nb\n%flow", f"%%task nap\n{WAITS.format(file='go')}")
    open_in_voila(page, voila_of_lab, "nap.ipynb", *cells)
    flow = page.locator(".orc-widget .orc-flow")

    flow.locator(".orc-node[data-orchestra-task=nap][data-state=RUNNING]").wait_for()
    (voila_of_lab.root / "go").touch()

    expect(flow).to_have_attribute("data-state", "COMPLETED")
