"""Secrets in what runs show and tell have dots in their place."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orchestra_nb.model.events import CellRunChanged, LogsWritten, RunCodeRecorded
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.questions import (
    Asker,
    AskInside,
    CreateArtifact,
    GetVariable,
    SetVariable,
    decode_question,
    encode_question,
)
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.masked_messages import masking
from orchestra_nb.notebooks.runner_messages import Began, Finished, FromRunner, QuestionAsked, Reported

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
AWKWARD = 'p"w\\d é&<x>'
KEY = "-----BEGIN-----\nabcdefgh\nij\n-----END-----\n"


@pytest.mark.parametrize(
    "shown",
    [
        AWKWARD,
        repr(AWKWARD)[1:-1],
        json.dumps(AWKWARD)[1:-1],
        json.dumps(AWKWARD, ensure_ascii=False)[1:-1],
        "p&quot;w\\d é&amp;&lt;x&gt;",
        "p%22w%5Cd%20%C3%A9%26%3Cx%3E",
        "p%22w%5Cd+%C3%A9%26%3Cx%3E",
        "cCJ3XGQgw6kmPHg+",
    ],
)
def test_a_secret_is_found_in_the_forms_that_it_is_shown_in(shown: str) -> None:
    assert Mask([AWKWARD]).text(f"a{shown}b{shown}") == "a••••b••••"


@pytest.mark.parametrize(
    ("secrets", "text", "masked"),
    [
        (["abcd", "abcdef"], "abcdef abcd abc", "•••• •••• abc"),
        (["abc", "", "   "], "abc", "abc"),
        ([KEY], "1 abcdefgh\n2 ij", "1 ••••\n2 ij"),
        ([KEY], f"<{KEY}>", "<••••>"),
        ([], "abcd", "abcd"),
        (["a.c+"], "abcc a.c+", "abcc ••••"),
        (["hunter2"], "x" * 2_000 + "hunte", "x" * 2_000 + "••••"),
        (["hunter2"], "a hunte", "a hunte"),
    ],
)
def test_what_is_no_secret_stays(secrets: list[str], text: str, masked: str) -> None:
    assert Mask(secrets).text(text) == masked


def test_values_are_masked_with_their_keys() -> None:
    value = {"hunter2": ["x hunter2", 2, None, {"a": ("hunter2",)}]}

    assert Mask(["hunter2"]).value(value) == {"••••": ["x ••••", 2, None, {"a": ("••••",)}]}
    assert Mask([]).value(value) is value


def told(*messages: FromRunner) -> list[FromRunner]:
    sent: list[FromRunner] = []
    for message in messages:
        masking(sent.append, Mask(["hunter2"]))(message)
    return sent


def test_events_and_the_end_are_masked_and_else_as_they_were() -> None:
    error = ErrorInfo(type="ValueError", message="hunter2", cell="cell 1", traceback="in hunter2")
    cell = CellRun(run_id="r", index=0, cell_id="c", state=State.FAILED, title="t", started_at=NOON, error=error)
    line = LogLine(run_id="r", at=NOON, message="with hunter2", level=20, logger="cell 1")
    clean = Reported(LogsWritten(lines=(LogLine(run_id="r", at=NOON, message="x", level=20, logger="cell 1"),)))

    sent = told(
        Began(NOON),
        clean,
        Reported(CellRunChanged(cell=cell)),
        Reported(LogsWritten(lines=(line,))),
        Finished(State.FAILED, "ValueError: hunter2", NOON, error),
    )

    assert "hunter2" not in repr(sent)
    assert sent[0] == Began(NOON)
    assert sent[1] is clean
    assert isinstance(sent[2], Reported)
    assert isinstance(sent[2].event, CellRunChanged)
    assert (sent[2].event.cell.started_at, sent[2].event.cell.state) == (NOON, State.FAILED)
    assert sent[2].event.cell.error == ErrorInfo(type="ValueError", message="••••", cell="cell 1", traceback="in ••••")


def test_code_with_a_secret_among_its_parameters_cannot_be_run_again() -> None:
    code = RunCode(run_id="r", entrypoint="m:f", parameters_json='{"key": "hunter2"}')

    (sent,) = told(Reported(RunCodeRecorded(code=code)))

    kept = RunCode(run_id="r", entrypoint="m:f", missing="its parameters hold a secret")
    assert sent == Reported(RunCodeRecorded(code=kept))


def test_what_people_see_of_questions_is_masked_and_nothing_else() -> None:
    artifact = CreateArtifact(key="report", type="markdown", data_json='"# hunter2"', description="hunter2")
    inside = AskInside(asker=Asker(run_id="r"), question=encode_question(artifact))
    variable = SetVariable(name="x", value_json='"hunter2"', tags=(), may_overwrite=True)
    questions = [artifact, inside, variable, GetVariable(name="hunter2")]

    sent = told(*(QuestionAsked(1, encode_question(question), "r", None) for question in questions))
    asked = [decode_question(each.question) for each in sent if isinstance(each, QuestionAsked)]

    masked = CreateArtifact(key="report", type="markdown", data_json='"# ••••"', description="••••")
    assert asked == [masked, AskInside(asker=Asker(run_id="r"), question=encode_question(masked)), *questions[2:]]
