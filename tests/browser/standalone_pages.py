"""The pages at ``/orchestra/`` in a browser of their own, and what axe finds on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from missing import miss
from patience import PATIENCE_SECONDS
from slowness import slow_down

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = Path(__file__).parent.parent.parent / "labextension/node_modules/axe-core/axe.min.js"

_FIND = """async places => (await axe.run(
    places.length === 0 ? document : {include: places.map(place => [place])}, {rules: {'target-size': {enabled: true}}}
)).violations.map(
    found => [found.id, ...found.nodes.map(node => `${node.target.join(' ')}: ${node.failureSummary}`)]
)"""


@contextmanager
def open_alone(
    browser: Browser,
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1280,
    height: int = 900,
    locale: str = "en-US",
    trusts_all: bool = False,
) -> Iterator[Page]:
    """Open a page of its own, without a cookie; what nobody catches in it, or it may not do, is raised at the end."""
    context = browser.new_context(
        locale=locale,
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        ignore_https_errors=trusts_all,
    )
    if AXE.exists():
        context.add_init_script(path=AXE)
    context.set_default_timeout(1000 * PATIENCE_SECONDS)
    slow_down(context)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield page
    context.close()
    assert errors == [], "\n".join(errors)


def axe_finds(page: Page, *places: str) -> list[list[str]]:
    """Return what axe finds wrong in these places, or all of the page: its rule, and each place."""
    if not AXE.exists():
        miss("axe-core is not installed. Run: jlpm install in labextension/")
    found: list[list[str]] = page.evaluate(_FIND, list(places))
    return found


def assert_no_sideways_scrolling(page: Page) -> None:
    """Check that the page is no wider than the window: only tables and graphs scroll within themselves."""
    width, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width <= seen


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture, where somebody wants to look at them."""
    folder = os.environ.get("PICTURES_FOLDER")
    if folder is not None:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
