"""Futures: Prefect's module name."""

from orchestra_nb.engine.futures import FutureList as PrefectFutureList
from orchestra_nb.engine.futures import TaskFuture as PrefectFuture
from orchestra_nb.engine.futures import as_completed, resolve_futures_to_states, wait

__all__ = ["PrefectFuture", "PrefectFutureList", "as_completed", "resolve_futures_to_states", "wait"]
