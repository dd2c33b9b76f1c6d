"""What running code asks of its driver, from every place where code runs, answered from a real store."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from asking_attempts import PipeContext, driver_answers
from patience import PATIENCE_SECONDS, eventually
from sqlalchemy import Engine, event

from orchestra_nb.engine import services
from orchestra_nb.engine.artifact_creation import (
    acreate_markdown_artifact,
    create_artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from orchestra_nb.engine.asset_records import Asset, add_asset_metadata, collecting_metadata, record_materialization
from orchestra_nb.engine.event_emission import emit_event
from orchestra_nb.engine.input_forms import input_form
from orchestra_nb.engine.input_types import InputType
from orchestra_nb.engine.services import ask, asking_as, asking_through, set_answerer
from orchestra_nb.engine.slot_leases import aconcurrency, arate_limit, concurrency, rate_limit
from orchestra_nb.engine.variable_access import Variable, get_secret, set_secret
from orchestra_nb.errors import (
    ArtifactNotFound,
    InvalidInput,
    LimitNotFound,
    NameTaken,
    NobodyAnswers,
    OrchestraError,
    SecretNotFound,
    SlotsLost,
    SlotsNotAcquired,
    StoreUnavailable,
)
from orchestra_nb.model.assets import AssetProperties
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.questions import (
    AcquireSlots,
    AnswerError,
    Asker,
    GetSecret,
    GetVariable,
    SecretAnswer,
    SetSecret,
    answer_of_error,
    decode_answer,
    decode_question,
    error_of_answer,
)
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.operations.kept_artifacts import show_asset
from orchestra_nb.operations.run_questions import answer_input, list_inputs
from orchestra_nb.operations.run_services import RunServices
from orchestra_nb.operations.shared_variables import get_secret as read_secret
from orchestra_nb.operations.shared_variables import set_secret as keep_secret
from orchestra_nb.settings import Settings
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.asset_store import AssetStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import open_database
from orchestra_nb.store.database_errors import StoreBusy
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.slot_store import SlotStore

TASK = Asker(run_id="run", task_run_id="task")


@pytest.fixture
def store(sqlite_url: str) -> Iterator[RunStore]:
    database = open_database(sqlite_url)
    store = RunStore(database)
    run = Run(
        run_id="run",
        name="calm-fox",
        flow_name="train",
        kind=RunKind.NOTEBOOK,
        state=State.RUNNING,
        created_at=datetime.now(UTC),
    )
    store.apply([RunCreated(run=run)])
    yield store
    database.close()


@pytest.fixture
def answering(store: RunStore, tmp_path: Path) -> RunServices:
    """The driver's answerer."""
    settings = Settings(secret_key_file=str(tmp_path / "secret.key"))
    return RunServices(lambda: store, driver_id="driver", settings=settings)


@pytest.fixture
def attempt(answering: RunServices) -> Iterator[PipeContext]:
    """The context of an attempt on a worker, around the test."""
    with driver_answers(lambda question: answering.answer_encoded(question, TASK)) as context:
        with asking_through(context):
            yield context


@pytest.fixture
def driver(answering: RunServices) -> Iterator[None]:
    """The test is code in the driver's process."""
    set_answerer(lambda: answering)
    with asking_as(Asker(run_id="run")):
        yield
    set_answerer(None)


@pytest.fixture(params=["attempt", "driver"])
def anywhere(request: pytest.FixtureRequest) -> None:
    """The test runs once as code on a worker, and once as code in the driver."""
    request.getfixturevalue(request.param)


def limit(store: RunStore, number: int = 1, rate: float = 0.0, name: str = "db") -> None:
    made = ConcurrencyLimit(name=name, limit=number, slot_decay_per_second=rate)
    SlotStore(store.database).create_limit(made, datetime.now(UTC))


def held(store: RunStore) -> list[tuple[str, str | None, str | None]]:
    states = SlotStore(store.database).limits(datetime.now(UTC))
    return [(slots.name, slots.driver_id, slots.task_run_id) for state in states for slots in state.held]


# --- variables and secrets


@pytest.mark.usefixtures("anywhere")
def test_a_variable_is_set_read_and_unset() -> None:
    value = {"rate": [1, float("inf"), "ä\udc80", 2**70]}

    variable = Variable.set("answer", value, tags=["a"])

    assert (variable.name, variable.value, variable.tags) == ("answer", value, ("a",))
    assert Variable.get("answer") == value
    assert Variable.unset("answer")
    assert not Variable.unset("answer")
    assert Variable.get("answer", default=7) == 7


