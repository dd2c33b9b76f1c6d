"""Measures in Chromium and prints a figure a line: `python -m tests.benchmarks.browser_probe FOLDER REPEATS`."""

from __future__ import annotations

import gzip
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from playwright.sync_api import sync_playwright
from running_lab import EXTENSION, launch_chromium, running_lab
from served_pages import Service

from orchestra_nb.model.events import RunCreated, TaskRunCreated, TaskRunStateChanged
from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from tests.benchmarks.upkeep_cost import fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_STATIC = EXTENSION.parent / "static"
_SOURCES = EXTENSION.parent.parent / "labextension"
_MAPPED = 10_000
_NODES = 1_000
_TABS = 20
_SECONDS = 8.0

#: Keeps the moment (ms since the navigation) at which JupyterLab was there with all that it restored.
_NOTE_START = """
    let app;
    Object.defineProperty(window, 'jupyterapp', {
        get: () => app,
        set: value => {
            app = value;
            app.restored.then(() => { window.restoredAt = performance.now(); });
        }
    });
"""

#: Keeps the moment (ms since the navigation) at which the first element like this was painted.
_NOTE_PAINT = """
    new MutationObserver((_, observer) => {
        if (document.querySelector('%s') !== null) {
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => { window.paintedAt = performance.now(); }));
        }
    }).observe(document, {childList: true, subtree: true});
"""

#: Waits until a row of the table of tasks has this state and was painted; gives the clock's time (ms).
_PAINTED_STATE = """([row, state]) => new Promise(resolve => {
    const selector = `.orc-tasks-row[aria-rowindex="${row}"][data-state="${state}"]`;
    const look = () => {
        if (document.querySelector(selector) !== null) {
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => resolve(Date.now())));
        }
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
    look();
})"""

#: The lengths (ms) of all frames within some seconds.
_FRAMES = """seconds => new Promise(resolve => {
    const lengths = [];
    let last = performance.now();
    const end = last + 1000 * seconds;
    const next = now => {
        lengths.push(now - last);
        last = now;
        now < end ? requestAnimationFrame(next) : resolve(lengths);
    };
    requestAnimationFrame(next);
})"""

#: Draws a graph of tasks in an empty page; gives how long it took until the browser had it laid out (ms).
_DRAW_GRAPH = """tasks => {
    const before = performance.now();
    const options = {texts: drawn.englishTexts, clock: new drawn.Clock(), actions: {}};
    const graph = new drawn.RunGraph(options);
    document.body.append(graph.node);
    graph.update(tasks.map(drawn.readTask), false);
    graph.node.getBoundingClientRect();
    const took = performance.now() - before;
    graph.dispose();
    return took;
}"""


def tell(name: str, ours: list[float], peer: list[float] | None = None) -> None:
    """Print a figure."""
    print(json.dumps({"name": name, "ours": ours, "peer": peer}), flush=True)


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def measure_start(browser: Browser, folder: Path, repeats: int) -> None:
    """Tell when JupyterLab is there, with the extension and without."""
    for name in ("with", "without"):
        (folder / name).mkdir()
    with (
        running_lab(folder / "with") as ours,
        running_lab(folder / "without", with_extension=False) as plain,
    ):
        times: dict[str, list[float]] = {ours.url: [], plain.url: []}
        for turn in range(repeats + 1):
            for lab in (ours, plain):
                page = browser.new_page()
                page.add_init_script(_NOTE_START)
                page.goto(f"{lab.url}lab?token={lab.token}&reset")
                page.wait_for_function("window.restoredAt !== undefined")
                if turn > 0:
                    times[lab.url].append(page.evaluate("window.restoredAt"))
                page.context.close()
    tell("start", times[ours.url], times[plain.url])


def measure_sizes() -> None:
    """Tell how large the built bundles are when a server compresses them."""
    scripts = [*(EXTENSION / "static").glob("*.js"), *EXTENSION.glob("static/*.css")]
    tell("extension", [sum(map(_compressed, scripts)) / 1000])
    tell("widget", [_compressed(_STATIC / "widget.js") / 1000])


def _compressed(file: Path) -> int:
    return len(gzip.compress(file.read_bytes()))


