"""The options of a task, checked once where it is decorated, in the form in which the engine uses them."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.retries import RetryPolicy

#: Retries are counted in the store, and a list of delays is made of them.
MAX_RETRIES = 10_000


class InvalidOption(InvalidInput):
    """An option of ``@task`` or ``@flow`` has a value that cannot be used."""


class ReservedParameter(InvalidOption):
    """A function's parameter has a name that calls of tasks and flows take for themselves."""


class OptionWarning(UserWarning):
    """An option of ``@task`` or ``@flow`` has no effect beside another one, or here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """What the engine has to know of a task beside its function."""

    name: str
    tags: frozenset[str] = frozenset()
    retry: RetryPolicy = RetryPolicy()
    timeout_seconds: float | None = None
    log_prints: bool | None = None
    priority: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    workers: tuple[str, ...] = ()
    #: keys of the assets that its runs depend on beside those of their arguments
    asset_deps: tuple[str, ...] = ()


def retry_policy(
    what: str,
    retries: int | None,
    delay: float | int | dt.timedelta | Iterable[float] | Callable[[int], list[float]] | None,
    jitter_factor: float | None,
    infrastructure_retries: int = 1,
) -> RetryPolicy:
    """Return the policy of ``retries``, its delays, and ``infrastructure_retries``.

    Raises
    ------
    InvalidOption
        One of them cannot be used; the message names ``what`` and the option.
    """
    count = retries or 0
    for option, number in (("retries", count), ("infrastructure_retries", infrastructure_retries)):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_RETRIES:
            raise InvalidOption(f"{what}: {option} is {number!r}. Write a whole number from 0 to {MAX_RETRIES}.")
    if jitter_factor is not None and not (isinstance(jitter_factor, int | float) and 0 <= jitter_factor < 1000):
        raise InvalidOption(f"{what}: retry_jitter_factor is {jitter_factor!r}. Write a number that is not negative.")
    delays = delay(count) if callable(delay) else delay
    try:
        seconds = _delays(delays)
    except (TypeError, ValueError):
        raise InvalidOption(
            f"{what}: retry_delay_seconds is {delay!r}. Write a number of seconds, a list of them, or a callable such "
            "as exponential_backoff(backoff_factor=2)."
        ) from None
    return RetryPolicy(
        retries=count,
        delays_seconds=seconds,
        jitter_factor=float(jitter_factor or 0.0),
        infrastructure_retries=infrastructure_retries,
    )


def _delays(delays: Any) -> tuple[float, ...]:
    if delays is None:
        return ()
    if isinstance(delays, dt.timedelta):
        return (delays.total_seconds(),)
    if isinstance(delays, bool | str):
        raise TypeError
    values = (delays,) if isinstance(delays, int | float) else tuple(delays)
    seconds = tuple(value.total_seconds() if isinstance(value, dt.timedelta) else float(value) for value in values)
    if any(not 0 <= value < float("inf") for value in seconds):
        raise ValueError
    return seconds


def timeout_of(what: str, timeout_seconds: float | int | dt.timedelta | None) -> float | None:
    """Return ``timeout_seconds`` as a number.

    Raises
    ------
    InvalidOption
        It is not a positive number.
    """
    if timeout_seconds is None:
        return None
    value = timeout_seconds.total_seconds() if isinstance(timeout_seconds, dt.timedelta) else timeout_seconds
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidOption(f"{what}: timeout_seconds is {timeout_seconds!r}. Write a positive number of seconds.")
    return float(value)


def check_parameters(what: str, signature: inspect.Signature) -> None:
    """Check the names of a function's parameters.

    Raises
    ------
    ReservedParameter
        A call could not say for whom it is.
    """
    for name in ("return_state", "wait_for"):
        if name in signature.parameters:
            raise ReservedParameter(f"{what} has a parameter {name}, which each call takes for itself. Rename it.")


def tags_of(what: str, tags: Iterable[str] | None) -> frozenset[str]:
    """Return ``tags`` as a set.

    Raises
    ------
    InvalidOption
        It is no collection of texts.
    """
    if tags is None:
        return frozenset()
    names = [] if isinstance(tags, str) else list(tags)
    if isinstance(tags, str) or any(not isinstance(name, str) for name in names):
        raise InvalidOption(f'{what}: tags is {tags!r}. Write a list of texts, such as tags=["nightly"].')
    return frozenset(names)


def run_name_option(
    what: str, option: str, template: str | Callable[..., str] | None
) -> str | Callable[..., str] | None:
    """Return what makes the names of runs.

    Raises
    ------
    InvalidOption
        It is neither a text nor a callable.
    """
    if template is not None and not isinstance(template, str) and not callable(template):
        raise InvalidOption(
            f"{what}: {option} is {template!r}. Write a template such as 'load-{{region}}', or a callable."
        )
    return template


def hooks_of(what: str, option: str, hooks: Iterable[Callable[..., Any]] | None) -> tuple[Callable[..., Any], ...]:
    """Return the functions given for a hook.

    Raises
    ------
    InvalidOption
        It is no list of callables.
    """
    if hooks is None:
        return ()
    found = (hooks,) if callable(hooks) else tuple(hooks)
    wrong = next((hook for hook in found if not callable(hook)), None)
    if wrong is not None:
        raise InvalidOption(f"{what}: {option} holds {wrong!r}, which cannot be called.")
    return found


def description_of(function: Callable[..., Any], description: str | None) -> str | None:
    """Return the description that was given, or the function's docstring."""
    if description is not None:
        return description
    # not inspect.getdoc: for a method it would look into the class, whose attribute is the task that is being made
    text = getattr(function, "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else None


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return a callable for ``retry_delay_seconds``: from ``backoff_factor`` seconds, each twice the one before."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * max(0, 2**number) for number in range(min(retries, 64))]

    return delays


def whole_number(what: str, option: str, value: object) -> int:
    """Check an option that is a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOption(f"{what}: {option} is {value!r}. Write a whole number.")
    return value


def resources_of(what: str, resources: Mapping[str, float] | None) -> dict[str, float]:
    """Check what a run takes of its worker."""
    if resources is None:
        return {}
    if not isinstance(resources, Mapping) or any(
        not isinstance(name, str) or isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0
        for name, amount in resources.items()
    ):
        raise InvalidOption(f'{what}: resources is {resources!r}. Write such as resources={{"GPU": 1}}.')
    return dict(resources)
