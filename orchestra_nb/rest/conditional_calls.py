"""Calls that are to do something once, or only while a thing is as the caller knows it.

``Idempotency-Key``: the same call with the same key is answered as the first time, and does nothing. ``If-Match`` (RFC
9110, section 13.1.1): a thing is changed only while reading it is answered with this ETag. Either way the question and
what is done are one transaction, where what is done may be; else a key is reserved before, and its answer kept after,
while the ETag is looked at before, and again by the transaction that changes the thing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.errors import InvalidInput, NotFound, PreconditionFailed
from orchestra_nb.operations.audit_trail import note
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.reading_language import ENGLISH, reading_language
from orchestra_nb.rest.audited_calls import entries_after
from orchestra_nb.rest.catalogue import endpoints_at
from orchestra_nb.rest.ownership import owned
from orchestra_nb.rest.request_reading import given_parameters
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.model.audit import AuditEntry
    from orchestra_nb.rest.endpoint import Call, Endpoint

#: Methods for which a caller may name the ETag of what it changes.
MATCHED_METHODS: Final = frozenset({"PUT", "PATCH", "DELETE"})

#: What stands in ``If-Match``, as a pattern of JSON Schema.
ETAGS: Final = r'^(\*|(W/)?"[^"]*"(, *(W/)?"[^"]*")*)$'

_LONGEST_KEY: Final = 255
_ETAG = re.compile(r'\*|(?:W/)?"[^"]*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a caller says of a call beside what is asked.

    Parameters
    ----------
    caller
        Whose key it is: the same for all calls that this caller makes.
    key
        None where the call may be done each time.
    fingerprint
        The same for calls that ask for the same.
    etags
        As ``If-Match`` has them; None where the call may be done whatever there is.
    """

    caller: str
    key: str | None = None
    fingerprint: str = ""
    etags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered.

    Parameters
    ----------
    body
        JSON, with what is told in English.
    value
        What the body was made of; None where there was nothing, or it is answered once more.
    is_repeated
        Whether it is what was answered before.
    """

    status: int
    body: bytes
    value: object = None
    is_repeated: bool = False


def etag_of(body: bytes) -> str:
    """Return the ETag of what is read by :func:`~orchestra_nb.reading_language.reading_language`.

    Parameters
    ----------
    body
        With what is told in English: where that is the same, so is what it is translated to.
    """
    language = reading_language()
    told = b"" if language == ENGLISH else f"\0{language} {__version__}".encode()
    return f'"{hashlib.sha256(body + told).hexdigest()[:40]}"'


def conditions_of(
    endpoint: Endpoint[..., Any],
    path: str,
    query: Mapping[str, Sequence[str]],
    body: bytes,
    *,
    caller: str,
    key: str | None,
    match: str | None,
) -> Conditions:
    """Return the conditions of a call, from its headers.

    Raises
    ------
    InvalidInput
        A header cannot be used, or not with this call.
    """
    etags = None
    if match is not None and endpoint.method != "GET":
        if endpoint.method not in MATCHED_METHODS or "GET" not in endpoints_at(path):
            raise InvalidInput(f"{endpoint.method} {endpoint.path} takes no If-Match: no GET answers an ETag for it.")
        etags = tuple(_ETAG.findall(match))
        if not re.fullmatch(ETAGS, match):
            raise InvalidInput(
                f'If-Match={match[:60]!r} is no ETag. It is "…" with its quotes, as GET answers it, or *.'
            )
    if key is None or endpoint.method != "POST":
        return Conditions(caller=caller, etags=etags)
    if not endpoint.keeps_answer:
        raise InvalidInput(f"{endpoint.method} {endpoint.path} takes no Idempotency-Key: its answer is kept nowhere.")
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput(f"The Idempotency-Key {key[:60]!r} is not 1 to {_LONGEST_KEY} printable ASCII characters.")
    asked = encode_json([endpoint.method, path, sorted(given_parameters(query).items())])
    fingerprint = hashlib.sha256(asked + b"\0" + body).hexdigest()
    return Conditions(caller=caller, key=key, fingerprint=fingerprint)


def answer_call(
    endpoint: Endpoint[..., Any],
    call: Call,
    arguments: dict[str, Any],
    conditions: Conditions,
    *,
    fields: Sequence[str] = (),
    entry: AuditEntry | None = None,
) -> Answer:
    """Do what is asked, if the conditions hold, and return what is answered.

    Parameters
    ----------
    fields
        Answer those alone; all where there are none.
    entry
        What the audit trail says of it, once it is done; None for nothing. Where what is done may be one transaction,
        the entry is part of it.

    Raises
    ------
    InvalidInput
        The caller has used the key for another call.
    PreconditionFailed
        The thing is not as the caller knows it. Nothing was done.
    CallInProgress, CallInterrupted
        As :class:`~orchestra_nb.store.kept_answers.KeptAnswers` has them.
    NotYours
        As :func:`~orchestra_nb.rest.ownership.owned`.
    """
    if conditions.key is not None:
        return _answer_once(endpoint, call, arguments, conditions, conditions.key, entry)
    if conditions.etags is None and entry is None:
        return _answer(endpoint, call, arguments, fields)
    if endpoint.is_one_transaction:
        with call.store.database.together():
            _check_match(endpoint, call, arguments, conditions.etags)
            answer = _answer(endpoint, call, arguments, fields)
            _note(call, entry, answer.body)
        return answer

    def check() -> None:
        _check_match(endpoint, call, arguments, conditions.etags)

    # now, so that what takes its time is not done in vain; and with the write, since the thing may change meanwhile
    check()
    with call.store.database.beginning_with(check):
        answer = _answer(endpoint, call, arguments, fields)
    _note(call, entry, answer.body)
    return answer


def _answer_once(
    endpoint: Endpoint[..., Any],
    call: Call,
    arguments: dict[str, Any],
    conditions: Conditions,
    key: str,
    entry: AuditEntry | None,
) -> Answer:
    from orchestra_nb.store.kept_answers import KeptAnswer, KeptAnswers

    def do() -> KeptAnswer:
        body = _answer(endpoint, call, arguments).body
        return KeptAnswer(fingerprint=conditions.fingerprint, status=endpoint.status, body=body)

    def do_and_note() -> KeptAnswer:
        done = do()
        _note(call, entry, done.body)
        return done

    kept, named = KeptAnswers(call.store.database), (conditions.caller, key, conditions.fingerprint)
    if endpoint.is_one_transaction:
        found = kept.answer(*named, do_and_note, call.now)
    else:
        found = kept.answer_slowly(*named, do, lambda done: _note(call, entry, done.body), call.now)
    if found.fingerprint != conditions.fingerprint:
        raise InvalidInput(
            f"The Idempotency-Key {key!r} was used within a day for another call, or with another body. Use a new key "
            "for each thing that is to be done."
        )
    return Answer(status=found.status, body=found.body, is_repeated=found.is_repeated)


def _note(call: Call, entry: AuditEntry | None, body: bytes) -> None:
    if entry is not None:
        for one in entries_after(entry, body):
            note(call.store, one)


def _check_match(
    endpoint: Endpoint[..., Any], call: Call, arguments: dict[str, Any], etags: tuple[str, ...] | None
) -> None:
    if etags is None:
        return
    names = {name: arguments[name] for name in endpoint.path_parameters}
    reader = endpoints_at(endpoint.url_path(names))["GET"]
    # its parameters have the same places in the path, if not the same names
    values = dict(zip(reader.path_parameters, names.values(), strict=True))
    query = {} if reader.query_type is None else {"query": reader.query_type()}
    try:
        current = etag_of(_answer(reader, call, values | query).body)
    except NotFound as error:
        raise PreconditionFailed(f"There is nothing that If-Match could fit: {error}") from error
    if "*" not in etags and current not in etags:
        raise PreconditionFailed(
            f"This is not as it was when it was answered with the ETag {', '.join(etags)[:200]}. Read it again: it has "
            f"the ETag {current} now."
        )


def _answer(endpoint: Endpoint[..., Any], call: Call, arguments: dict[str, Any], fields: Sequence[str] = ()) -> Answer:
    with owned(endpoint, call, arguments):
        value: object = endpoint.function(call, **arguments)
    return Answer(status=endpoint.status, body=body_of(value, fields), value=value)


def body_of(answer: object, fields: Sequence[str] = ()) -> bytes:
    """Return an answer as JSON, with these fields alone; with all where there are none.

    Raises
    ------
    InvalidInput
        There is no such field.
    """
    if fields:
        from orchestra_nb.rest.field_choice import only_fields

        answer = only_fields(answer, fields)
    return encode_json(answer)