def make_run(number: int, flow: str) -> Run:
    """Return a run that goes on."""
    now = datetime.now(UTC)
    return Run(
        run_id=f"{number:032x}",
        name=f"busy-bee-{number}",
        flow_name=flow,
        kind=RunKind.FLOW,
        state=State.RUNNING,
        created_at=now,
        started_at=now,
    )


def make_task(run: Run, number: int, name: str, **fields: object) -> TaskRun:
    """Return a task run that waits."""
    return TaskRun(
        task_run_id=f"{run.run_id[-4:]}{number:028x}",
        run_id=run.run_id,
        name=name,
        created_at=run.created_at + timedelta(microseconds=number),
        **{"state": State.PENDING, **fields},  # type: ignore[arg-type]
    )


def change(store: RunStore, task: TaskRun, state: State) -> None:
    """Store a new state of a task run, as its driver does."""
    at = datetime.now(UTC)
    store.apply([TaskRunStateChanged(run_id=task.run_id, task_run_id=task.task_run_id, state=state, at=at)])


def open_run(browser: Browser, service: Service, run: Run, *scripts: str) -> Page:
    """Open the page of a run, logged in."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    for script in scripts:
        page.add_init_script(script)
    page.goto(f"{service.url}orchestra/runs/{run.run_id}?token={service.token}")
    return page


def measure_paint(browser: Browser, service: Service, store: RunStore) -> None:
    """Tell how long a new state takes from before it is written until it is seen."""
    run = make_run(1, "paint")
    tasks = [make_task(run, number, f"step{number}") for number in range(12)]
    store.apply([RunCreated(run=run), *(TaskRunCreated(task_run=task) for task in tasks)])
    page = open_run(browser, service, run)
    page.get_by_role("tab", name="Tasks").click()
    page.locator(".orc-tasks-row[aria-rowindex='13']").wait_for()
    delays = []
    for state in (State.RUNNING, State.COMPLETED):
        for number, task in enumerate(tasks):
            written: list[float] = []
            # not in step with what sends the changes
            writer = threading.Timer(0.15 + number * 0.013, _change_noting, (store, task, state, written))
            writer.start()
            seen = page.evaluate(_PAINTED_STATE, [number + 2, state.value])
            writer.join()
            delays.append(seen - 1000 * written[0])
    page.context.close()
    tell("paint", [p95(delays)])


def _change_noting(store: RunStore, task: TaskRun, state: State, written: list[float]) -> None:
    written.append(time.time())
    change(store, task, state)


def measure_mapped(browser: Browser, service: Service, store: RunStore, repeats: int) -> None:
    """Tell when the page of a large run is there, and how long its frames are while it changes."""
    run = make_run(2, "mapped")
    done = {"started_at": run.created_at, "ended_at": run.created_at}
    tasks = [make_task(run, number, f"item-{number}") for number in range(_MAPPED)]
    for number in range(_MAPPED // 2):
        # a failure has its squares shown
        state = State.FAILED if number == 17 else State.COMPLETED
        tasks[number] = make_task(run, number, f"item-{number}", state=state, **done)
    store.apply([RunCreated(run=run), *(TaskRunCreated(task_run=task) for task in tasks)])
    opened = []
    for turn in range(repeats + 1):
        page = open_run(browser, service, run, _NOTE_PAINT % ".orc-square")
        page.locator(".orc-square").first.wait_for()
        if turn > 0:
            opened.append(_painted_at(page))
        if turn < repeats:
            page.context.close()
    tell("mapped", opened)
    with changing(store, tasks[5_000:], a_second=100):
        frames = page.evaluate(_FRAMES, _SECONDS)
    page.context.close()
    tell("frame", [p95(frames)])
    tell("frame_max", [max(frames)])


@contextmanager
def changing(store: RunStore, tasks: list[TaskRun], *, a_second: float) -> Iterator[None]:
    """Have tasks begin and end while the block runs, so many changes a second."""
    stop = threading.Event()

    def go_on() -> None:
        steps = ((task, state) for task in cycle(tasks) for state in (State.RUNNING, State.COMPLETED))
        for task, state in steps:
            if stop.wait(1 / a_second):
                return
            change(store, task, state)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure_tabs(browser: Browser, service: Service, store: RunStore) -> None:
    """Tell what part of a core the server takes while many tabs show one run that changes."""
    run = make_run(3, "watched")
    tasks = [make_task(run, number, f"step-{number}") for number in range(500)]
    store.apply([RunCreated(run=run), *(TaskRunCreated(task_run=task) for task in tasks)])
    pages = [open_run(browser, service, run) for _ in range(_TABS)]
    for page in pages:
        page.locator(".orc-node-box").first.wait_for()
    server = psutil.Process(service.pid)
    with changing(store, tasks, a_second=5):
        time.sleep(2.0)
        before = server.cpu_times()
        time.sleep(_SECONDS)
        after = server.cpu_times()
    for page in pages:
        page.context.close()
    tell("tabs", [100 * (after.user + after.system - before.user - before.system) / _SECONDS])


def measure_list(browser: Browser, service: Service, store: RunStore, repeats: int) -> None:
    """Tell how long the server and the page need for a list of very many runs."""
    fill(store.database)
    page = browser.new_page()
    page.goto(f"{service.url}orchestra/service?token={service.token}")
    queries = cycle(("", "?state=FAILED", "?flow=flow-3", "?sort=-created_at&limit=100"))
    times = [
        page.evaluate(
            """async url => {
                const before = performance.now();
                const answer = await fetch(url);
                await answer.json();
                if (!answer.ok) { throw new Error(`${url}: ${answer.status}`); }
                return performance.now() - before;
            }""",
            f"{service.url}orchestra/api/v1/runs{next(queries)}",
        )
        for _ in range(60)
    ]
    page.context.close()
    tell("list", [p95(times)])
    painted = []
    for turn in range(repeats + 1):
        page = browser.new_page()
        page.add_init_script(_NOTE_PAINT % ".orc-run-item")
        page.goto(f"{service.url}orchestra/?token={service.token}")
        page.locator(".orc-run-item").first.wait_for()
        if turn > 0:
            painted.append(_painted_at(page))
        page.context.close()
    tell("list_paint", painted)


def _painted_at(page: Page) -> float:
    """Return what ``_NOTE_PAINT`` has kept; the pages forbid what Playwright's own waiting does."""
    while (at := page.evaluate("window.paintedAt ?? null")) is None:
        page.wait_for_timeout(20)
    return float(at)


