"""What a page is to show, asked again until it does: a page draws what it was told a moment later.

What is read at once, by ``inner_text()`` or ``count()``, is right only where it was drawn with what was waited for before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, LocatorAssertions, Page


def expect(locator: Locator) -> LocatorAssertions:
    """Return Playwright's assertions, which wait until they hold, with the patience of the tests."""
    from playwright.sync_api import expect as expect_of_playwright

    expect_of_playwright.set_options(timeout=1000 * PATIENCE_SECONDS)
    return expect_of_playwright(locator)


def expect_attributes(elements: Locator, name: str, values: Sequence[str]) -> None:
    """Wait until there are as many elements as values, and each has its own in this attribute."""
    expect(elements).to_have_count(len(values))
    for number, value in enumerate(values):
        expect(elements.nth(number)).to_have_attribute(name, value)


def focused(page: Page) -> Locator:
    """Return what has the focus, whatever that is when it is looked at."""
    return page.locator(":focus")
