"""Hides a run's secret parameters in what its runner tells its driver, so that they reach no store and no screen."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from orchestra_nb.model.events import RunCodeRecorded
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.questions import (
    AskForInput,
    AskInside,
    CreateArtifact,
    EmitEvent,
    Question,
    RecordMaterialization,
    UpdateArtifact,
    decode_question,
    encode_question,
)
from orchestra_nb.notebooks.runner_messages import Finished, FromRunner, QuestionAsked, Reported

#: Questions whose content people see. A variable or a secret that code sets is the code's own affair.
_SHOWN = (CreateArtifact, UpdateArtifact, EmitEvent, RecordMaterialization, AskForInput)


def masking(send: Callable[[FromRunner], None], mask: Mask) -> Callable[[FromRunner], None]:
    """Return what sends messages without the secrets."""
    if not mask:
        return send

    def send_masked(message: FromRunner) -> None:
        match message:
            case Reported(event=RunCodeRecorded(code=code)) if mask.value(code.parameters_json) != code.parameters_json:
                # with a hidden secret in its parameters it would do something else the next time
                kept = msgspec.structs.replace(code, parameters_json=None, missing="its parameters hold a secret")
                message = Reported(RunCodeRecorded(code=kept))
            case Reported() | Finished():
                message = mask.record(message)
            case QuestionAsked(question=question):
                message = msgspec.structs.replace(message, question=_masked_question(question, mask))
        send(message)

    return send_masked


def _masked_question(encoded: bytes, mask: Mask) -> bytes:
    try:
        question: Question = decode_question(encoded)
    except msgspec.DecodeError:
        return encoded  # the driver says what is wrong with it
    if isinstance(question, AskInside):
        inner = _masked_question(question.question, mask)
        return encode_question(msgspec.structs.replace(question, question=inner))
    return encode_question(mask.record(question)) if isinstance(question, _SHOWN) else encoded