@pytest.mark.usefixtures("anywhere")
def test_a_variable_that_is_none_is_not_one_that_is_missing() -> None:
    Variable.set("nothing", None)

    assert Variable.get("nothing", default=7) is None


@pytest.mark.usefixtures("anywhere")
def test_the_error_that_reaches_the_asking_side_is_the_leaf() -> None:
    Variable.set("answer", 1)

    with pytest.raises(NameTaken, match="overwrite=True"):
        Variable.set("answer", 2)
    with pytest.raises(ValueError, match="overwrite=True"):  # what Prefect raises
        Variable.set("answer", 2)
    assert Variable.set("answer", 2, overwrite=True).value == 2
    with pytest.raises(SecretNotFound):
        get_secret("none")


@pytest.mark.usefixtures("attempt")
def test_coroutines_have_their_twins() -> None:
    async def use() -> tuple[object, object, bool]:
        await Variable.aset("answer", 1)
        return await Variable.aget("answer"), await Variable.aget("none", 2), await Variable.aunset("answer")

    assert asyncio.run(use()) == (1, 2, True)


@pytest.mark.usefixtures("anywhere")
def test_a_secret_is_set_and_read_and_hides_itself() -> None:
    set_secret("password", "open sesame")

    secret = get_secret("password")

    assert secret.get() == "open sesame"
    assert "sesame" not in f"{secret} {secret!r}"
    assert get_secret("none", default=Secret("x")) == Secret("x")


def test_questions_and_answers_do_not_show_a_secret() -> None:
    shown = repr([SetSecret(name="p", text="open sesame"), SecretAnswer(name="p", text="open sesame")])

    assert "sesame" not in shown


@pytest.mark.usefixtures("driver")
def test_a_secret_gets_into_no_variable() -> None:
    with pytest.raises(InvalidInput, match="has a value of type Secret, which is no JSON"):
        Variable.set("answer", Secret("x"))


@pytest.mark.parametrize("tags", ["abc", [1]])
@pytest.mark.usefixtures("driver")
def test_tags_are_a_list_of_text(tags: object) -> None:
    with pytest.raises(InvalidInput, match="are no tags"):
        Variable.set("answer", 1, tags=tags)  # type: ignore[arg-type]


# --- who answers


def test_without_anybody_to_answer_the_error_says_what_to_do() -> None:
    code = "from orchestra_nb.engine.variable_access import Variable; Variable.get('x')"

    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "NobodyAnswers: Nothing answers here: this process drives no run. Call it in a task" in failed.stderr


def test_a_script_that_drives_nothing_is_answered_by_the_configured_store(tmp_path: Path, store: RunStore) -> None:
    code = """
from orchestra_nb.artifacts import create_markdown_artifact
from orchestra_nb.concurrency.sync import concurrency
from orchestra_nb.variables import Variable, get_secret, set_secret

Variable.set("answer", 42)
set_secret("password", "x")
with concurrency("db"):
    print(Variable.get("answer"), get_secret("password"), create_markdown_artifact("# Hi", key="hi") != "")
"""
    environment = {**os.environ, "ORCHESTRA_STORE_URL": f"sqlite:///{tmp_path / 'orchestra.db'}"}

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert ran.stdout == "42 ********** True\n"
    assert "No active concurrency limit 'db': nothing is limited." in ran.stderr
    assert ArtifactStore(store.database).get("hi").data == "# Hi"


def test_a_script_of_a_user_has_their_own_secret_before_and_after_it_drives_a_run(
    tmp_path: Path, store: RunStore
) -> None:
    code = """
from orchestra_nb import flow
from orchestra_nb.variables import get_secret, set_secret

@flow
def read() -> str:
    return get_secret("db").get()

print(get_secret("db").get(), read(), get_secret("db").get())
set_secret("db", "another")
"""
    environment = {
        **os.environ,
        "ORCHESTRA_STORE_URL": f"sqlite:///{tmp_path / 'orchestra.db'}",
        "ORCHESTRA_SECRET_KEY_FILE": str(tmp_path / "secret.key"),
        "JUPYTERHUB_USER": "bob",
    }
    place = Settings(secret_key_file=str(tmp_path / "secret.key")).secret_key_place
    for owner in (None, "alice", "bob"):
        keep_secret(store, "db", Secret(f"of-{owner}"), place, datetime.now(UTC), owner)

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert ran.stdout == "of-bob of-bob of-bob\n", ran.stderr
    kept = [read_secret(store, "db", place, owner).get() for owner in (None, "alice", "bob")]
    assert kept == ["of-None", "of-alice", "another"]


