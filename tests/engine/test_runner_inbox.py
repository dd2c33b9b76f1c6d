from __future__ import annotations

import threading

from orchestra_nb.engine.runner_inbox import RunnerInbox


def test_news_comes_before_what_is_to_be_done_and_each_kind_in_its_order() -> None:
    inbox: RunnerInbox[str] = RunnerInbox()
    for item in ("a", "b"):
        inbox.put(item)
    inbox.put_news("1")
    first = inbox.get(None)
    inbox.put_news("2")

    assert [first, *(inbox.get(None) for _ in range(3))] == ["1", "2", "a", "b"]
    assert inbox.get(0) is None


def test_endless_news_holds_up_nothing() -> None:
    inbox: RunnerInbox[str] = RunnerInbox()
    inbox.put("to do")
    for _ in range(1000):
        inbox.put_news("news")

    taken = [inbox.get(None) for _ in range(1001)]

    assert taken.index("to do") < 100
    assert taken.count("news") == 1000


def test_whoever_waits_gets_what_comes() -> None:
    inbox: RunnerInbox[str] = RunnerInbox()
    got: list[str | None] = []
    waiting = threading.Thread(target=lambda: got.append(inbox.get(None)))
    waiting.start()

    inbox.put("late")
    waiting.join()

    assert got == ["late"]
