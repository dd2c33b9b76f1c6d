"""Answers what running code asks of its driver, from the store.

A driver makes one :class:`RunServices` and registers it for its own process
(:func:`orchestra_nb.engine.services.set_answerer`); what attempts ask on workers goes to ``answer_encoded``, each
question in a thread of its own. The store is opened when the first question comes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from orchestra_nb.acting_user import process_user
from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE, RUN_SOCKET_VARIABLE
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.question_relay import QuestionRelay
from orchestra_nb.engine.services import Answerer, set_default_answerer
from orchestra_nb.errors import InvalidInput, OrchestraError, RunNotFound
from orchestra_nb.model.artifacts import StoredArtifact, check_artifact_key
from orchestra_nb.model.assets import AssetProperties, Materialization, asset_of, keys_of
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.questions import (
    AcquireSlots,
    Answer,
    AnswerError,
    Asker,
    AskForInput,
    AskInside,
    ClaimAnswer,
    ClaimResult,
    CreateArtifact,
    DeleteVariable,
    DoneAnswer,
    EmitEvent,
    FindResult,
    ForgetResult,
    GetSecret,
    GetVariable,
    IdAnswer,
    InputAnswer,
    PutResult,
    Question,
    RecordMaterialization,
    ReleaseClaim,
    ReleaseSlots,
    RenewClaim,
    RenewSlots,
    ResultAnswer,
    ResumeRun,
    SecretAnswer,
    SetSecret,
    SetVariable,
    TakeRate,
    UpdateArtifact,
    VariableAnswer,
    answer_of_error,
    decode_question,
    encode_answer,
)
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.staging_questions import (
    CommitStaged,
    DropStaged,
    FindStaged,
    HasStagedClaims,
    RenewStaged,
    StagedAnswer,
    StageResult,
)
from orchestra_nb.operations import shared_variables
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.slot_store import SlotStore

T = TypeVar("T")

_log = logging.getLogger(__name__)


#: The code of a run may ask about it before its record, which is written meanwhile, is in the store.
_RECORDED_SECONDS = 5.0


#: What a remote worker answers from its own store: the results that its machine has.
_OF_MACHINE: Final = (
    *(FindResult, ClaimResult, RenewClaim, ReleaseClaim, PutResult, ForgetResult),
    *(StageResult, FindStaged, HasStagedClaims, RenewStaged, CommitStaged, DropStaged),
)


def is_for_server(question: Question) -> bool:
    """Tell whether what code on a remote worker asks is answered by the server, not by the worker itself."""
    return not isinstance(question, (*_OF_MACHINE, AskInside))


class RunServices:
    """Answers questions; implements :class:`orchestra_nb.engine.services.Answerer`.

    All methods may be called from any thread, and from several at once. They wait for the store: call them from no
    thread that must go on, such as the one in which an executor reports.

    Parameters
    ----------
    open_store
        Called for the first question, and again when it raised.
    driver_id
        Of the driver that answers: when it dies, the slots that it gave are free. None for whoever drives nothing.
    run_id
        The run that code belongs to which asks for no run of its own, such as the plain cells of a notebook run.
    user
        Whose code it is that asks in no run; None where it is that of several.
    server
        Answers what concerns more than this machine, where the store here is that of a remote worker.
    """

    def __init__(
        self,
        open_store: Callable[[], RunStore],
        *,
        driver_id: str | None = None,
        run_id: str | None = None,
        user: str | None = None,
        settings: Settings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        server: Answerer | None = None,
    ) -> None:
        self._server = server
        self._open_store = open_store
        self._driver_id = driver_id
        self._run_id = run_id
        self._user = user
        self._settings = settings
        self._now = now
        self._lock = threading.Lock()
        self._opened: RunStore | None = None
        self._has_given_slots = False

    def answer(self, question: Question, asker: Asker) -> Answer:
        """Answer a question; what goes wrong is an :class:`AnswerError`."""
        if asker.run_id is None and self._run_id is not None:
            asker = Asker(run_id=self._run_id)
        try:
            return self._answer(question, asker)
        except OrchestraError as error:
            return answer_of_error(error)
        except Exception as error:  # ours; whoever asks must not wait until its time is over
            _log.exception("%s could not be answered", type(question).__name__)
            message = f"{type(question).__name__} could not be answered: {type(error).__name__}: {error}"
            return AnswerError(code="OrchestraError", message=message)

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Answer a question that came from a worker (``AttemptAsked.question``), for ``Executor.answer``."""
        try:
            decoded = decode_question(question)
        except msgspec.DecodeError as error:
            message = f"The driver does not know this question: {error}. Worker and driver need one version."
            return encode_answer(AnswerError(code="OrchestraError", message=message))
        return encode_answer(self.answer(decoded, asker))

    def attempt_ended(self, task_run_id: str) -> None:
        """Give back the slots that an attempt of this task run has left: to be called after each attempt's end.

        Free of cost in a driver that has given no slots. A store that cannot be written now is no reason to fail: the
        slots are free when the task run's end is stored, or when their lease ends.
        """
        if not self._has_given_slots:
            return
        try:
            self._slots().release_of_task_run(task_run_id)
        except OrchestraError as error:
            _log.warning("The slots of task run %s are free when their lease ends: %s", task_run_id, error)

    def _answer(self, question: Question, asker: Asker) -> Answer:
        if self._server is not None and is_for_server(question):
            return self._server.answer(question, asker)
        match question:
            case AskInside(asker=inner, question=asked):
                decoded = decode_question(asked)
                is_of_attempt = isinstance(decoded, AcquireSlots | RenewSlots | ReleaseSlots | TakeRate)
                return self._answer(decoded, asker if is_of_attempt else inner)
            case GetVariable() | SetVariable() | DeleteVariable():
                return self._answer_variable(question)
            case GetSecret() | SetSecret():
                return self._answer_secret(question, asker)
            case AcquireSlots() | RenewSlots() | ReleaseSlots() | TakeRate():
                return self._answer_slots(question, asker)
            case CreateArtifact():
                return self._create_artifact(question, asker)
            case UpdateArtifact():
                return self._update_artifact(question)
            case RecordMaterialization():
                return self._record(question, asker)
            case EmitEvent():
                return self._keep_event(question, asker)
            case AskForInput():
                return self._ask_people(question, asker)
            case ResumeRun():
                return self._resume(question, asker)
            case FindResult() | ClaimResult() | RenewClaim() | ReleaseClaim() | PutResult() | ForgetResult():
                return self._answer_cache(question)
            case StageResult() | FindStaged() | HasStagedClaims() | RenewStaged() | CommitStaged() | DropStaged():
                return self._answer_staging(question)

    def _answer_staging(
        self, question: StageResult | FindStaged | HasStagedClaims | RenewStaged | CommitStaged | DropStaged
    ) -> Answer:
        from orchestra_nb.store.staged_result_index import StagedResultIndex

        index = StagedResultIndex(self._store().database)
        match question:
            case StageResult():
                index.put(question.result, self._now())
            case FindStaged(key=None):
                return StagedAnswer(results=tuple(index.find_all(question.staging_ids)))
            case FindStaged(key=str(key)):
                found = index.find(key, question.staging_ids)
                return StagedAnswer(results=() if found is None else (found,))
            case HasStagedClaims():
                return DoneAnswer(has_changed=index.holds_claims(question.staging_ids))
            case RenewStaged():
                index.renew(question.staging_ids, self._now(), question.lease_seconds)
            case CommitStaged():
                index.commit(question.staging_ids)
            case DropStaged():
                return StagedAnswer(results=tuple(index.drop(question.staging_id, question.keys)))
        return DoneAnswer()

    def _answer_cache(
        self, question: FindResult | ClaimResult | RenewClaim | ReleaseClaim | PutResult | ForgetResult
    ) -> Answer:
        from orchestra_nb.store.result_index import ResultIndex

        index = ResultIndex(self._store().database)
        match question:
            case FindResult(key=key):
                return ResultAnswer(reference=index.find(key, self._now()))
            case ClaimResult(key=key, holder=holder, lease_seconds=seconds, is_refreshed=refresh, kept_since=since):
                claim = index.claim(key, holder, self._now(), seconds, refresh=refresh, kept_since=since)
                return ClaimAnswer(claim=claim)
            case RenewClaim(key=key, holder=holder, lease_seconds=seconds):
                return DoneAnswer(has_changed=index.renew(key, holder, self._now(), seconds))
            case ReleaseClaim(key=key, holder=holder):
                return DoneAnswer(has_changed=index.release(key, holder))
            case PutResult(key=key, reference=reference, task_name=task_name, holder=holder):
                index.put(key, reference, task_name=task_name, holder=holder)
                return DoneAnswer()
            case ForgetResult(key=key, reference=reference):
                return DoneAnswer(has_changed=index.forget(key, reference))

    def _answer_variable(self, question: GetVariable | SetVariable | DeleteVariable) -> Answer:
        store = self._store()
        if isinstance(question, DeleteVariable):
            return DoneAnswer(has_changed=shared_variables.unset_variable(store, question.name))
        if isinstance(question, SetVariable):
            found = shared_variables.set_variable(
                store,
                question.name,
                from_json_text(question.value_json),
                tags=question.tags,
                may_overwrite=question.may_overwrite,
                now=self._now(),
            )
        else:
            known = shared_variables.find_variable(store, question.name)
            if known is None:
                return VariableAnswer(name=question.name, value_json=None)
            found = known
        return VariableAnswer(
            name=found.name,
            value_json=to_json_text(found.value, f"The value of variable {found.name!r}"),
            tags=found.tags,
            created_at=found.created_at,
            updated_at=found.updated_at,
        )

    def _answer_secret(self, question: GetSecret | SetSecret, asker: Asker) -> Answer:
        key_place = (self._settings or load_settings()).secret_key_place
        store, name = self._store(), question.name
        owner = self._owner_of(asker) if shared_variables.has_own_secret(store, name) else None
        if isinstance(question, SetSecret):
            if not shared_variables.has_own_secret(store, name, owner):  # what is read by this name is what is set
                owner = None
            is_new = shared_variables.set_secret(store, name, Secret(question.text), key_place, self._now(), owner)
            return DoneAnswer(has_changed=is_new)
        return SecretAnswer(name=name, text=shared_variables.get_secret(store, name, key_place, owner).get())

    def _owner_of(self, asker: Asker) -> str | None:
        """Return whose the run is, or the code in no run, that asks; None where that is nobody's or is not known."""
        if asker.run_id is None:
            return self._user
        run_id = asker.run_id
        runs = _once_recorded(self._store(), lambda store: store.get_runs([run_id]))
        return runs[0].owner if runs else None

    def _answer_slots(self, question: AcquireSlots | RenewSlots | ReleaseSlots | TakeRate, asker: Asker) -> Answer:
        slots = self._slots()
        match question:
            case AcquireSlots():
                self._has_given_slots = True
                return slots.acquire(
                    question.names,
                    question.occupy,
                    question.holder,
                    self._now(),
                    question.lease_seconds,
                    asker=asker,
                    driver_id=self._driver_id,
                    is_strict=question.is_strict,
                )
            case RenewSlots():
                return DoneAnswer(has_changed=slots.renew(question.holder, self._now(), question.lease_seconds))
            case ReleaseSlots():
                return DoneAnswer(has_changed=slots.release(question.holder))
            case TakeRate():
                return slots.take_rate(question.names, question.occupy, self._now(), is_strict=question.is_strict)

    def _create_artifact(self, question: CreateArtifact, asker: Asker) -> Answer:
        from orchestra_nb.store.artifact_store import ArtifactStore

        now = self._now()
        artifact = StoredArtifact(
            artifact_id=fresh_id(now),
            type=question.type,
            data=from_json_text(question.data_json),
            created_at=now,
            updated_at=now,
            key=check_artifact_key(question.key),
            description=question.description,
            run_id=asker.run_id,
            task_run_id=asker.task_run_id,
        )
        return IdAnswer(id=ArtifactStore(self._store().database).create(artifact).artifact_id)

    def _update_artifact(self, question: UpdateArtifact) -> Answer:
        from orchestra_nb.store.artifact_store import ArtifactStore

        changed = ArtifactStore(self._store().database).update(
            question.artifact_id,
            self._now(),
            data=None if question.data_json is None else from_json_text(question.data_json),
            description=question.description,
            only_type=question.type,
        )
        return IdAnswer(id=changed.artifact_id)

    def _record(self, question: RecordMaterialization, asker: Asker) -> Answer:
        from orchestra_nb.store.asset_store import AssetStore

        properties = None
        if question.properties_json is not None:
            properties = msgspec.convert(from_json_text(question.properties_json), AssetProperties)
        materialization = Materialization(
            asset_key=asset_of(question.asset_key).key,
            at=self._now(),
            upstream=keys_of(question.upstream),
            metadata=_dictionary(question.metadata_json),
            by=question.by,
            run_id=asker.run_id,
            task_run_id=asker.task_run_id,
        )
        AssetStore(self._store().database).record(materialization, properties)
        return DoneAnswer()

    def _keep_event(self, question: EmitEvent, asker: Asker) -> Answer:
        from orchestra_nb.store.custom_event_store import CustomEventStore

        event = CustomEvent(
            event_id=question.event_id,
            event=question.event,
            resource=question.resource,
            occurred_at=question.occurred_at,
            related=question.related,
            payload=_dictionary(question.payload_json),
            follows=question.follows,
            run_id=asker.run_id,
            task_run_id=asker.task_run_id,
        )
        CustomEventStore(self._store().database).add(event)
        return IdAnswer(id=event.event_id)

    def _ask_people(self, question: AskForInput, asker: Asker) -> Answer:
        from orchestra_nb.store.run_input_store import RunInputStore

        if asker.run_id is None:
            raise InvalidInput(f"Only a run can ask people for {question.key!r}: call it in a flow or a task.")
        asked = RunInput(
            run_id=asker.run_id,
            key=question.key,
            asked_at=self._now(),
            schema=None if question.schema_json is None else _dictionary(question.schema_json),
            description=question.description,
            task_run_id=asker.task_run_id,
        )
        found = RunInputStore(self._store().database).ask(asked)
        if found.answered_at is None:
            return InputAnswer(is_given=False)
        return InputAnswer(is_given=True, value_json=to_json_text(found.value, f"The input {question.key!r}"))

    def _resume(self, question: ResumeRun, asker: Asker) -> Answer:
        from orchestra_nb.operations.run_resumption import give_answer

        value = None if question.value_json is None else from_json_text(question.value_json)
        code = "code" if asker.run_id is None else f"run {asker.run_id}"
        actor = question.actor or code

        def give(store: RunStore) -> DoneAnswer | RunNotFound:
            try:
                give_answer(store, question.run, value, actor=actor, now=self._now(), key=question.key)
            except RunNotFound as error:
                return error
            return DoneAnswer()

        given = _once_recorded(self._store(), give, lambda one: isinstance(one, DoneAnswer))
        if isinstance(given, RunNotFound):
            raise given
        return given

    def _slots(self) -> SlotStore:
        from orchestra_nb.store.slot_store import SlotStore

        return SlotStore(self._store().database)

    def _store(self) -> RunStore:
        with self._lock:
            if self._opened is None:
                self._opened = self._open_store()
            return self._opened