def test_code_of_a_run_that_is_recorded_later_is_waited_for_without_reading_again_and_again(
    answering: RunServices, store: RunStore, tmp_path: Path
) -> None:
    place = Settings(secret_key_file=str(tmp_path / "secret.key")).secret_key_place
    for owner in (None, "alice"):
        keep_secret(store, "db", Secret(f"of-{owner}"), place, datetime.now(UTC), owner)
    reads: list[str] = []

    def look(_1: object, _2: object, statement: str, *_3: object) -> None:
        if "FROM runs" in statement:
            reads.append(statement)

    event.listen(Engine, "before_cursor_execute", look)
    try:
        of_none = answering.answer(GetSecret(name="db"), Asker(run_id="never"))
        until_it_gave_up = len(reads)
        with ThreadPoolExecutor() as threads:
            asked = threads.submit(answering.answer, GetSecret(name="db"), Asker(run_id="later"))
            eventually(lambda: len(reads) > until_it_gave_up or None)
            later = msgspec.structs.replace(store.get_run("run"), run_id="later", name="late-fox", owner="alice")
            store.apply([RunCreated(run=later)])
            of_alice = asked.result(PATIENCE_SECONDS)
    finally:
        event.remove(Engine, "before_cursor_execute", look)

    assert (of_none, of_alice) == tuple(SecretAnswer(name="db", text=f"of-{owner}") for owner in (None, "alice"))
    assert until_it_gave_up <= 2  # at first, and when it is told of all that changes from then on


def test_the_store_is_opened_for_the_first_question_and_tried_again_when_it_failed(store: RunStore) -> None:
    opened: list[str] = []

    def open_store() -> RunStore:
        opened.append("")
        if len(opened) == 1:
            raise StoreUnavailable("The store is away. Come back.")
        return store

    answering = RunServices(open_store)
    assert opened == []

    first = answering.answer(GetVariable(name="x"), Asker())
    second = answering.answer(GetVariable(name="x"), Asker())
    answering.answer(GetVariable(name="x"), Asker())

    assert first == AnswerError(code="StoreUnavailable", message="The store is away. Come back.")
    assert not isinstance(second, AnswerError)
    assert len(opened) == 2


def test_slots_need_a_store_and_the_error_says_so() -> None:
    def open_store() -> RunStore:
        raise StoreUnavailable("The store is away. Come back.")

    set_answerer(lambda: RunServices(open_store))
    try:
        with pytest.raises(StoreUnavailable, match="The store is away"):
            with concurrency("db"):
                raise AssertionError("the block must not run")
    finally:
        set_answerer(None)


def test_a_driver_that_does_not_answer_is_told() -> None:
    answered = threading.Event()

    def answer(question: bytes) -> bytes:
        answered.wait(PATIENCE_SECONDS)
        return question

    with driver_answers(answer) as context, asking_through(context):
        with pytest.raises(NobodyAnswers, match="The driver did not answer GetVariable within 0.01 s"):
            ask(GetVariable(name="x"), timeout_seconds=0.01)
        answered.set()


def test_a_driver_that_is_gone_is_told() -> None:
    from multiprocessing import Pipe

    here, there = Pipe()
    there.close()

    with asking_through(PipeContext(here)), pytest.raises(NobodyAnswers, match="The driver that GetVariable was for"):
        ask(GetVariable(name="x"))
    here.close()


def test_a_thread_of_user_code_asks_for_the_only_attempt_of_its_process(attempt: PipeContext) -> None:
    Variable.set("answer", 42)
    found: list[object] = []

    thread = threading.Thread(target=lambda: found.append(Variable.get("answer")))
    thread.start()
    thread.join()

    assert found == [42]


