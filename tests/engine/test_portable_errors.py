"""Exceptions of other processes look as if they had been raised here."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable

import pytest

from orchestra_nb.engine.portable_errors import pack_error


def _divide(pair: tuple[int, int]) -> float:
    return (
        pair[0]
        / pair[1]
    ) + 1  # fmt: skip


def _comprehension() -> list[float]:
    return [_divide((x, 0)) for x in (1, 2)]


def _chained() -> None:
    try:
        _comprehension()
    except ZeroDivisionError as error:
        raise KeyError("why") from error


def _in_context() -> None:
    try:
        _comprehension()
    except ZeroDivisionError:
        raise KeyError("why")  # noqa: B904  that is what is tried


def _hidden_context() -> None:
    try:
        _comprehension()
    except ZeroDivisionError:
        raise KeyError("why") from None


def _endless(n: int = 0) -> int:
    return _endless(n + 1)


def _group() -> None:
    raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])


@pytest.mark.parametrize(
    "raise_it", [_comprehension, _chained, _in_context, _hidden_context, _group], ids=lambda case: case.__name__
)
def test_a_rebuilt_exception_prints_as_the_original(raise_it: Callable[[], object]) -> None:
    with pytest.raises(Exception) as raised:
        raise_it()

    packed = pack_error(raised.value, pickle.dumps)

    assert packed is not None
    assert traceback.format_exception(pickle.loads(packed).rebuild()) == traceback.format_exception(raised.value)


def test_an_endless_recursion_is_cut_in_the_middle() -> None:
    with pytest.raises(RecursionError) as raised:
        _endless()

    packed = pack_error(raised.value, pickle.dumps)

    assert packed is not None
    error = pickle.loads(packed).rebuild()
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert (names[:2], names[-1], len(names)) == (
        ["test_an_endless_recursion_is_cut_in_the_middle", "_endless"],
        "_endless",
        200,
    )


def test_a_cause_that_cannot_be_sent_is_replaced_by_one_of_its_name() -> None:
    class Local(Exception):
        pass

    error = ValueError("outer")
    error.__cause__ = Local("inner")

    packed = pack_error(error, pickle.dumps)

    assert packed is not None
    cause = pickle.loads(packed).rebuild().__cause__
    assert (type(cause).__qualname__.rpartition(".")[2], str(cause)) == ("Local", "inner")
