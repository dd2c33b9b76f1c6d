"""Pages of a running JupyterLab, for the browser tests."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from patience import PATIENCE_SECONDS
from slowness import slow_down

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

#: JupyterLab's debugger asks a kernel when it hears that it restarts, which cancels that, and catches it nowhere.
_DEBUGGER_AT_RESTART = "Canceled future for debug_request message before replies were done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A running JupyterLab: its URL with a slash at the end, its token, its root folder and its environment."""

    url: str
    token: str
    root: Path
    environ: dict[str, str]

    def notebook_url(self, path: str, *, reset: bool = True) -> str:
        """Return the URL that opens a notebook in a workspace of its own."""
        end = "&reset" if reset else ""
        return f"{self.url}lab/workspaces/{secrets.token_hex(4)}/tree/{path}?token={self.token}{end}"


@contextmanager
def open_page(browser: Browser) -> Iterator[Page]:
    """Open a page of its own; an error that nobody catches in it is raised at the end."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    slow_down(page.context)
    page.context.set_default_timeout(1000 * PATIENCE_SECONDS)  # also of the pages that this one opens
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    yield page
    page.context.close()
    assert [error for error in errors if _DEBUGGER_AT_RESTART not in error] == [], errors


def wait_for_lab(page: Page) -> None:
    """Wait until JupyterLab has started: its page is loaded before."""
    page.wait_for_function("window.jupyterapp?.restored")
    page.evaluate("jupyterapp.restored")


def open_lab(page: Page, lab: Lab) -> None:
    """Open JupyterLab with nothing in it."""
    page.goto(f"{lab.url}lab?token={lab.token}&reset")
    wait_for_lab(page)


def set_theme(page: Page, name: str) -> None:
    """Change JupyterLab's theme ("Light" or "Dark") and wait until it is there."""
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {name}")
    is_light = "true" if name == "Light" else "false"
    page.wait_for_selector(f"body[data-jp-theme-light={is_light}]", state="attached")
    # JupyterLab fails at a second change before
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def each_theme(page: Page) -> Iterator[str]:
    """Turn to the light and the dark theme and give the name of each; the one that is there comes first."""
    is_light = page.evaluate("document.body.dataset.jpThemeLight") == "true"
    there, other = ("Light", "Dark") if is_light else ("Dark", "Light")
    yield there
    set_theme(page, other)
    yield other


def wait_until_ready(page: Page) -> None:
    """Wait until the open notebook's kernel takes cells: before that, Lab drops them without a word.

    The predicates are plain functions: Playwright does not await a promise that a predicate returns.
    """
    kernel = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(f"{kernel}?.connectionStatus === 'connected'")
    page.evaluate(
        """async () => {
            const panel = jupyterapp.shell.currentWidget;
            await jupyterapp.restored;
            await panel.context.ready;
            await panel.sessionContext.ready;
            await panel.sessionContext.session.kernel.info;
        }"""
    )
    page.wait_for_function(f"{kernel}?.status === 'idle' && {kernel}?.connectionStatus === 'connected'")


def restart_kernel(page: Page) -> None:
    """Restart the kernel of the open notebook, once it has answered all that JupyterLab asked it.

    What JupyterLab asks as it connects (its comms, a subshell) is nowhere caught if the restart cancels it.
    """
    page.evaluate(
        """async () => {
            const { sessionContext } = jupyterapp.shell.currentWidget;
            const { kernel } = sessionContext.session;
            await kernel.requestCommInfo({}).done;
            if (kernel.supportsSubshells) {
                await kernel.requestListSubshell({}).done;
            }
            const answered = new Set(); // what shows outputs stays there when it is answered
            for (;;) {
                const asked = [...kernel._futures.values()].filter(future => !answered.has(future));
                if (asked.length === 0) {
                    break;
                }
                await Promise.allSettled(asked.map(({ done }) => done));
                asked.forEach(future => answered.add(future));
                await new Promise(resolve => setTimeout(resolve)); // who asks once more at an answer does it now
            }
            await sessionContext.restartKernel();
        }"""
    )


def write_cells(lab: Lab, name: str, *sources: str) -> None:
    """Write a notebook with these cells: c0, c1, …"""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
        for n, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / name).write_text(json.dumps(document))


def open_cells(page: Page, lab: Lab, name: str, *sources: str) -> None:
    """Open a new notebook with these cells and run them all."""
    write_cells(lab, name, *sources)
    page.goto(lab.notebook_url(name))
    wait_until_ready(page)
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")


def take_pictures(page: Page, name: str, of: Locator) -> None:
    """Keep a picture in each theme, where somebody wants to look at them."""
    folder = os.environ.get("PICTURES_FOLDER")
    if folder is None:
        return
    for theme in ("Dark", "Light"):
        set_theme(page, theme)
        of.scroll_into_view_if_needed()
        page.screenshot(path=Path(folder) / f"{name}-{theme.lower()}.png")
