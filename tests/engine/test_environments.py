"""The environment of a driver in this process, and in a worker's: taken, told, entered, and put back."""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from collections.abc import Iterator

import pytest

from orchestra_nb.engine.driver_environment import (
    DriverEnvironment,
    EnvironmentChanges,
    environment_of_driver,
    unpack_variables,
)
from orchestra_nb.engine.worker_environment import WorkerEnvironment


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small environment for each test, and the real one again after it."""
    before = dict(os.environ)
    for name in before:
        if name not in ("PATH", "HOME", "TMPDIR", "PYTEST_CURRENT_TEST"):
            del os.environ[name]
    os.environ["API_URL"] = "http://starter"
    yield
    os.environ.clear()
    os.environ.update(before)
    time.tzset()
    tempfile.tempdir = None


def make_driver(**variables: str) -> DriverEnvironment:
    """Return the environment of a driver that has these variables."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        return environment_of_driver()
    finally:
        os.environ.clear()
        os.environ.update(before)


def make_worker(*known: DriverEnvironment) -> WorkerEnvironment:
    worker = WorkerEnvironment()
    digests = [environment.digest for environment in known]
    assert worker.lacking(digests) == digests
    worker.learn({environment.digest: environment.data for environment in known}, digests)
    assert worker.lacking(digests) == []
    return worker


def test_an_environment_is_one_object_until_it_changes_and_when_it_is_as_before_again() -> None:
    first = environment_of_driver()
    again = environment_of_driver()
    os.environ["NEW"] = "1"
    changed = environment_of_driver()
    del os.environ["NEW"]

    assert first is again is environment_of_driver()
    assert changed is not first
    assert unpack_variables(changed.data) == {**unpack_variables(first.data), "NEW": "1"}


def test_what_belongs_to_this_process_is_not_in_it() -> None:
    os.environ.update(DASK_LOGGING="debug", LD_PRELOAD="", JPY_PARENT_PID="1", ORCHESTRA_RUN_ID="r", TERM="xterm")

    variables = unpack_variables(environment_of_driver().data)

    assert {name for name in os.environ if name not in variables} == {
        "DASK_LOGGING",
        "LD_PRELOAD",
        "JPY_PARENT_PID",
        "ORCHESTRA_RUN_ID",
        "PYTEST_CURRENT_TEST",
    }
    assert variables["TERM"] == "xterm"


def test_a_value_that_is_no_text_travels() -> None:
    os.environb[b"ODD"] = b"caf\xe9"
    environment = environment_of_driver()
    worker = make_worker(environment)
    del os.environ["ODD"]

    worker.enter("a", environment.digest)

    assert os.environb[b"ODD"] == b"caf\xe9"


def test_it_shows_no_value_and_is_not_pickled() -> None:
    os.environ["PASSWORD"] = "open sesame"
    environment = environment_of_driver()

    assert "sesame" not in repr(environment)
    with pytest.raises(TypeError, match="may hold secrets"):
        pickle.dumps(environment)


def test_changes_are_told_from_the_beginning_with_what_was_removed() -> None:
    os.environ.update(KEPT="1", GONE="1")
    changes = EnvironmentChanges()
    os.environ["API_URL"] = "http://other"
    del os.environ["GONE"]

    assert changes.now() == {"API_URL": "http://other", "GONE": None}


def test_an_attempt_sees_its_drivers_environment_and_the_worker_has_its_own_again() -> None:
    os.environ.update(ONLY_STARTER="1", DASK_LOGGING="info")
    worker_own = dict(os.environ)
    del os.environ["ONLY_STARTER"], os.environ["DASK_LOGGING"]
    driver = make_driver(API_URL="http://driver", ONLY_DRIVER="1", DASK_LOGGING="debug")
    os.environ.update(worker_own)
    worker = make_worker(driver)

    worker.enter("a", driver.digest)
    seen = {name: os.environ.get(name) for name in ("API_URL", "ONLY_DRIVER", "ONLY_STARTER", "DASK_LOGGING")}
    os.environ["LEFT"] = "1"
    worker.leave("a")

    assert seen == {"API_URL": "http://driver", "ONLY_DRIVER": "1", "ONLY_STARTER": None, "DASK_LOGGING": "info"}
    assert dict(os.environ) == worker_own


def test_each_call_begins_with_the_environment_whatever_the_one_before_did() -> None:
    driver = make_driver(API_URL="http://driver")
    worker = make_worker(driver)
    worker.enter("chunk", driver.digest)
    os.environ["LEFT"] = "1"
    del os.environ["API_URL"]

    worker.enter("chunk", driver.digest)

    assert (os.environ["API_URL"], "LEFT" in os.environ) == ("http://driver", False)


def test_attempts_that_overlap_have_their_own_environments_when_the_other_ends() -> None:
    one, two = make_driver(API_URL="http://one"), make_driver(API_URL="http://two")
    worker = make_worker(one, two)
    seen = []

    worker.enter("a", one.digest)
    worker.enter("b", two.digest)
    seen.append(os.environ["API_URL"])
    worker.leave("b")
    seen.append(os.environ["API_URL"])
    worker.enter("c", two.digest)
    worker.leave("a")
    seen.append(os.environ["API_URL"])
    worker.leave("c")

    assert seen == ["http://two", "http://one", "http://two"]
    assert os.environ["API_URL"] == "http://starter"


def test_without_a_drivers_environment_nothing_is_touched() -> None:
    worker = make_worker()
    worker.enter("a", None)
    os.environ["LEFT"] = "1"
    worker.leave("a")

    assert os.environ["LEFT"] == "1"


def test_time_zone_and_temporary_folder_are_the_drivers() -> None:
    folder = tempfile.mkdtemp()
    driver = make_driver(TZ="Asia/Tokyo", TMPDIR=folder)
    worker = make_worker(driver)
    before = time.timezone, tempfile.gettempdir()

    worker.enter("a", driver.digest)
    inside = time.timezone, tempfile.gettempdir()
    worker.leave("a")

    assert inside == (-9 * 3600, folder)
    assert (time.timezone, tempfile.gettempdir()) == before


def test_old_environments_are_forgotten_but_not_those_that_are_needed() -> None:
    first = make_driver(NUMBER="first")
    worker = make_worker(first)
    worker.enter("a", first.digest)
    others = [make_driver(NUMBER=str(number)) for number in range(40)]
    needed = [environment.digest for environment in others[:3]]

    for other in others:
        worker.learn({other.digest: other.data}, [*needed, other.digest])

    assert worker.lacking([first.digest, *needed, others[-1].digest]) == []
    assert len(worker.lacking([environment.digest for environment in others])) > 15
