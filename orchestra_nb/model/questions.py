"""What running code may ask of its driver, and what the driver answers, as records that travel between processes.

A value of a user's is JSON text in these records (:mod:`orchestra_nb.model.json_values`): the encoding of the records
itself would lose non-finite floats, lone surrogates and large whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from orchestra_nb import errors
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.staging_questions import (
    CommitStaged,
    DropStaged,
    FindStaged,
    HasStagedClaims,
    RenewStaged,
    StagedAnswer,
    StageResult,
)


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Whose code asks: known to whoever answers, and never a part of the question. None outside of runs."""

    run_id: str | None = None
    task_run_id: str | None = None


# --- variables and secrets


class GetVariable(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for a variable: :class:`VariableAnswer`, also when there is none."""

    name: str


class SetVariable(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Sets a variable: :class:`VariableAnswer`, or :class:`NameTaken` when there is one and it may not be replaced."""

    name: str
    value_json: str
    tags: tuple[str, ...] = ()
    may_overwrite: bool = False


class DeleteVariable(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Deletes a variable: :class:`DoneAnswer` says whether there was one."""

    name: str


class GetSecret(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for a secret: :class:`SecretAnswer`."""

    name: str


class SetSecret(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Sets a secret, new or not: :class:`DoneAnswer`. Its text is not in its ``repr``."""

    name: str
    text: str

    def __repr__(self) -> str:
        return f"SetSecret(name={self.name!r})"


class VariableAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A variable; ``value_json`` is None when there is none of this name."""

    name: str
    value_json: str | None
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


class SecretAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A secret. Its text is not in its ``repr``."""

    name: str
    text: str

    def __repr__(self) -> str:
        return f"SecretAnswer(name={self.name!r})"


# --- concurrency limits


class AcquireSlots(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for slots of all these limits at once: :class:`SlotsAcquired`, or :class:`SlotsRefused` to ask again later.

    Parameters
    ----------
    holder
        Names this holding; asking again for what it holds gives the same slots, so a lost answer does no harm.
    lease_seconds
        How long they are held without a renewal.
    is_strict
        Whether a limit that does not exist is an error; otherwise it limits nothing.
    """

    names: tuple[str, ...]
    occupy: int
    holder: str
    lease_seconds: float
    is_strict: bool = False


class RenewSlots(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Renews the lease of a holding: :class:`DoneAnswer` says whether it is still all there."""

    holder: str
    lease_seconds: float


class ReleaseSlots(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Gives the slots of a holding back: :class:`DoneAnswer` says whether there were any."""

    holder: str


class TakeRate(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for slots that come back by themselves: :class:`SlotsAcquired` or :class:`SlotsRefused`."""

    names: tuple[str, ...]
    occupy: int
    is_strict: bool = False


class SlotsAcquired(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """The slots are taken.

    Parameters
    ----------
    unlimited
        Names among those asked for that have no limit, or none that is active.
    """

    unlimited: tuple[str, ...] = ()


class SlotsRefused(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """There is no room now; nothing was taken.

    Parameters
    ----------
    name
        A limit that has no room.
    detail
        How full it is, in people's words.
    retry_after_seconds
        When to ask again: for a rate limit the time until there is room if nobody else comes.
    """

    name: str
    detail: str
    retry_after_seconds: float


# --- what is left for people


class CreateArtifact(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Keeps an artifact: :class:`IdAnswer`."""

    type: str
    data_json: str
    key: str | None = None
    description: str | None = None


class UpdateArtifact(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Replaces what is not None in a version of an artifact: :class:`IdAnswer`."""

    artifact_id: str
    data_json: str | None = None
    description: str | None = None
    #: refuses an artifact of another type; None for any
    type: str | None = None


class RecordMaterialization(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Says that an asset was made from others: :class:`DoneAnswer`.

    Parameters
    ----------
    properties_json
        New properties; None leaves those that are known.
    """

    asset_key: str
    upstream: tuple[str, ...] = ()
    properties_json: str | None = None
    metadata_json: str = "{}"
    by: str | None = None


class EmitEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Keeps a user's event: :class:`IdAnswer`. Told twice with one id, it is kept once."""

    event_id: str
    event: str
    resource: dict[str, str]
    occurred_at: datetime
    related: tuple[dict[str, str], ...] = ()
    payload_json: str = "{}"
    follows: str | None = None


# --- what people are asked for


class AskForInput(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks people for something: :class:`InputAnswer`, at once, whether they have answered or not. Ask again later.

    Parameters
    ----------
    key
        Names the question within the run; a question that was answered before is not asked again.
    schema_json
        JSON Schema of the answer; None when only "go on" is asked for.
    """

    key: str
    schema_json: str | None = None
    description: str = ""


class InputAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """What people answered; ``is_given`` is False while they have not."""

    is_given: bool
    value_json: str | None = None


class ResumeRun(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Answers what a paused run waits for: :class:`DoneAnswer`.

    Parameters
    ----------
    run
        Id or name.
    value_json
        The answer; None when the run only asks to go on.
    key
        Which question; None when the run waits for one only.
    actor
        Who answers, in people's words; None for the code that asks this.
    """

    run: str
    value_json: str | None = None
    key: str | None = None
    actor: str | None = None


# --- results that are there already


class FindResult(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for the result of a cache key, and takes no right: :class:`ResultAnswer`."""

    key: str


class ResultAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Where the result of a cache key is; None where there is none."""

    reference: ResultReference | None = None


class ClaimResult(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for the result of a cache key, or the right to compute it: :class:`ClaimAnswer`.

    Parameters
    ----------
    holder
        Names one attempt at computing it.
    is_refreshed
        Whether a result that is there does not count.
    kept_since
        A result that was kept before this does not count either; None for all that are there.
    """

    key: str
    holder: str
    lease_seconds: float
    is_refreshed: bool = False
    kept_since: datetime | None = None


class ClaimAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """What became of a claim."""

    claim: Claimed | Found | Busy


class RenewClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Keeps a claim for longer: :class:`DoneAnswer`, unchanged when somebody else has it by now."""

    key: str
    holder: str
    lease_seconds: float


class ReleaseClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Gives a claim back without a result: :class:`DoneAnswer`."""

    key: str
    holder: str


class PutResult(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Says where the result of a cache key is, and gives the claim back: :class:`DoneAnswer`."""

    key: str
    reference: ResultReference
    task_name: str
    holder: str | None = None


class ForgetResult(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Says that the result of a cache key is gone, or not to be trusted: :class:`DoneAnswer`."""

    key: str
    reference: ResultReference


# --- answers that several questions have


class DoneAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """It was done; ``has_changed`` says whether that changed anything."""

    has_changed: bool = True


class IdAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """It is kept under this id."""

    id: str


class AskInside(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks for a task or flow that runs within an attempt: answered as the question is, to this asker.

    What must be given back when the attempt ends, as slots, is asked for as the attempt itself all the same.

    Parameters
    ----------
    question
        As :func:`encode_question` wrote it.
    """

    asker: Asker
    question: bytes


class AnswerError(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """It could not be answered; ``code`` is the name of a class in :mod:`orchestra_nb.errors`."""

    code: str
    message: str


Question = (
    GetVariable
    | SetVariable
    | DeleteVariable
    | GetSecret
    | SetSecret
    | AcquireSlots
    | RenewSlots
    | ReleaseSlots
    | TakeRate
    | CreateArtifact
    | UpdateArtifact
    | RecordMaterialization
    | EmitEvent
    | AskForInput
    | ResumeRun
    | FindResult
    | ClaimResult
    | RenewClaim
    | ReleaseClaim
    | PutResult
    | ForgetResult
    | AskInside
    | StageResult
    | FindStaged
    | HasStagedClaims
    | RenewStaged
    | CommitStaged
    | DropStaged
)

Answer = (
    VariableAnswer
    | SecretAnswer
    | SlotsAcquired
    | SlotsRefused
    | InputAnswer
    | ResultAnswer
    | ClaimAnswer
    | StagedAnswer
    | DoneAnswer
    | IdAnswer
    | AnswerError
)


def answer_of_error(error: OrchestraError) -> AnswerError:
    """Return an error as an answer: the nearest class that every process knows, and the message."""
    return AnswerError(code=next(name for name in _names_of(error) if name in _ERRORS), message=str(error))


def error_of_answer(answer: AnswerError) -> OrchestraError:
    """Return the error that was answered; a class that this version does not know is a plain :class:`OrchestraError`.

    Examples
    --------
    >>> error_of_answer(AnswerError(code="VariableNotFound", message="No variable 'x'."))
    VariableNotFound("No variable 'x'.")
    """
    return _ERRORS.get(answer.code, OrchestraError)(answer.message)


def encode_question(question: Question) -> bytes:
    """Return the question as bytes."""
    return _ENCODER.encode(question)


def encode_inside(question: bytes, asker: Asker) -> bytes:
    """Return an encoded question as one of this asker; as it is where it is one of somebody further inside."""
    inner = decode_question(question)
    return question if isinstance(inner, AskInside) else encode_question(AskInside(asker=asker, question=question))


def decode_question(data: bytes) -> Question:
    """Return the question that :func:`encode_question` wrote.

    Raises
    ------
    msgspec.DecodeError
        These bytes are no question of this version.
    """
    return _QUESTIONS.decode(data)


def encode_answer(answer: Answer) -> bytes:
    """Return the answer as bytes."""
    return _ENCODER.encode(answer)


def decode_answer(data: bytes) -> Answer:
    """Return the answer that :func:`encode_answer` wrote."""
    return _ANSWERS.decode(data)


def _names_of(error: OrchestraError) -> Iterator[str]:
    return (kind.__name__ for kind in type(error).__mro__)


_ERRORS: dict[str, type[OrchestraError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, OrchestraError)
}
_ENCODER = msgspec.msgpack.Encoder()
_QUESTIONS: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
