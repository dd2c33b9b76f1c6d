"""``@materialize``: a task that makes assets. When it has completed, the store has that it made them, and from what."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from orchestra_nb.engine.asset_records import Asset, collecting_metadata, record_materialization
from orchestra_nb.engine.run_context import task_run_context
from orchestra_nb.engine.run_states import State
from orchestra_nb.engine.services import in_thread
from orchestra_nb.engine.task_settings import InvalidOption
from orchestra_nb.engine.tasks import Task
from orchestra_nb.model import assets as records
from orchestra_nb.model.assets import asset_of, keys_of

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class MaterializingTask(Task[Parameters, Result]):
    """A task that makes assets.

    Parameters
    ----------
    assets
        What it makes.
    by
        The tool that makes it, such as ``"dbt"``; None for the task itself.
    options
        Those of :class:`Task`.
    """

    def __init__(
        self,
        fn: Callable[Parameters, Result],
        *,
        assets: tuple[str | records.Asset, ...],
        by: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(fn, **options)
        if not assets:
            raise InvalidOption(f'Task {self.name!r}: @materialize names no asset. Write @materialize("s3://…").')
        if self.isgenerator:
            raise InvalidOption(f"Task {self.name!r} yields values, and @materialize takes functions that return one.")
        self._options = {**self._options, "assets": assets, "by": by}
        self.assets = [_public(asset) for asset in assets]
        self.materialized_by = by
        self.body = _MaterializingFunction(self.fn, tuple(self.assets), by)

    def asset_keys(self, lineage: tuple[str, ...]) -> tuple[str, ...]:
        """Return the keys of what it makes: whoever takes its result depends on these."""
        return keys_of(self.assets)


class _MaterializingFunction:
    """Calls a function, and records what it made when it has returned."""

    def __init__(self, function: Callable[..., Any], assets: tuple[Asset, ...], by: str | None) -> None:
        self.__wrapped__ = function
        self._assets = assets
        self._by = by

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(self.__wrapped__):
            return self._call_async(args, kwargs)
        with collecting_metadata(self._assets) as said:
            value = self.__wrapped__(*args, **kwargs)
        if _is_good(value):
            self._record(said)
        return value

    async def _call_async(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        with collecting_metadata(self._assets) as said:
            value = await self.__wrapped__(*args, **kwargs)
        if _is_good(value):
            await in_thread(self._record, said)
        return value

    def _record(self, said: Mapping[str, dict[str, object]]) -> None:
        context = task_run_context.get()
        lineage = context.asset_lineage if context is not None else ()
        for asset in self._assets:
            upstream = [key for key in lineage if key != asset.key]
            record_materialization(asset, upstream, said[asset.key], self._by)


def _is_good(value: object) -> bool:
    return not isinstance(value, State) or value.is_completed()


def _public(asset: str | records.Asset) -> Asset:
    plain = asset_of(asset)
    return plain if isinstance(plain, Asset) else Asset(plain.key, plain.properties)


def materialize(
    *assets: str | records.Asset, by: str | None = None, **options: Any
) -> Callable[[Callable[Parameters, Result]], MaterializingTask[Parameters, Result]]:
    """Make a task of a function that makes assets: ``@materialize("s3://bucket/table.csv", …)``.

    Parameters
    ----------
    by
        The tool that makes them, such as ``"dbt"``; None for the task itself.
    options
        Those of ``@task``. ``asset_deps`` names what they are made from beside the assets of their arguments.

    Examples
    --------
    >>> @materialize("s3://shop/clean.csv", asset_deps=["s3://shop/raw.csv"], retries=2)
    ... def clean():
    ...     return 3
    >>> clean.fn()
    3
    """
    wrong = next((asset for asset in assets if not isinstance(asset, str | records.Asset)), None)
    if wrong is not None:
        raise InvalidOption(f'@materialize stands with {wrong!r}. Name what is made: @materialize("s3://…").')
    return lambda function: MaterializingTask(function, assets=assets, by=by, **options)
