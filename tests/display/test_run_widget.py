"""The widget for front ends without our extension."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets.widgets import widget as widget_registry
from patience import PATIENCE_SECONDS

from orchestra_nb import run_widget
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.run_display import RUN_MIME, task_bundle

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TASK = TaskRun(task_run_id="1" * 32, run_id="2" * 32, name="clean", state=State.RUNNING, created_at=NOW, started_at=NOW)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand-in for the built bundle, so that the tests run in a checkout that was not built."""
    path = tmp_path / "widget.js"
    path.write_text("export default { render() {} };", encoding="utf-8")
    monkeypatch.setattr(run_widget, "BUNDLE", path)
    run_widget._widget_class.cache_clear()
    yield path
    run_widget._widget_class.cache_clear()


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """A shell whose front end left no mark."""
    for variable in ("VSCODE_PID", "SERVER_SOFTWARE"):
        monkeypatch.delenv(variable, raising=False)
    shell = InteractiveShell.__new__(InteractiveShell)
    shell.user_ns = {}
    return shell


def test_jupyterlab_and_headless_runs_need_no_widget(shell: InteractiveShell, bundle: Path) -> None:
    assert not run_widget.needs_widget(shell)


def test_vs_code_needs_a_widget(shell: InteractiveShell, bundle: Path) -> None:
    shell.user_ns["__vsc_ipynb_file__"] = "/home/ana/report.ipynb"

    assert run_widget.needs_widget(shell)


def test_voila_needs_a_widget(shell: InteractiveShell, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")

    assert run_widget.needs_widget(shell)


def test_a_checkout_that_was_not_built_has_no_widget(shell: InteractiveShell, bundle: Path) -> None:
    shell.user_ns["__vsc_ipynb_file__"] = "/home/ana/report.ipynb"
    bundle.unlink()

    assert not run_widget.needs_widget(shell)


def test_a_view_shows_what_the_static_display_shows_and_leaves_nothing_behind(bundle: Path) -> None:
    before = dict(widget_registry._instances)
    view = run_widget.WidgetView(lambda asked: None)
    shown = task_bundle(TASK, "starting the local cluster")[RUN_MIME]
    assert isinstance(shown, dict)

    view.update(shown)
    widget = view._widget
    data = view.bundle()
    view.close()
    view.close()

    assert widget.output == shown
    assert widget._esm == bundle.read_text(encoding="utf-8")
    assert set(data) == {run_widget.VIEW_MIME}
    assert widget.comm is None
    assert widget_registry._instances == before


def test_what_a_task_showed_leaves_nothing_behind_when_it_is_closed() -> None:
    before = set(widget_registry._instances)
    view = run_widget.OutputsWidget()
    view.update([{"output_type": "stream", "name": "stdout", "text": "x"}])
    assert set(widget_registry._instances) > before

    view.close()

    assert set(widget_registry._instances) == before


def test_a_view_that_cannot_be_reached_leaves_the_others_their_answers(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_failed, is_answered = threading.Event(), threading.Event()

    def fail(content: object) -> None:
        has_failed.set()
        raise RuntimeError("the channel is closed")

    monkeypatch.setattr(run_widget, "_ALIVE_SECONDS", 0.01)
    run_widget._messages.cache_clear()
    broken, whole = run_widget.WidgetView(lambda asked: None), run_widget.WidgetView(lambda asked: is_answered.set())
    monkeypatch.setattr(broken, "_send", fail)
    broken.update({"live": True})
    assert has_failed.wait(PATIENCE_SECONDS)

    whole.hear({"orchestra": "ask", "id": "1", "ask": "logs"})

    assert is_answered.wait(PATIENCE_SECONDS)
    broken.close()
    whole.close()
    run_widget._messages.cache_clear()


def test_the_built_bundle_is_small_and_has_no_react() -> None:
    built = run_widget.BUNDLE
    if not built.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("The bundle is not built.")
        pytest.skip("The bundle is not built. Run: jlpm build:widget in labextension/")
    code = built.read_bytes()

    assert len(gzip.compress(code)) <= 60 * 1024
    assert b"react" not in code.lower()


def test_asking_whether_a_widget_is_needed_imports_no_widgets() -> None:
    code = "import sys, orchestra_nb.run_widget; sys.exit('ipywidgets' in sys.modules or 'anywidget' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
