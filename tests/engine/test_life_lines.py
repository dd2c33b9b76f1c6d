"""What the engine says of runs, on the console and in their logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from orchestra_nb import flow, task
from orchestra_nb.engine.life_lines import MOST_SHOWN
from tests.engine.conftest import FlowWorld

pytestmark = pytest.mark.usefixtures("world")


@task
def fail(number: int = 0) -> None:
    raise ValueError(f"no {number}")


@task
def add(x: int) -> int:
    return x + 1


@pytest.fixture
def console(capfd: pytest.CaptureFixture[str]) -> Iterator[Console]:
    capfd.readouterr()
    return Console(capfd)


class Console:
    """What was written on standard error, as (level, text)."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the engine's; those that follow one of them belong to it."""
        found: list[tuple[str, str]] = []
        for line in self._capfd.readouterr().err.splitlines():
            match line.split(" | ", 2):
                case [_, level, text]:
                    found.append((level.strip(), text))
                case _:
                    found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
        return found


def test_a_flow_says_that_it_begins_and_how_it_ends(world: FlowWorld, console: Console) -> None:
    @flow(flow_run_name="calm-fox")
    def adding() -> None:
        add.map(range(20)).wait()
        add(1)

    adding()

    lines = ["Beginning flow run 'calm-fox' for flow 'adding'", "Finished in state Completed()"]
    assert world.life_lines("adding") == [(logging.INFO, line) for line in lines]
    assert console.lines() == [("INFO", f"Flow run 'calm-fox' - {line}") for line in lines]


@pytest.mark.parametrize("is_submitted", [True, False])
def test_a_retry_and_the_failure_after_it_are_said_with_their_reason(
    world: FlowWorld, console: Console, is_submitted: bool
) -> None:
    twice = fail.with_options(retries=1)

    @flow(flow_run_name="calm-fox")
    def failing() -> None:
        twice.submit().wait() if is_submitted else twice(return_state=True)

    failing()

    retry, failure = world.life_lines("failing")[1:-1]
    assert retry == (logging.WARNING, "Attempt 1 of 2 failed, another one follows: ValueError: no 0")
    level, text = failure
    assert (level, text.splitlines()[0]) == (logging.ERROR, "Failed after 2 attempts: ValueError: no 0")
    assert 'raise ValueError(f"no {number}")' in text
    shown = console.lines()[1:-1]
    assert [level for level, _ in shown] == ["WARNING", "ERROR"]
    assert shown[1][1].startswith("Task run 'fail-0' - Failed after 2 attempts: ValueError: no 0")
    assert ("raise ValueError" in shown[1][1]) is is_submitted


def test_a_failed_flow_has_its_traceback_in_its_log(world: FlowWorld, console: Console) -> None:
    @flow(flow_run_name="calm-fox", retries=1)
    def failing() -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        failing()

    end = "Finished in state Failed('Flow run encountered an exception: ValueError: why')"
    assert [(level, text.splitlines()[0]) for level, text in world.life_lines("failing")][1:] == [
        (logging.WARNING, "Attempt 1 of 2 failed, another one follows: ValueError: why"),
        (logging.ERROR, end),
    ]
    assert 'raise ValueError("why")' in world.life_lines("failing")[-1][1]
    # whoever called it gets the exception
    assert console.lines()[-1] == ("ERROR", f"Flow run 'calm-fox' - {end}")


def test_a_task_that_nobody_waits_for_is_not_silent_when_it_fails(world: FlowWorld, console: Console) -> None:
    fail.submit().wait()

    name = world.run("fail").name
    ((level, text),) = console.lines()
    assert (level, text.splitlines()[0]) == ("ERROR", "Task run 'fail-0' - Failed: ValueError: no 0")
    assert text.splitlines()[-1] == f"For more: orchestra runs show {name}"


def test_failures_without_end_do_not_flood_the_console(world: FlowWorld, console: Console) -> None:
    count = 3 * MOST_SHOWN

    @flow
    def failing() -> None:
        add.map(fail.map(range(count))).wait()

    failing(return_state=True)

    lines = world.life_lines("failing")
    assert sum(text.startswith("Failed: ValueError: no") for _, text in lines) == count
    assert sum(text.startswith("Does not run: fail-") for _, text in lines) == count
    assert len(console.lines()) == 2 * (MOST_SHOWN + 1) + 2


def test_the_setting_keeps_lesser_lines_from_the_console(
    world: FlowWorld, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestra_nb.engine.drivers import set_driver
    from orchestra_nb.operations.script_driver import ScriptDriver

    @flow
    def failing() -> None:
        fail(return_state=True)

    monkeypatch.setenv("ORCHESTRA_LOGGING_LEVEL", "ERROR")
    driver = ScriptDriver()
    set_driver(driver)
    try:
        failing()
    finally:
        set_driver(world.driver)
        driver.close()

    assert console.lines() == [("ERROR", "Task run 'fail-0' - Failed: ValueError: no 0")]
