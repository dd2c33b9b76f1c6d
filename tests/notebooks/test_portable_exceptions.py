"""Exceptions whose classes do not provide for pickling arrive as themselves."""

from __future__ import annotations

import copyreg
import io
import pickle
import threading
import urllib.error
from email.message import Message
from typing import Any

import httpx
import pytest
from tblib import pickling_support

from orchestra_nb.notebooks.portable_exceptions import pickle_exception


class ApiError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Forgetful(Exception):
    """Loads again by itself, but as another error."""

    def __init__(self, code: int = 0, message: str = "") -> None:
        super().__init__(message)
        self.code = code


class Slotted(OSError):
    __slots__ = ("host",)

    def __init__(self, host: str, *, port: int) -> None:
        super().__init__(2, "no such host", host)
        self.host = host


class Choosy(ValueError):
    def __new__(cls, *, reason: str) -> Choosy:
        return super().__new__(cls, reason)

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class Grouped(ExceptionGroup[ValueError]):
    def __new__(cls, name: str) -> Grouped:
        return super().__new__(cls, name, [ValueError("a"), ValueError("b")])

    def __init__(self, name: str) -> None:
        self.name = name


REQUEST = httpx.Request("GET", "http://here/x")
CASES: dict[str, tuple[BaseException, dict[str, Any]]] = {
    "parameters of its own": (ApiError(404, "nf"), {"code": 404}),
    "defaults that hide a loss": (Forgetful(404, "nf"), {"code": 404}),
    "slots": (Slotted("there", port=1), {"host": "there", "errno": 2, "filename": "there"}),
    "a __new__ of its own": (Choosy(reason="so"), {}),
    "a group": (Grouped("two"), {"name": "two"}),
    "httpx": (
        httpx.HTTPStatusError("bad", request=REQUEST, response=httpx.Response(404, request=REQUEST)),
        {},
    ),
    "urllib": (urllib.error.HTTPError("http://here", 404, "nf", Message(), io.BytesIO(b"x")), {"code": 404}),
    "plain": (KeyError("x"), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_an_exception_arrives_as_itself(name: str) -> None:
    error, attributes = CASES[name]

    packed = pickle_exception(error, pickle.dumps, pickle.loads)

    assert packed is not None
    copy = pickle.loads(packed)
    assert (type(copy), str(copy)) == (type(error), str(error))
    assert {attribute: getattr(copy, attribute) for attribute in attributes} == attributes


def test_slots_travel_also_where_dask_has_registered_how_exceptions_are_pickled() -> None:
    pickling_support.install(Slotted)
    try:
        packed = pickle_exception(Slotted("there", port=1), pickle.dumps, pickle.loads)
    finally:
        copyreg.dispatch_table.pop(Slotted, None)

    assert packed is not None
    assert pickle.loads(packed).host == "there"


def test_what_an_exception_holds_and_cannot_be_sent_is_left_out_and_named() -> None:
    error = ApiError(404, "nf")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    error.args = ("nf", error.lock)  # type: ignore[attr-defined]

    packed = pickle_exception(error, pickle.dumps, pickle.loads)

    assert packed is not None
    copy = pickle.loads(packed)
    assert (copy.code, copy.lock, copy.args[0]) == (404, None, "nf")
    assert copy.args[1].startswith("<unlocked")
    assert copy.__notes__[0].startswith("(`lock`: None here")


def test_an_exception_whose_class_cannot_be_sent_is_not_packed() -> None:
    class Local(Exception):
        pass

    assert pickle_exception(Local(), pickle.dumps, pickle.loads) is None
