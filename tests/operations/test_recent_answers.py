"""Answers that are kept for a moment: asked once by many, for so long, and no more of them than said."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestra_nb.operations import cluster_views
from orchestra_nb.operations.cluster_views import list_clusters
from orchestra_nb.operations.recent_answers import RecentAnswers
from orchestra_nb.settings import Settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from tests.patience import PATIENCE_SECONDS


def test_an_answer_is_given_again_until_its_time_is_over() -> None:
    now = [0.0]
    recent: RecentAnswers[str, float] = RecentAnswers(5.0, 10, clock=lambda: now[0])

    given = []
    for now[0] in (0.0, 4.9, 5.0, 9.9):
        given.append(recent.answer("a", lambda: now[0]))

    assert given == [0.0, 0.0, 5.0, 5.0]


def test_what_was_asked_for_longest_ago_is_forgotten_first_and_an_error_is_not_kept() -> None:
    recent: RecentAnswers[str, int] = RecentAnswers(5.0, 2)
    asked: list[str] = []

    def ask(key: str) -> int:
        return recent.answer(key, lambda: asked.append(key) or len(asked))  # type: ignore[func-returns-value]

    assert [ask(key) for key in ("a", "b", "a", "c", "a", "b")] == [1, 2, 1, 3, 1, 4]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            recent.answer("d", lambda: 1 // 0)


def test_who_asks_what_is_being_asked_waits_for_that_answer() -> None:
    recent: RecentAnswers[str, int] = RecentAnswers(60.0, 2)
    has_begun, may_end = threading.Event(), threading.Event()

    def ask() -> int:
        has_begun.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return 1

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(recent.answer, "a", ask)
        assert has_begun.wait(PATIENCE_SECONDS)
        second = threads.submit(recent.answer, "a", lambda: 2)
        may_end.set()

        assert (first.result(), second.result()) == (1, 1)


def test_a_scheduler_is_looked_at_once_however_many_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # for long, however slow this machine is
    monkeypatch.setattr(cluster_views, "_LOOKS", RecentAnswers(3_600.0, 64))
    database = open_database(f"sqlite:///{tmp_path}/orchestra.db")
    looks: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:  # something that is no scheduler
        settings = Settings(cluster=f"tcp://127.0.0.1:{server.getsockname()[1]}")
        first = list_clusters(RunStore(database), settings)
        server.settimeout(0)
        while True:
            try:
                connection, address = server.accept()
            except BlockingIOError:
                break
            connection.close()
            looks.append(address)
        again = list_clusters(RunStore(database), settings)
        with pytest.raises(BlockingIOError):
            server.accept()
    database.close()

    assert len(looks) > 0
    assert first[1] == again[1]
    assert "No Dask scheduler answered" in again[1].problem