def answer_from_configured_store() -> None:
    """Let the configured store answer in a process that neither drives a run nor runs an attempt.

    In the kernel of a notebook run the driver of that run answers.
    """
    set_default_answerer(_make_default)


def _make_default() -> RunServices | QuestionRelay:
    from orchestra_nb.operations.opening import open_store

    run_id, socket_path = os.environ.get(RUN_ID_VARIABLE), os.environ.get(RUN_SOCKET_VARIABLE)
    if run_id is not None and socket_path:
        return QuestionRelay(socket_path, run_id)
    return RunServices(open_store, run_id=run_id, user=process_user())


def _once_recorded(store: RunStore, find: Callable[[RunStore], T], is_found: Callable[[T], object] = bool) -> T:
    """Return what is looked for, now or when the store has changed; what there is instead where it does not come."""
    found = find(store)
    if is_found(found):
        return found
    from orchestra_nb.store.event_log import ChangeWatcher

    deadline = time.monotonic() + _RECORDED_SECONDS
    with closing(ChangeWatcher(store.database)) as watcher:
        while not is_found(found) and (left := deadline - time.monotonic()) > 0 and watcher.wait(left):
            found = find(store)
    return found


def _dictionary(json_text: str) -> dict[str, object]:
    value = from_json_text(json_text)
    assert isinstance(value, dict)
    return value