def test_a_thread_that_may_belong_to_two_attempts_is_told_what_to_do(attempt: PipeContext) -> None:
    Variable.set("answer", 42)
    found: list[object] = []

    def look() -> None:
        try:
            found.append(Variable.get("answer"))
        except OrchestraError as error:
            found.append(str(error))

    in_attempt = contextvars.copy_context()
    with contextvars.Context().run(asking_through, attempt):
        threads = [threading.Thread(target=look), threading.Thread(target=lambda: in_attempt.run(look))]
        for thread in threads:
            thread.start()
            thread.join()

    assert found == [
        "This thread may belong to any of 2 tasks. Start it with contextvars.copy_context().run, or ask in the task's "
        "own thread.",
        42,
    ]


def test_who_drives_for_a_while_puts_the_one_before_back(answering: RunServices) -> None:
    def outer() -> RunServices:
        return answering

    def inner() -> RunServices:
        raise StoreUnavailable("The store is away. Come back.")

    assert set_answerer(outer) is None
    assert set_answerer(inner) is outer
    with pytest.raises(StoreUnavailable):
        Variable.get("none")
    assert set_answerer(outer) is inner
    assert Variable.get("none", default=1) == 1
    assert set_answerer(None) is outer


def test_code_without_a_run_of_its_own_belongs_to_the_run_that_is_answered_for(store: RunStore) -> None:
    before = set_answerer(lambda: RunServices(lambda: store, run_id="run"))
    try:
        plain = create_markdown_artifact("x")
        with asking_as(Asker(run_id="child", task_run_id="t")):
            of_child = create_markdown_artifact("x")
    finally:
        set_answerer(before)

    artifacts = ArtifactStore(store.database)
    assert [artifacts.get(id_).run_id for id_ in (plain, of_child)] == ["run", "child"]


def test_the_first_default_answerer_stays(monkeypatch: pytest.MonkeyPatch, answering: RunServices) -> None:
    monkeypatch.setattr(services, "_default", None)

    services.set_default_answerer(lambda: answering)
    services.set_default_answerer(lambda: RunServices(lambda: 1 / 0))  # type: ignore[arg-type,return-value]

    assert Variable.get("none", default=1) == 1


def test_a_question_that_nobody_knows_is_answered_and_not_lost(answering: RunServices) -> None:
    answer = decode_answer(answering.answer_encoded(b"\x81\xa4kind\xa5Other", TASK))

    assert isinstance(answer, AnswerError)
    assert "Worker and driver need one version" in answer.message


def test_an_error_of_ours_is_answered_too(caplog: pytest.LogCaptureFixture) -> None:
    answer = RunServices(lambda: 1 / 0).answer(GetVariable(name="x"), TASK)  # type: ignore[arg-type,return-value]

    assert answer == AnswerError(
        code="OrchestraError", message="GetVariable could not be answered: ZeroDivisionError: division by zero"
    )
    assert "GetVariable could not be answered" in caplog.text


def test_an_error_that_only_the_driver_knows_is_its_nearest_known_class() -> None:
    answer = answer_of_error(StoreBusy("locked"))

    assert answer == AnswerError(code="StoreUnavailable", message="locked")
    assert type(error_of_answer(answer)) is StoreUnavailable
    assert type(error_of_answer(AnswerError(code="OfNextYear", message="x"))) is OrchestraError


# --- concurrency


@pytest.mark.usefixtures("attempt")
def test_slots_are_held_in_the_block_for_the_task_and_its_driver(store: RunStore) -> None:
    limit(store)
    limit(store, name="api")

    with concurrency(["db", "api"]):
        inside = held(store)

    assert inside == [("api", "driver", "task"), ("db", "driver", "task")]
    assert held(store) == []


@pytest.mark.usefixtures("anywhere")
def test_slots_are_given_back_when_the_block_raises(store: RunStore) -> None:
    limit(store)

    with pytest.raises(ZeroDivisionError):
        with concurrency("db"):
            raise ZeroDivisionError

    assert held(store) == []


@pytest.mark.usefixtures("driver")
def test_who_waits_says_for_what_and_gets_the_slot_when_it_is_given_back(
    store: RunStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "orchestra_nb")
    limit(store)
    order: list[str] = []
    waits = threading.Event()

    def second() -> None:
        waits.set()
        with concurrency("db"):
            order.append("second")

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(second))
    with concurrency("db"):
        thread.start()
        assert waits.wait(PATIENCE_SECONDS)
        eventually(lambda: "Waits for a slot: 1 of 1 slot of 'db' is taken." in caplog.messages or None)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
    assert held(store) == []


