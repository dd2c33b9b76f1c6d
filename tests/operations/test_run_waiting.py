"""Waiting in code for the end of a run, and artifacts as objects."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from orchestra_nb import flow, get_run_context, task
from orchestra_nb.artifacts import Artifact, LinkArtifact, MarkdownArtifact, TableArtifact
from orchestra_nb.errors import InvalidInput, RunNotFound
from orchestra_nb.exceptions import MissingContext
from orchestra_nb.flow_runs import FlowRunWaitTimeout, wait_for_flow_run
from orchestra_nb.operations.temporary_store import temporary_store
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def store() -> Iterator[None]:
    with temporary_store(task_runner="threads"):
        yield


def test_a_run_is_waited_for_whoever_drives_it(caplog: pytest.LogCaptureFixture) -> None:
    goes_on, ids = threading.Event(), []

    @flow
    def held() -> None:
        ids.append(get_run_context().flow_run.id)  # type: ignore[union-attr]
        began.set()
        assert goes_on.wait(PATIENCE_SECONDS)
        raise ValueError("no")

    began = threading.Event()
    driving = threading.Thread(target=held, kwargs={"return_state": True})
    driving.start()
    assert began.wait(PATIENCE_SECONDS)

    async def waiting() -> tuple[str, str]:
        with pytest.raises(FlowRunWaitTimeout, match=r"has not ended after 0.01 s: it is (RUNNING|PENDING)"):
            await wait_for_flow_run(ids[0], timeout=0.01, poll_interval=0.01)
        goes_on.set()
        run = await wait_for_flow_run(ids[0], timeout=None, poll_interval=0.01, log_states=True)
        return run.state_name, run.flow_name

    with caplog.at_level("INFO"):
        assert asyncio.run(waiting()) == ("Failed", "held")
    driving.join()
    assert caplog.messages[-1].endswith("is FAILED")


def test_what_cannot_be_waited_for_is_refused() -> None:
    @task
    def waiting() -> None:
        asyncio.run(wait_for_flow_run("calm-fox"))

    @flow
    def outer() -> None:
        waiting.submit().result()

    with pytest.raises(RunNotFound, match="No run 'calm-fox'"):
        asyncio.run(wait_for_flow_run("calm-fox"))
    with pytest.raises(InvalidInput, match="poll_interval is 0"):
        asyncio.run(wait_for_flow_run("calm-fox", poll_interval=0))
    with pytest.raises(MissingContext, match="reads the store, which a submitted task cannot"):
        outer()


def test_artifacts_are_made_and_found_as_objects() -> None:
    @flow
    def reporting() -> str:
        Artifact(type="own", key="numbers", description="All", data={"a": 1}).create()
        LinkArtifact("https://example.org", key="link").create()
        MarkdownArtifact("# Sales", key="text").create()
        TableArtifact({"a": [1, 2]}, key="table").create()
        run_id: str = get_run_context().flow_run.id  # type: ignore[union-attr]
        return run_id

    run_id = reporting()

    found = [Artifact.get(key) for key in ("numbers", "link", "text", "table")]
    assert [(one.type, one.data, one.flow_run_id) for one in found if one is not None] == [
        ("own", {"a": 1}, run_id),
        ("markdown", "[https://example.org](<https://example.org>)", run_id),
        ("markdown", "# Sales", run_id),
        ("table", {"a": [1, 2]}, run_id),
    ]
    assert Artifact.get("nothing") is None


def test_an_artifact_is_created_only_where_there_is_none() -> None:
    first, is_new = Artifact.get_or_create("numbers", type="own", data=[1])
    again, is_again_new = Artifact.get_or_create("numbers", type="own", data=[2])
    text, _ = MarkdownArtifact.get_or_create("text", markdown="# A")

    assert (is_new, is_again_new, again.id, again.data, again.version) == (True, False, first.id, [1], 1)
    assert text.id is not None
    with pytest.raises(InvalidInput, match="An artifact needs a type"):
        Artifact(key="x", data=1).create()
