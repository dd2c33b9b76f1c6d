"""Slows pages down, so that a test that is quicker than what it looks at fails here and not one day in fifty.

With ``BROWSER_SLOWNESS=1`` each answer that a page waits for comes up to six hundred milliseconds later, by chance.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_LATE_ANSWERS = """(() => {
    const fetched = window.fetch;
    const delays = [0, 0, 10, 50, 200, 600];
    window.fetch = async (...request) => {
        const answer = await fetched(...request);
        await new Promise(resolve => setTimeout(resolve, delays[Math.floor(Math.random() * delays.length)]));
        return answer;
    };
})()"""


def slow_down(context: BrowserContext) -> None:
    """Slow down the pages that are opened from now on, where this is asked for."""
    if os.environ.get("BROWSER_SLOWNESS"):
        context.add_init_script(_LATE_ANSWERS)