@pytest.mark.usefixtures("anywhere")
def test_who_waits_too_long_is_told_why(store: RunStore) -> None:
    limit(store)

    with concurrency("db"):
        with pytest.raises(SlotsNotAcquired, match="1 of 1 slot of 'db' is taken.*orchestra concurrency update db"):
            with concurrency("db", timeout_seconds=0):
                raise AssertionError("the block must not run")
        with pytest.raises(TimeoutError, match="No slot of 'db'"):
            with concurrency("db", max_retries=1):
                raise AssertionError("the block must not run")

    assert held(store) == []


@pytest.mark.usefixtures("driver")
def test_a_limit_that_is_not_there_is_a_warning_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with concurrency("db"):
        pass
    rate_limit("db")

    assert caplog.messages == ["No active concurrency limit 'db': nothing is limited."] * 2
    with pytest.raises(LimitNotFound):
        rate_limit("db", strict=True)
    with pytest.raises(LimitNotFound):
        with concurrency("db", strict=True):
            raise AssertionError("the block must not run")


@pytest.mark.usefixtures("driver")
def test_no_names_limit_nothing() -> None:
    with concurrency([]):
        rate_limit([])


@pytest.mark.parametrize(
    ("names", "options"),
    [("db", {"occupy": 0}), ("db", {"occupy": True}), ("a/b", {}), ("db", {"lease_duration": 0.5})],
    ids=["no slot", "a truth as a number", "a bad name", "a short lease"],
)
@pytest.mark.usefixtures("driver")
def test_what_makes_no_sense_is_refused_before_anything_is_asked(names: str, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        with concurrency(names, **options):  # type: ignore[arg-type]
            raise AssertionError("the block must not run")


@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "not strict"])
@pytest.mark.usefixtures("driver")
def test_slots_that_were_lost_meanwhile_are_told(
    store: RunStore, is_strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    limit(store)

    def lose_them() -> None:
        with concurrency("db", strict=is_strict):
            SlotStore(store.database).delete_limit("db")

    if is_strict:
        with pytest.raises(SlotsLost, match="ran out while they were in use"):
            lose_them()
    else:
        lose_them()
        assert "The lease of the slots of 'db' ran out while they were in use" in caplog.text


@pytest.mark.usefixtures("attempt")
def test_a_lease_is_renewed_while_the_block_runs(store: RunStore) -> None:
    limit(store)
    slots = SlotStore(store.database)

    with concurrency("db", lease_duration=1.0), closing(ChangeWatcher(store.database)) as watcher:
        (first,) = slots.limits(datetime.now(UTC))[0].held
        renewed = first
        while renewed.until == first.until:
            assert watcher.wait(PATIENCE_SECONDS)
            (renewed,) = slots.limits(first.acquired_at)[0].held

    assert (renewed.holder, renewed.acquired_at) == (first.holder, first.acquired_at)


def test_what_an_attempt_left_is_given_back_at_its_end(answering: RunServices, store: RunStore) -> None:
    limit(store)
    question = AcquireSlots(names=("db",), occupy=1, holder="h", lease_seconds=300)
    answering.attempt_ended("task")

    answering.answer(question, TASK)
    assert len(held(store)) == 1
    answering.attempt_ended("task")

    assert held(store) == []


@pytest.mark.usefixtures("anywhere")
def test_a_rate_limit_waits_until_there_is_room(store: RunStore) -> None:
    limit(store, number=1, rate=20.0)
    began = datetime.now(UTC)

    for _ in range(3):
        rate_limit("db")

    (state,) = SlotStore(store.database).limits(began)
    assert state.decaying > 0
    with pytest.raises(InvalidInput, match="2 slots of 'db' are asked for, and it has only 1"):
        rate_limit("db", occupy=2)


@pytest.mark.usefixtures("driver")
def test_a_rate_limit_that_stays_full_is_told(store: RunStore) -> None:
    limit(store, number=1, rate=0.001)
    rate_limit("db")

    with pytest.raises(SlotsNotAcquired, match="1 of 1 slot of 'db' is taken"):
        rate_limit("db", timeout_seconds=0)


@pytest.mark.usefixtures("attempt")
def test_coroutines_share_a_limit(store: RunStore) -> None:
    limit(store, number=2)
    limit(store, number=5, rate=100.0, name="calls")
    inside = 0
    most = 0

    async def work() -> None:
        nonlocal inside, most
        await arate_limit("calls")
        async with aconcurrency("db"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def all_of_them() -> None:
        await asyncio.gather(*(work() for _ in range(5)))

    asyncio.run(all_of_them())

    assert (inside, most <= 2, held(store)) == (0, True, [])


def test_a_coroutine_that_is_cancelled_while_it_is_given_slots_holds_none(
    answering: RunServices, store: RunStore
) -> None:
    limit(store)
    is_asked, is_cancelled = threading.Event(), threading.Event()

    def answer(question: bytes) -> bytes:
        answered = answering.answer_encoded(question, TASK)
        if isinstance(decode_question(question), AcquireSlots):
            is_asked.set()
            is_cancelled.wait(PATIENCE_SECONDS)
        return answered

    async def enter() -> None:
        async with aconcurrency("db"):
            raise AssertionError("the block must not run")

    async def cancel_while_asked() -> None:
        entering = asyncio.create_task(enter())
        assert await asyncio.to_thread(is_asked.wait, PATIENCE_SECONDS)
        entering.cancel()
        await asyncio.sleep(0)  # the cancellation arrives before the answer
        is_cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await entering

    with driver_answers(answer) as context, asking_through(context):
        asyncio.run(cancel_while_asked())

    assert held(store) == []


# --- artifacts, assets, events


@pytest.mark.usefixtures("attempt")
def test_artifacts_are_kept_with_their_run_and_task(store: RunStore) -> None:
    artifact_id = create_markdown_artifact("# Sales", key="sales", description="Of **March**")

    found = ArtifactStore(store.database).get(artifact_id)

    assert (found.type, found.data, found.key, found.description) == ("markdown", "# Sales", "sales", "Of **March**")
    assert (found.run_id, found.task_run_id, found.version) == ("run", "task", 1)


@pytest.mark.parametrize(
    ("link", "text", "markdown"),
    [
        ("https://x.org/a_(b)", "B", "[B](<https://x.org/a_(b)>)"),
        ("https://x.org", None, "[https://x.org](<https://x.org>)"),
        ("file.csv", "a]b", "[a\\]b](<file.csv>)"),
    ],
)
@pytest.mark.usefixtures("driver")
def test_a_link_is_markdown(store: RunStore, link: str, text: str | None, markdown: str) -> None:
    assert ArtifactStore(store.database).get(create_link_artifact(link, text)).data == markdown


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x.org/>)<script>", "a\nb", 3], ids=repr)
@pytest.mark.usefixtures("driver")
def test_a_link_that_is_none_is_refused(link: str) -> None:
    with pytest.raises(InvalidInput):
        create_link_artifact(link)
    with pytest.raises(InvalidInput):
        create_image_artifact(link)


@pytest.mark.usefixtures("driver")
def test_tables_have_many_forms(store: RunStore) -> None:
    import numpy
    import pandas

    tables = [
        {"a": [1, None], "b": [float("inf"), "x"]},
        [{"a": date(2026, 3, 1)}, {"a": Path("x")}],
        [[numpy.int64(3), numpy.float32(0.5)], (True,)],
        pandas.DataFrame({"n": [1, 2], "at": pandas.to_datetime(["2026-03-01", None])}),
    ]

    kept = [ArtifactStore(store.database).get(create_table_artifact(table)).data for table in tables]

    assert kept == [
        {"a": [1, None], "b": [float("inf"), "x"]},
        [{"a": "2026-03-01"}, {"a": "x"}],
        [[3, 0.5], [True]],
        {"n": [1, 2], "at": ["2026-03-01T00:00:00", "NaT"]},
    ]
    assert [type(value) for value in kept[2][0]] == [int, float]  # type: ignore[index]


@pytest.mark.parametrize("table", ["abc", 3, ["abc"], [3]], ids=repr)
@pytest.mark.usefixtures("driver")
def test_what_is_no_table_is_refused(table: object) -> None:
    with pytest.raises(InvalidInput, match="is no (table|row)"):
        create_table_artifact(table)  # type: ignore[arg-type]


@pytest.mark.usefixtures("anywhere")
def test_a_progress_is_updated_by_its_id(store: RunStore) -> None:
    artifact_id = create_progress_artifact(0.0, key="loading", description="Loading")

    assert update_progress_artifact(artifact_id, 50) == artifact_id
    assert update_progress_artifact(UUID(artifact_id), 75.5, description="Nearly") == artifact_id

    found = ArtifactStore(store.database).get("loading")
    assert (found.type, found.data, found.description, found.version) == ("progress", 75.5, "Nearly", 1)
    with pytest.raises(InvalidInput, match="from 0 to 100, not 101"):
        update_progress_artifact(artifact_id, 101)
    with pytest.raises(ArtifactNotFound):
        update_progress_artifact("none", 1)
    with pytest.raises(InvalidInput, match="is of type 'markdown', not 'progress'"):
        update_progress_artifact(create_markdown_artifact("x"), 1)


@pytest.mark.usefixtures("driver")
def test_a_picture_is_kept_by_its_url(store: RunStore) -> None:
    found = ArtifactStore(store.database).get(create_image_artifact("https://x.org/p.png", description="P"))

    assert (found.type, found.data, found.description) == ("image", "https://x.org/p.png", "P")


class _Rich:
    def _repr_html_(self) -> str:
        return "<b>rich</b>"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return b"png", {"width": 3}

    def _repr_latex_(self) -> None:
        return None

    def _repr_svg_(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return "Rich()"


class _Bundled:
    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> object:
        return {"text/plain": "bundled", "application/x+json": {"a": [1]}}, {"metadata": True}


@pytest.mark.parametrize(
    ("shown", "bundle"),
    [
        (_Rich(), {"text/html": "<b>rich</b>", "image/png": "cG5n", "text/plain": "Rich()"}),
        (_Bundled(), {"text/plain": "bundled", "application/x+json": {"a": [1]}}),
        ([1], {"text/plain": "[1]"}),
        (_Rich, {"text/plain": repr(_Rich)}),
    ],
    ids=["methods", "a bundle", "plain", "a class"],
)
@pytest.mark.usefixtures("driver")
def test_any_object_is_kept_as_a_notebook_shows_it(store: RunStore, shown: object, bundle: dict[str, object]) -> None:
    found = ArtifactStore(store.database).get(create_artifact(shown, key="shown"))

    assert (found.type, found.data) == ("display", bundle)


@pytest.mark.usefixtures("driver")
def test_a_figure_and_its_axes_are_kept_as_a_picture(store: RunStore) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot([1, 2])

    for shown in (axes.figure, axes):
        data = ArtifactStore(store.database).get(create_artifact(shown)).data
        assert isinstance(data, dict)
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


@pytest.mark.usefixtures("driver")
def test_an_artifact_that_is_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(InvalidInput, match="The artifact has 10,000,001 bytes as JSON, at most 10,000,000"):
        create_markdown_artifact("x" * 9_999_999)


@pytest.mark.usefixtures("attempt")
def test_artifacts_are_made_by_coroutines(store: RunStore) -> None:
    artifact_id = asyncio.run(acreate_markdown_artifact("x"))

    assert ArtifactStore(store.database).get(artifact_id).task_run_id == "task"


@pytest.mark.usefixtures("attempt")
def test_a_task_tells_what_it_made_from_what(store: RunStore) -> None:
    sales = Asset("s3://b/sales", AssetProperties(name="Sales"))
    with collecting_metadata([sales]) as said:
        sales.add_metadata({"rows": 10, "ok": False})
        add_asset_metadata("s3://b/sales", {"ok": True})
        with pytest.raises(InvalidInput, match="does not materialize s3://b/x. It materializes: s3://b/sales"):
            add_asset_metadata("s3://b/x", {})

    record_materialization(sales, ["s3://b/raw"], said["s3://b/sales"], by="dbt")

    details = show_asset(store, "s3://b/sales")
    assert details.asset.properties == AssetProperties(name="Sales")
    (made,) = details.materializations
    assert (made.metadata, made.by, made.run_id, made.task_run_id) == ({"rows": 10, "ok": True}, "dbt", "run", "task")
    assert details.lineage.upstream == ("s3://b/raw",)
    assert AssetStore(store.database).materialized_by("run") == [made]


def test_metadata_is_said_where_an_asset_is_made() -> None:
    with pytest.raises(InvalidInput, match="Say what s3://b/x is like in the function that materializes it"):
        add_asset_metadata("s3://b/x", {})


@pytest.mark.usefixtures("attempt")
def test_an_event_is_kept_with_its_run(store: RunStore) -> None:
    first = emit_event("orders.imported", {"prefect.resource.id": "orders.eu", "role": "x"}, payload={"rows": 3})
    second = emit_event(
        "orders.sent", resource={"id": "o"}, related=[{"id": "i", "role": "inbox"}], id=UUID(int=7), follows=first
    )

    kept = [event for _, event in CustomEventStore(store.database).list_events(run_id="run")]

    assert [event.event_id for event in kept] == [first.event_id, UUID(int=7).hex]
    assert (kept[0].resource, kept[0].payload, kept[0].task_run_id) == (
        {"id": "orders.eu", "role": "x"},
        {"rows": 3},
        "task",
    )
    assert (kept[1].related, kept[1].follows, second.follows) == (
        ({"id": "i", "role": "inbox"},),
        first.event_id,
        first.event_id,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"event": "", "resource": {"id": "x"}},
        {"event": "e", "resource": {}},
        {"event": "e", "resource": {"id": "x"}, "occurred": datetime(2026, 3, 1)},  # noqa: DTZ001
        {"event": "e", "resource": {"id": "x"}, "payload": {"at": date(2026, 3, 1)}},
    ],
    ids=["no name", "no resource", "a time without a zone", "a payload that is no JSON"],
)
@pytest.mark.usefixtures("driver")
def test_an_event_that_makes_no_sense_is_refused(arguments: dict[str, object], store: RunStore) -> None:
    with pytest.raises(InvalidInput):
        emit_event(**arguments)  # type: ignore[arg-type]
    assert CustomEventStore(store.database).list_events() == []


