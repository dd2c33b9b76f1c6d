"""The executed notebook on the page of its run: tables and Markdown as structure, and nothing of what is hostile in them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS
from standalone_pages import assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

TEXT = """\
# Sales of the *week*

Rows with **no** price are left out:

1. load
2. clean
   - `dropna`
   - [the rules](https://example.org/rules)

| region | share |
|--------|-------|
| EU     | ~~1~~ 2 |

> Numbers are of Monday.

<img src="https://elsewhere.invalid/x.png" onerror="alert(1)"> [x](javascript:alert(2)) <script>alert(3)</script>
"""
FRAME = """\
import pandas as pd
pd.DataFrame({"price": [1.5, None, -3], "<b>name</b>": ["<img src=x onerror=alert(4)>", "b", "c"]}, index=["EU", "US", "\\u202eUK"])
"""
GROUPED = """\
frame = pd.DataFrame({"region": ["EU", "EU", "US"], "day": ["Mon", "Tue", "Mon"], "price": [1, 2, 3]})
frame.groupby(["region", "day"]).agg({"price": ["mean", "max"]})
"""
WIDE = "pd.DataFrame([[n * 1000 + c for c in range(18)] for n in range(40)])"
LARGE = """\
from IPython.display import HTML, Markdown, display
rows = "".join(f"<tr><td>{n}</td></tr>" for n in range(500))
display(HTML(f"<table><caption>Counts</caption>{rows}</table>"))
display(Markdown("## Found\\n\\n*Three* regions"))
"""
HOSTILE = """\
display(HTML('''<style>* { display: none !important }</style><link rel="stylesheet" href="https://elsewhere.invalid/a.css">
<table style="position: fixed; inset: 0" onmouseover="alert(5)" background="https://elsewhere.invalid/b.png">
<tr><td onclick="alert(6)" style="background: url(https://elsewhere.invalid/c.png)">one<img src="https://elsewhere.invalid/d.png"
onerror="alert(7)"><script>alert(8)</script><svg onload="alert(9)"></svg></td><td><iframe srcdoc="<script>alert(10)</script>">
</iframe><a href="javascript:alert(11)">two</a></td></tr></table><object data="https://elsewhere.invalid/e"></object>'''))
"""


def _write(lab: Lab, name: str) -> None:
    code = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    sources = (FRAME, GROUPED, WIDE, LARGE, HOSTILE)
    cells = [
        {"cell_type": "markdown", "id": "text", "metadata": {}, "source": TEXT},
        *({**code, "id": f"c{n}", "source": source} for n, source in enumerate(sources)),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / name).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 320)], ids=["light", "dark", "narrow"]
)
def test_tables_and_markdown_are_structure_and_nothing_else_of_html_is_there(
    chromium: Browser, jupyterlab: Lab, scheme: str, width: int
) -> None:
    name = f"tables-{scheme}-{width}"
    _write(jupyterlab, f"{name}.ipynb")
    command = [sys.executable, "-m", "orchestra_nb", "run", f"{name}.ipynb"]
    subprocess.run(
        command, cwd=jupyterlab.root, env=jupyterlab.environ, check=True, capture_output=True, timeout=PATIENCE_SECONDS
    )
    with open_alone(chromium, scheme=scheme, width=width) as page:
        page.on("dialog", lambda dialog: pytest.fail(f"the notebook ran: {dialog.message}"))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{jupyterlab.url}orchestra/?token={jupyterlab.token}")
        page.locator(".orc-run-item", has_text=name).locator(".orc-run-link").click()
        page.get_by_role("tab", name="Notebook").click()
        shown = page.locator(".orc-nb")

        # a data frame is a table, whose cells are text
        frame = shown.locator("[data-cell-id=c0] table")
        frame.wait_for()
        assert frame.get_by_role("columnheader").all_inner_texts() == ["price", "<b>name</b>"]
        assert frame.get_by_role("rowheader").all_inner_texts() == ["EU", "US", "\u202eUK"]
        assert frame.get_by_role("cell").all_inner_texts()[1:3] == ["1.5", "<img src=x onerror=alert(4)>"]
        grouped = shown.locator("[data-cell-id=c1] table")
        assert grouped.locator("th[colspan='2']").inner_text() == "price"
        assert grouped.locator("th[rowspan='2']").inner_text() == "EU"
        large = shown.locator("[data-cell-id=c3]")
        assert large.locator("tr").count() == 100
        large.get_by_text("The first 100 of 500 rows.").wait_for()
        assert large.locator("caption").inner_text() == "Counts"
        assert large.get_by_role("heading", name="Found").count() == 1
        # what is wide scrolls in its own box
        wide = shown.locator("[data-cell-id=c2] .orc-table")
        assert width > 320 or wide.evaluate("box => box.scrollWidth > box.clientWidth")

        # Markdown has a structure, and HTML in it is text
        text = shown.locator("[data-cell-id=text]")
        assert text.get_by_role("heading", name="Sales of the week").locator("em").inner_text() == "week"
        assert text.locator("ol > li").count() == 2
        assert text.locator("ol ul > li code").all_inner_texts() == ["dropna"]
        assert text.get_by_role("link", name="the rules").get_attribute("href") == "https://example.org/rules"
        assert text.locator("td").all_inner_texts() == ["EU", "1 2"]
        assert text.locator("blockquote").inner_text() == "Numbers are of Monday."
        text.get_by_text('<img src="https://elsewhere.invalid/x.png" onerror="alert(1)">').wait_for()

        # of what is hostile the text of its table is there
        assert shown.locator("[data-cell-id=c4] td").all_inner_texts() == ["one", "two"]
        bad = ":is(script, style, link, iframe, object, img, svg:not(.orc-icon), [style], [onclick], [onerror], [background])"
        assert shown.locator(f".orc-nb-output {bad}, .orc-markdown {bad}").count() == 0
        assert not any("elsewhere.invalid" in url for url in asked)
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"tables-{scheme}-{width}")


def test_a_cell_has_one_number_in_the_shell_and_on_the_page(chromium: Browser, jupyterlab: Lab) -> None:
    def orchestra(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orchestra_nb", *words]
        known = {"cwd": jupyterlab.root, "env": jupyterlab.environ, "timeout": PATIENCE_SECONDS}
        return subprocess.run(command, capture_output=True, text=True, check=False, **known)

    code = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    text = {"cell_type": "markdown", "metadata": {}, "source": "Text is not counted"}
    cells = [
        {**text, "id": "t0"},
        {**code, "id": "c0", "metadata": {"tags": ["parameters"]}, "source": "rows = 1"},
        {**text, "id": "t1"},
        {**code, "id": "c1", "source": "from orchestra_nb import record\nrecord(twice=2 * rows)"},
        {**code, "id": "c2", "source": "third = 1 / (rows - 3)"},
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (jupyterlab.root / "counted.ipynb").write_text(json.dumps(document))

    # a run puts a cell in for the parameters, which the file lacks
    ran = orchestra("run", "counted.ipynb", "-p", "rows", "3", "--cache")
    shown = orchestra("runs", "ls", "--flow", "counted", "--json")
    (run,) = json.loads(shown.stdout)["runs"] if shown.stdout.startswith("{") else json.loads(shown.stdout)
    results = json.loads(orchestra("runs", "results", run["run_id"], "--json").stdout)
    unknown = orchestra("runs", "retry", run["run_id"], "--from", "4")
    plan = json.loads(orchestra("plan", "counted.ipynb", "-p", "rows", "4", "--json").stdout)
    assert "cell 3" in ran.stdout + ran.stderr
    assert [one["cell"] for one in results["recorded"]] == [2]
    assert "Its cells, by number and id: 1 (c0), 2 (c1), 3 (c2)." in unknown.stderr
    assert [cell["number"] for cell in plan["cells"]] == [1, 0, 2, 3]
    with open_alone(chromium) as page:
        page.goto(f"{jupyterlab.url}orchestra/runs/{run['run_id']}?token={jupyterlab.token}")
        page.get_by_role("region", name="What failed").get_by_text(re.compile("^cell 3")).first.wait_for()
        page.get_by_role("tab", name="Notebook").click()
        heads = page.locator(".orc-nb-cell[data-type=code] .orc-nb-number")
        heads.last.wait_for()
        assert heads.all_inner_texts() == ["cell 1", "parameters", "cell 2", "cell 3"]
        assert [text.partition(" · ")[0] for text in page.locator(".orc-nb-name").all_inner_texts()] == [
            *("cell 1", "parameters", "cell 2", "cell 3")
        ]
        page.locator("[data-cell-id=c1]").get_by_role("button", name="Resume from here…").click()
        dialog = page.get_by_role("dialog", name=re.compile("from cell 2$"))
        dialog.get_by_text("cell 2 to cell 3", exact=True).wait_for()
        dialog.get_by_text("cell 1, as far as they were kept.").wait_for()
        keep_picture(page, "cell-numbers")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light", "narrow"])
def test_what_an_earlier_attempt_of_a_run_executed_is_led_to_from_the_head_of_its_page(
    chromium: Browser, jupyterlab: Lab, scheme: str, width: int
) -> None:
    name = f"mended-{scheme}"
    price = jupyterlab.root / f"{name}.txt"
    cell = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    source = f"price = float(open({str(price)!r}).read())\nprint('price', price)"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": [{**cell, "id": "load", "source": source}], "metadata": {"kernelspec": kernel}}
    (jupyterlab.root / f"{name}.ipynb").write_text(json.dumps({**document, "nbformat": 4, "nbformat_minor": 5}))

    def orchestra(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orchestra_nb", *words]
        options = {"cwd": jupyterlab.root, "env": jupyterlab.environ, "timeout": PATIENCE_SECONDS}
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    price.write_text("n/a")
    assert orchestra("run", f"{name}.ipynb").returncode == 1
    [run] = json.loads(orchestra("runs", "ls", "--flow", name, "--json").stdout)["runs"]
    price.write_text("1.5")
    again = orchestra("runs", "retry", run["run_id"], "--note", "the file was mended")
    assert again.returncode == 0, again.stderr

    with open_alone(chromium, scheme=scheme, width=width) as page:
        page.goto(f"{jupyterlab.url}orchestra/runs/{run['run_id']}?token={jupyterlab.token}")
        page.get_by_role("button", name="attempt 2 of 2").click()
        attempts = page.get_by_role("region", name="Attempts").get_by_role("listitem")
        attempts.nth(0).get_by_text(re.compile("^retried by .*: the file was mended$")).wait_for()
        attempts.nth(1).get_by_text("Failed", exact=True).wait_for()
        attempts.nth(1).get_by_text(re.compile("ValueError")).wait_for()
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"attempts-{scheme}-{width}")

        page.get_by_role("button", name="Executed notebook of attempt 1").click()
        shown = page.locator(".orc-nb [data-cell-id=load]")
        shown.get_by_text("could not convert string to float").first.wait_for()
        assert page.locator(".orc-nb-bar select").input_value() == "1"
        page.get_by_role("button", name="Executed notebook of attempt 2").click()
        shown.get_by_text("price 1.5").wait_for()

    shown = orchestra("runs", "show", run["run_id"])
    assert "The executed notebook of attempt 1: " in shown.stdout
    assert "The executed notebook of attempt 2: " not in shown.stdout