def measure_graph(browser: Browser, folder: Path, repeats: int) -> None:
    """Tell how long it takes to lay out and draw a graph of very many tasks, ten in each layer."""
    entry, bundle = folder / "graph.ts", folder / "graph.js"
    modules = ("drawing/runGraph", "drawing/clock", "drawing/translation", "schemas")
    entry.write_text("".join(f"export * from '{_SOURCES}/src/{name}';\n" for name in modules))
    esbuild = _SOURCES / "node_modules" / ".bin" / "esbuild"
    options = ("--bundle", "--format=iife", "--global-name=drawn", "--log-level=warning", f"--outfile={bundle}")
    subprocess.run([esbuild, entry, *options], check=True)
    tasks = [_node(number) for number in range(_NODES)]
    page = browser.new_page()
    page.add_style_tag(path=_SOURCES / "style" / "drawing.css")
    page.add_script_tag(path=bundle)
    page.evaluate(_DRAW_GRAPH, tasks)
    times = [page.evaluate(_DRAW_GRAPH, tasks) for _ in range(repeats)]
    page.context.close()
    tell("graph", times)


def _node(number: int) -> dict[str, object]:
    """Return a task as the page reads it: it needs two of the layer before."""
    layer, place = divmod(number, 10)
    before = [f"t{10 * (layer - 1) + (place + offset) % 10}" for offset in (0, 3)] if layer else []
    return {
        "task_run_id": f"t{number}",
        "run_id": "r",
        "name": f"task_{number}",
        "state": "COMPLETED",
        "upstream": before,
    }


def main() -> None:
    """Measure all."""
    folder, repeats = Path(sys.argv[1]), int(sys.argv[2])
    measure_sizes()
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if browser is None:
            sys.exit("Chromium is not installed. On Debian: apt-get install chromium")
        measure_graph(browser, folder, repeats)
        measure_start(browser, folder, repeats)
        served = folder / "served"
        served.mkdir()
        service = Service(served)
        try:
            service.start()
            database = open_database(service.deployed.store_url)
            store = RunStore(database)
            measure_paint(browser, service, store)
            measure_mapped(browser, service, store, repeats)
            measure_tabs(browser, service, store)
            measure_list(browser, service, store, repeats)
            database.close()
        finally:
            service.close()
            browser.close()


if __name__ == "__main__":
    main()
