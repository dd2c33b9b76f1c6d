"""Sections that other threads stop: also while a section within them begins and ends all the time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

import pytest

from orchestra_nb.engine.caller_stop import coroutine_switch, stoppable
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.errors import StopTask

#: So many sections in a row, each of which lets an exception that comes at any of its lines go on.
_SECTIONS = 200_000


def _in_new_thread(body: Callable[[], str], got: list[str]) -> threading.Thread:
    def run() -> None:
        try:
            got.append(body())
        except StopTask:
            got.append("stopped")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_stop_is_not_lost_while_sections_within_begin_and_end() -> None:
    ends: list[str] = []
    for _ in range(100):
        outer, is_running = StopSwitch(), threading.Event()

        def body(is_running: threading.Event = is_running) -> str:
            is_running.set()
            for _ in range(_SECTIONS):
                StopSwitch().run(lambda: None)
            return "ran to its end"

        thread = _in_new_thread(lambda outer=outer, body=body: outer.run(body), ends)  # type: ignore[misc]
        is_running.wait()
        outer.stop("CANCELLED")
        thread.join()

    assert ends == ["stopped"] * 100


def test_in_the_main_thread_a_stop_is_not_lost_either() -> None:
    ends: list[str] = []
    for _ in range(100):
        is_running = threading.Event()
        with stoppable(None) as outer:

            def stop(outer: StopSwitch = outer, is_running: threading.Event = is_running) -> None:
                is_running.wait()
                outer.stop("CANCELLED")

            def body(is_running: threading.Event = is_running) -> str:
                is_running.set()
                for _ in range(_SECTIONS):
                    with stoppable(None) as inner:
                        inner.run(lambda: None)
                return "ran to its end"

            stopper = threading.Thread(target=stop)
            stopper.start()
            try:
                ends.append(outer.run(body))
            except StopTask:
                ends.append("stopped")
        stopper.join()

    assert ends == ["stopped"] * 100


def test_a_stop_of_a_section_does_not_stop_the_one_around_it() -> None:
    outer, inner = StopSwitch(), StopSwitch()

    def body() -> str:
        with pytest.raises(StopTask):
            inner.run(lambda: inner.stop("TIMED_OUT") or _work())
        return _work()

    assert outer.run(body) == "worked"


def test_a_section_that_is_stopped_together_with_the_one_around_it_hands_the_stop_on() -> None:
    outer, inner = StopSwitch(), StopSwitch()

    def swallow() -> None:
        for switch in (inner, outer):
            with contextlib.suppress(StopTask):
                switch.stop("CANCELLED")
                _work()

    with pytest.raises(StopTask):
        outer.run(lambda: inner.run(swallow))


def test_what_a_stopped_section_calls_to_clean_up_is_not_stopped_again() -> None:
    outer = StopSwitch()

    def body() -> str:
        try:
            outer.stop("CANCELLED")
            return _work()
        except StopTask:
            return StopSwitch().run(_work)

    assert outer.run(body) == "worked"


def _work() -> str:
    for _ in range(1000):
        pass
    return "worked"


def test_a_stop_that_comes_when_its_coroutine_has_ended_does_not_end_the_one_around() -> None:
    async def around() -> str:
        switch = coroutine_switch()
        switch.stop("CANCELLED")  # is followed when the loop has its turn
        switch.close()
        await asyncio.sleep(0)
        return "went on"

    assert asyncio.run(around()) == "went on"