# --- asking people


def find_input(key: str, kind: Any = None, description: str = "") -> tuple[bool, Any]:
    """Ask as a flow that pauses does, and return (whether people have answered, the answer)."""
    asked = InputType(None if kind is None else input_form(kind), description)
    is_given, answer = asked.ask(key)
    return is_given, asked.value_of(answer) if is_given else None


@dataclass
class Order:
    rows: int


@pytest.mark.usefixtures("anywhere")
def test_a_run_waits_for_what_people_answer(store: RunStore) -> None:
    now = datetime.now(UTC)
    assert find_input("approve", Order, "How many?") == (False, None)

    (asked,) = list_inputs(store, "calm-fox")
    answer_input(store, "calm-fox", {"rows": 3}, actor="ana", now=now)

    assert (asked.key, asked.schema, asked.description) == ("approve", input_form(Order).schema, "How many?")
    assert find_input("approve", Order) == (True, Order(rows=3))
    assert find_input("approve") == (True, {"rows": 3})


@pytest.mark.usefixtures("driver")
def test_an_answer_that_does_not_fit_is_refused_with_its_place(store: RunStore) -> None:
    find_input("approve", Order)

    with pytest.raises(InvalidInput, match=r"'approve' does not fit what is asked for at \$.rows: 'x' is not of type"):
        answer_input(store, "run", {"rows": "x"}, actor="ana", now=datetime.now(UTC))

    with pytest.raises(InvalidInput) as refused:
        answer_input(store, "run", {"rows": "x" * 900_000}, actor="ana", now=datetime.now(UTC))

    assert len(str(refused.value)) < 500
    assert str(refused.value).endswith("xxx' is not of type 'integer'")
    assert find_input("approve", Order) == (False, None)


@pytest.mark.usefixtures("driver")
def test_a_question_without_a_schema_only_asks_to_go_on(store: RunStore) -> None:
    find_input("pause")

    with pytest.raises(InvalidInput, match="asks for no value, only to go on"):
        answer_input(store, "run", 3, actor="ana", now=datetime.now(UTC))
    answer_input(store, "run", None, actor="ana", now=datetime.now(UTC))

    assert find_input("pause") == (True, None)


@pytest.mark.usefixtures("driver")
def test_of_several_questions_one_is_named(store: RunStore) -> None:
    find_input("a")
    find_input("b")

    with pytest.raises(InvalidInput, match="waits for several inputs: a, b. Say which one with --key"):
        answer_input(store, "run", None, actor="ana", now=datetime.now(UTC))
    answer_input(store, "run", None, actor="ana", now=datetime.now(UTC), key="b")

    assert find_input("b") == (True, None)


def test_only_a_run_asks_people(answering: RunServices) -> None:
    set_answerer(lambda: answering)
    try:
        with pytest.raises(InvalidInput, match="Only a run can ask people for 'approve'"):
            find_input("approve")
    finally:
        set_answerer(None)


@pytest.fixture(autouse=True)
def warnings_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "orchestra_nb")
