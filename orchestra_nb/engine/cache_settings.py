"""The options of a task about its results, checked when it is made: whether they are kept, where, under which key."""

from __future__ import annotations

import datetime as dt
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.task_settings import InvalidOption, OptionWarning
from orchestra_nb.errors import InvalidInput

if TYPE_CHECKING:
    from orchestra_nb.engine.cache_policies import CachePolicy
    from orchestra_nb.engine.task_cache import TaskCache


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """What ``@task`` says of its results.

    Parameters
    ----------
    policy
        None for the default one.
    persist_result
        None: as the other options ask.
    """

    policy: CachePolicy | None = None
    expires_after: dt.timedelta | None = None
    is_refreshed: bool = False
    persist_result: bool | None = None
    storage: str | None = None
    serializer: Any = None
    storage_key: str | None = None

    @classmethod
    def of(
        cls,
        what: str,
        *,
        cache_policy: Any,
        cache_key_fn: Callable[..., str | None] | None,
        cache_expiration: Any,
        refresh_cache: bool | None,
        persist_result: bool | None,
        result_storage: Any,
        result_serializer: Any,
        result_storage_key: str | None,
        parameter_names: Iterable[str],
    ) -> CacheSettings:
        """Return the options, checked.

        Raises
        ------
        InvalidOption
            One cannot be used; the message names it.
        """
        policy = _policy(what, cache_policy, cache_key_fn)
        if persist_result is False and (policy is not None and not _is_none(policy)):
            warnings.warn(
                f"{what}: with persist_result=False there is no cache: what is not kept cannot be found.",
                OptionWarning,
                stacklevel=4,
            )
        check_persist_result(what, persist_result)
        check_serializer(what, result_serializer)
        if result_storage is not None and not isinstance(result_storage, str | os.PathLike):
            raise InvalidOption(
                f"{what}: result_storage is {result_storage!r}. Write a folder or a URL, such as s3://bucket/results."
            )
        if result_storage_key is not None and not isinstance(result_storage_key, str):
            raise InvalidOption(f"{what}: result_storage_key is {result_storage_key!r}. Write a text.")
        if result_storage_key is not None:
            from orchestra_nb.engine.storage_keys import check_storage_key

            check_storage_key(what, result_storage_key, parameter_names)
        return cls(
            policy=policy,
            expires_after=_expiration(what, cache_expiration),
            is_refreshed=bool(refresh_cache),
            persist_result=persist_result,
            storage=result_storage_of(what, result_storage),
            serializer=result_serializer,
            storage_key=result_storage_key,
        )

    def is_on(self, flow_persists: bool) -> bool:
        """Tell whether results are kept, in a flow that says so or not."""
        if self.policy is not None and _is_none(self.policy):
            return self.persist_result is True
        if self.persist_result is not None:
            return self.persist_result
        asked = (self.policy, self.expires_after, self.storage, self.serializer, self.storage_key)
        return flow_persists or any(option is not None for option in asked)

    def make_cache(
        self,
        task_name: str,
        function: Callable[..., Any],
        task_key: str,
        storage: str | None = None,
        serializer: Any = None,
    ) -> TaskCache:
        """Return what travels with the task.

        Parameters
        ----------
        storage, serializer
            The flow's, for a task that has none of its own; None for the default ones.

        Raises
        ------
        ValueNotHashable
            The policy wants the task's code, and it uses what has no fingerprint; the message names it.
        """
        from orchestra_nb.engine.cache_policies import DEFAULT, StorageKey
        from orchestra_nb.engine.results import ResultStore, default_results_url
        from orchestra_nb.engine.task_cache import TaskCache
        from orchestra_nb.model.fingerprints import fingerprint

        url = self.storage or storage or default_results_url()
        store = ResultStore(url, _signing_key(), self.serializer or serializer or "auto")
        return TaskCache(
            policy=self.policy
            or (DEFAULT if self.storage_key is None else StorageKey(str(store.url), self.storage_key)),
            store=store,
            task_name=task_name,
            task_key=task_key,
            task_source=fingerprint(getattr(function, "__func__", function), name=task_name),
            expires_after=self.expires_after,
            is_refreshed=self.is_refreshed,
            storage_key=self.storage_key,
            keeps_all=self.persist_result is True,
        )


def result_storage_of(what: str, storage: Any) -> str | None:
    """Return ``result_storage`` as a text; None where it is not given.

    Raises
    ------
    InvalidOption
        It is no folder and no URL.
    """
    if storage is not None and not isinstance(storage, str | os.PathLike):
        raise InvalidOption(
            f"{what}: result_storage is {storage!r}. Write a folder or a URL, such as s3://bucket/results."
        )
    return None if storage is None else os.fspath(storage)


def warn_of_memory(what: str, cache_result_in_memory: bool) -> None:
    """Say that ``cache_result_in_memory=False`` changes nothing: where values are, the futures say."""
    if not cache_result_in_memory:
        warnings.warn(
            f"{what}: cache_result_in_memory=False has no effect here. The value of a submitted task stays where it "
            "was made until the last future of it is gone: let go of the future to free it.",
            OptionWarning,
            stacklevel=4,
        )


def check_persist_result(what: str, persist_result: Any) -> None:
    """Refuse what is neither True nor False nor None: a text such as "no" would count as True."""
    if persist_result is not None and not isinstance(persist_result, bool):
        raise InvalidOption(f"{what}: persist_result is {persist_result!r}. Write True or False.")


def check_serializer(what: str, serializer: Any) -> None:
    """Refuse what is no serializer, and what is the name of none."""
    if serializer is None or serializer in ("auto", "compressed/auto"):
        return
    from orchestra_nb.engine.result_serializers import serializer_of

    try:
        serializer_of(serializer)
    except InvalidInput as error:
        raise InvalidOption(f"{what}: result_serializer is {serializer!r}. {error}") from None


@lru_cache(maxsize=1)
def _signing_key() -> bytes:
    from orchestra_nb.engine.signing_key import load_signing_key

    return load_signing_key()


def _policy(what: str, policy: Any, key_function: Callable[..., str | None] | None) -> CachePolicy | None:
    if policy is None and key_function is None:
        return None
    from orchestra_nb.engine.cache_policies import CachePolicy

    if policy is not None and not isinstance(policy, CachePolicy):
        raise InvalidOption(
            f"{what}: cache_policy is {policy!r}. Write one of orchestra_nb.cache_policies, such as INPUTS."
        )
    if key_function is None:
        return policy
    if not callable(key_function):
        raise InvalidOption(f"{what}: cache_key_fn is {key_function!r}, which cannot be called.")
    if policy is not None:
        warnings.warn(
            f"{what}: both cache_policy and cache_key_fn say how the key is made: cache_key_fn is used.",
            OptionWarning,
            stacklevel=5,
        )
    return CachePolicy.from_cache_key_fn(key_function)


def _is_none(policy: CachePolicy) -> bool:
    from orchestra_nb.engine.cache_policies import NONE

    return policy == NONE


def _expiration(what: str, value: Any) -> dt.timedelta | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = dt.timedelta(seconds=value)
    if not isinstance(value, dt.timedelta) or value <= dt.timedelta(0):
        raise InvalidOption(f"{what}: cache_expiration is {value!r}. Write a positive timedelta, or seconds.")
    return value
