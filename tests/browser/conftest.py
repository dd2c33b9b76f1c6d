"""A real JupyterLab with the built extension for each file, and one Chromium for the session.

Where Chromium or the build is missing the tests are skipped and name what to do; in CI (``CI=true``) they fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from lab_pages import Lab, open_page
from missing import miss
from running_lab import EXTENSION, launch_chromium, running_lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with our two extensions on."""
    if not (EXTENSION / "package.json").exists():
        miss("The JupyterLab extension is not built. Run: make test, or jlpm build in labextension/")
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if browser is None:
            miss("Chromium is not installed. On Debian: apt-get install chromium")
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page for one test."""
    with open_page(chromium) as page:
        yield page
