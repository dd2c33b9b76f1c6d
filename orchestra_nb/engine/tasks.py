"""``@task``: a function whose calls are tracked, retried, timed out, and sent to a cluster.

A direct call runs in the caller's process; ``.submit`` and ``.map`` send it to where the flow's task runner says and
return futures. Names, options and behaviour are those of Prefect 3.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from orchestra_nb.engine.asset_lineage import asset_keys_of, lineage_of
from orchestra_nb.engine.cache_settings import CacheSettings, warn_of_memory
from orchestra_nb.engine.call_body import SharedPart
from orchestra_nb.engine.direct_task import call_async, call_async_generator, call_generator, call_sync
from orchestra_nb.engine.driver_environment import environment_of_driver
from orchestra_nb.engine.driver_place import DriverPlace, ShippedCallee
from orchestra_nb.engine.flow_recording import current_recording
from orchestra_nb.engine.function_call import FunctionCallee, LazyParameters
from orchestra_nb.engine.function_pickling import import_place, pickle_function, place_of
from orchestra_nb.engine.futures import FutureList, TaskFuture
from orchestra_nb.engine.held_keys import held_keys
from orchestra_nb.engine.mapped_arguments import MappedArguments
from orchestra_nb.engine.retry_conditions import RetryTest
from orchestra_nb.engine.run_context import TaskFacts, TaskRunContext, current_tags, entered, task_run_context
from orchestra_nb.engine.run_names import make_run_name
from orchestra_nb.engine.run_scope import RunScope, enter_scope
from orchestra_nb.engine.run_states import State
from orchestra_nb.engine.task_codes import MAPPED, SUBMITTED, record_task_code
from orchestra_nb.engine.task_keys import task_key_of
from orchestra_nb.engine.task_settings import (
    InvalidOption,
    TaskSettings,
    check_parameters,
    description_of,
    hooks_of,
    resources_of,
    retry_policy,
    run_name_option,
    tags_of,
    timeout_of,
    whole_number,
)
from orchestra_nb.engine.task_submission import CallFamily, is_plain, make_submission
from orchestra_nb.engine.task_transactions import join_submitted
from orchestra_nb.engine.user_frames import HIDDEN_FRAMES, named_as
from orchestra_nb.notebooks.cell_files import note_cell

if TYPE_CHECKING:
    from orchestra_nb.engine.submissions import Submission
    from orchestra_nb.engine.task_cache import TaskCache
    from orchestra_nb.model.assets import Asset

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Task(Generic[Parameters, Result]):
    """A function under ``@task``.

    Parameters
    ----------
    fn
        The function: plain, ``async``, a generator, a method, a class or a static method.
    name
        None for the function's own.
    tags
        Added to those of the flow and of ``with tags(…)``.
    version
        For people, and for code that asks ``get_run_context().task.version``.
    task_run_name
        A template such as ``"load-{region}"``, or a callable without arguments or with the parameters.
    retries, retry_delay_seconds, retry_jitter_factor
        How often, after how long, and with how much chance in the delay a failed run is repeated.
    retry_condition_fn
        Called with (task, task run, state) where an attempt failed; whether to make another one.
    infrastructure_retries
        How often a run is started again whose worker died under it, beside the retries; 0 for never.
    cache_policy, cache_key_fn, cache_expiration, refresh_cache
        When a result that was kept is taken in place of a new run: how its key is made, how long it holds (a
        timedelta, or seconds), and whether to compute it anew all the same.
    persist_result, result_storage, result_serializer, result_storage_key
        Whether results are kept outside of the cluster (None: as the options of the cache ask), where, how they are
        written, and a template for the name, such as ``"{flow_run.name}/{parameters[region]}.json"``.
    cache_result_in_memory
        Taken for Prefect's scripts. False is warned of: a value stays where it was made until its last future is gone.
    timeout_seconds
        Of one attempt.
    log_prints
        Whether what it prints becomes log lines; None: as its flow says.
    on_running, on_completion, on_failure
        Hooks, called with (task, task run, state).
    on_commit, on_rollback
        Hooks, called with the transaction: when it is committed, and when it is rolled back after this had completed.
    resources, priority, workers
        For the cluster: what a run takes of its worker (``{"GPU": 1}``), which runs start first, which workers may run
        it.
    asset_deps
        Keys of the assets that it depends on: what is made from its result was made from these.
    viz_return_value
        What stands for its result while ``flow.visualize()`` follows a flow that calls it.
    """

    def __init__(
        self,
        fn: Callable[Parameters, Result],
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
        task_run_name: str | Callable[..., str] | None = None,
        retries: int | None = None,
        retry_delay_seconds: Any = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[..., bool] | None = None,
        infrastructure_retries: int = 1,
        cache_policy: Any = None,
        cache_key_fn: Callable[..., str | None] | None = None,
        cache_expiration: Any = None,
        refresh_cache: bool | None = None,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        result_storage_key: str | None = None,
        cache_result_in_memory: bool = True,
        timeout_seconds: float | None = None,
        log_prints: bool | None = None,
        on_running: Iterable[Callable[..., Any]] | None = None,
        on_completion: Iterable[Callable[..., Any]] | None = None,
        on_failure: Iterable[Callable[..., Any]] | None = None,
        on_commit: Iterable[Callable[..., Any]] | None = None,
        on_rollback: Iterable[Callable[..., Any]] | None = None,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        workers: str | Iterable[str] | None = None,
        asset_deps: Iterable[str | Asset] | None = None,
        viz_return_value: Any = None,
    ) -> None:
        self._options = {key: value for key, value in locals().items() if key not in ("self", "fn", "__class__")}
        self._wrapped = fn
        note_cell()  # if it is defined in one
        self.fn: Callable[Parameters, Result] = fn.__func__ if isinstance(fn, classmethod | staticmethod) else fn
        if not callable(self.fn):
            raise InvalidOption(f"@task stands on {fn!r}, which is no function. Write it above a def.")
        self.name = name if name is not None else getattr(self.fn, "__name__", type(self.fn).__name__)
        what = f"Task {self.name!r}"
        if not isinstance(self.name, str) or not self.name:
            raise InvalidOption(f"{what}: name is {name!r}. Write a text.")
        self.description = description_of(self.fn, description)
        self.version = version
        self.task_key = task_key_of(self.fn, self.name)
        #: what the code of its runs may ask of it
        self.facts = TaskFacts(name=self.name, fn=self.fn, task_key=self.task_key, version=version)
        self.tags = tags_of(what, tags)
        self.task_run_name = run_name_option(what, "task_run_name", task_run_name)
        self.retries = retries or 0
        self.log_prints = log_prints
        self.on_running_hooks = list(hooks_of(what, "on_running", on_running))
        self.on_completion_hooks = list(hooks_of(what, "on_completion", on_completion))
        self.on_failure_hooks = list(hooks_of(what, "on_failure", on_failure))
        self.on_commit_hooks = list(hooks_of(what, "on_commit", on_commit))
        self.on_rollback_hooks = list(hooks_of(what, "on_rollback", on_rollback))
        self.signature = inspect.signature(self.fn)
        check_parameters(what, self.signature)
        if retry_condition_fn is not None and not callable(retry_condition_fn):
            raise InvalidOption(f"{what}: retry_condition_fn is {retry_condition_fn!r}, which cannot be called.")
        self.retry_condition_fn = retry_condition_fn
        self.viz_return_value = viz_return_value
        warn_of_memory(what, cache_result_in_memory)
        self.caching = CacheSettings.of(
            what,
            cache_policy=cache_policy,
            cache_key_fn=cache_key_fn,
            cache_expiration=cache_expiration,
            refresh_cache=refresh_cache,
            persist_result=persist_result,
            result_storage=result_storage,
            result_serializer=result_serializer,
            result_storage_key=result_storage_key,
            parameter_names=self.signature.parameters,
        )
        self.settings = TaskSettings(
            name=self.name,
            tags=self.tags,
            retry=retry_policy(what, retries, retry_delay_seconds, retry_jitter_factor, infrastructure_retries),
            timeout_seconds=timeout_of(what, timeout_seconds),
            log_prints=log_prints,
            priority=whole_number(what, "priority", priority),
            resources=resources_of(what, resources),
            workers=(workers,) if isinstance(workers, str) else tuple(workers or ()),
            asset_deps=asset_keys_of(what, "asset_deps", asset_deps),
        )
        is_async_generator = inspect.isasyncgenfunction(self.fn)
        self.isasync = inspect.iscoroutinefunction(self.fn) or is_async_generator
        self.isgenerator = inspect.isgeneratorfunction(self.fn) or is_async_generator
        #: what is run: the function, with what a kind of task does beside it
        self.body: Callable[..., Any] = self.fn
        functools.update_wrapper(self, self.fn)

    # --- calling

    @overload
    def __call__(self: Task[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result: ...

    @overload
    def __call__(self, *args: Any, return_state: bool, wait_for: Any = None, **kwargs: Any) -> State[Any]: ...

    @overload
    def __call__(self, *args: Any, wait_for: Any, **kwargs: Any) -> Any: ...

    def __call__(  # type: ignore[misc]  # a function's own parameters of these names cannot be told apart
        self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any
    ) -> Any:
        """Run the task here, and return what the function returns (a coroutine, if it is async).

        Parameters
        ----------
        return_state
            Return the final state instead, and raise nothing; a generator is then read to its end.
        wait_for
            Futures that must have ended before.
        """
        with HIDDEN_FRAMES:
            self._check(args, kwargs)
        if (recording := current_recording()) is not None:
            return recording.call(self, args, kwargs, wait_for, return_state)
        if self.isasync and self.isgenerator and not return_state:
            return named_as(call_async_generator(self, args, kwargs, wait_for), self.fn)
        if self.isasync:
            return named_as(call_async(self, args, kwargs, return_state, wait_for), self.fn)
        if self.isgenerator and not return_state:
            return named_as(call_generator(self, args, kwargs, wait_for), self.fn)
        with HIDDEN_FRAMES:
            return call_sync(self, args, kwargs, return_state, wait_for)

    def submit(
        self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any
    ) -> TaskFuture[Result] | Any:
        """Send a call to where the flow's task runner says, and return its future at once.

        Raises
        ------
        TypeError
            The arguments do not fit the function.
        ValueNotPortable
            One of them cannot be sent to a worker; nothing was submitted.
        """
        with HIDDEN_FRAMES:
            self._check(args, kwargs)
        if (recording := current_recording()) is not None:
            return recording.submit(self, args, kwargs, wait_for, return_state)
        with HIDDEN_FRAMES, enter_scope(self.name) as entered_scope:
            scope = self.place(entered_scope)
            record_task_code(scope, self, SUBMITTED, args, kwargs)
            submission, lineage = self._submission(scope, self.family(scope), args, kwargs, wait_for)
            future: TaskFuture[Result] = self._submit(scope, submission, lineage)
            scope.keep_until_ended([future])
        if return_state:
            future.wait()
            return future.state
        return future

    def delay(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> TaskFuture[Result]:
        """Do what :meth:`submit` does, with nothing but the function's own arguments."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self, args: tuple[Any, ...] | None = None, kwargs: Mapping[str, Any] | None = None, wait_for: Any = None
    ) -> TaskFuture[Result]:
        """Do what :meth:`submit` does, with the arguments as a tuple and a mapping."""
        future: TaskFuture[Result] = self.submit(*(args or ()), wait_for=wait_for, **(kwargs or {}))
        return future

    def map(
        self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any
    ) -> FutureList[Result] | Any:
        """Submit one call for each item of the arguments that can be iterated, and return the futures in their order.

        Text, bytes, files and what is wrapped in ``unmapped`` or ``quote`` are passed whole to each call; of a mapping
        the keys are mapped over. A future is waited for, and its value mapped over.

        Raises
        ------
        MappingError
            Nothing can be iterated, or the lengths differ.
        ValueNotPortable
            One of the items cannot be sent to a worker; nothing was submitted.
        """
        if (recording := current_recording()) is not None:
            return recording.map(self, args, kwargs, wait_for, return_state)
        with HIDDEN_FRAMES:
            self._check(args, kwargs)
            calls = MappedArguments(self.name, self.signature, self.signature.bind(*args, **kwargs).arguments)
        with HIDDEN_FRAMES, enter_scope(self.name) as entered_scope:
            scope = self.place(entered_scope)
            record_task_code(scope, self, MAPPED, args, kwargs)
            family = self.family(scope)
            submissions: Iterable[tuple[Submission, tuple[str, ...]]] = (
                self._submission(scope, family, call_args, call_kwargs, wait_for, calls.taken)
                for call_args, call_kwargs in calls
            )
            if self.task_run_name is not None or not calls.are_all(is_plain):
                submissions = list(submissions)  # one of them may be refused: before anything is queued
            futures: FutureList[Result] = FutureList()
            try:
                for submission, lineage in submissions:
                    futures.append(self._submit(scope, submission, lineage))
                    scope.keep_pace(len(futures))
            finally:
                if futures or not len(calls):
                    scope.keep_until_ended(futures)
        if return_state:
            futures.wait()
            return [future.state for future in futures]
        return futures

    # --- variants

    def with_options(self, **options: Any) -> Task[Parameters, Result]:
        """Return a task of the same function with some options changed; it keeps the hooks that are not given anew.

        Raises
        ------
        InvalidOption
            There is no such option.
        """
        unknown = set(options) - set(self._options)
        if unknown:
            known = ", ".join(sorted(self._options))
            raise InvalidOption(f"@task has no option {sorted(unknown)[0]!r}. The options are: {known}.")
        other = type(self)(self._wrapped, **{**self._options, **options})
        for option in ("on_running", "on_completion", "on_failure", "on_commit", "on_rollback"):
            if options.get(option) is None:  # also those that were added by decorator
                setattr(other, f"{option}_hooks", list(getattr(self, f"{option}_hooks")))
        return other

    def on_running(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_running_hooks.append(hook)
        return hook

    def on_completion(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_completion_hooks.append(hook)
        return hook

    def on_failure(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_failure_hooks.append(hook)
        return hook

    def on_commit(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_commit_hooks.append(hook)
        return hook

    def on_rollback(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_rollback_hooks.append(hook)
        return hook

    def __get__(self, instance: object, owner: type | None = None) -> Task[Any, Any]:
        """Return the task of a method, bound to its object, or to its class."""
        if isinstance(self._wrapped, staticmethod):
            return self
        if isinstance(self._wrapped, classmethod):
            return self._bound_to(owner if owner is not None else type(instance))
        return self if instance is None else self._bound_to(instance)

    def _bound_to(self, target: object) -> Task[Any, Any]:
        bound = type(self)(MethodType(self.fn, target), **{**self._options, "name": self.name})
        bound.on_running_hooks = self.on_running_hooks
        bound.on_completion_hooks = self.on_completion_hooks
        bound.on_failure_hooks = self.on_failure_hooks
        bound.on_commit_hooks = self.on_commit_hooks
        bound.on_rollback_hooks = self.on_rollback_hooks
        return bound

    def __reduce_ex__(self, protocol: Any) -> Any:
        place = place_of(self, self.fn)
        return super().__reduce_ex__(protocol) if place is None else (import_place, place)

    def __orchestra_fingerprint__(self) -> object:
        """Return what it is made of, which counts also where it is pickled by the place that it is imported from."""
        hooks = (
            self.on_running_hooks,
            self.on_completion_hooks,
            self.on_failure_hooks,
            self.on_commit_hooks,
            self.on_rollback_hooks,
        )
        return type(self), self._wrapped, self._options, hooks

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    # --- what a call is made of

    def place(self, scope: RunScope) -> RunScope:
        """Return the scope of a submitted call, for kinds of tasks that run at a place of their own."""
        return scope

    def family(self, scope: RunScope) -> CallFamily:
        """Return what all calls of this task in one run share."""
        task_runner = scope.task_runner
        callee = FunctionCallee(
            function=self.body,
            task=self.facts,
            flow=scope.flow if task_runner.is_in_process else scope.portable_flow,
            log_prints=scope.log_prints if self.log_prints is None else self.log_prints,
            retry_condition=self.retry_condition(),
            is_packed=not task_runner.is_in_process,
            cache=self.cache(scope),
            held_keys=dict(held_keys.get()),
        )
        if task_runner.is_in_process:
            return CallFamily(self, callee, None)
        place = DriverPlace.here(is_shared=scope.is_on_this_machine)
        key = self._family_key(scope, callee, place)
        context = scope.flow_context
        environment = environment_of_driver()
        if context is not None and key is not None and (known := context.families.get(key)) is not None:
            if known.environment is not environment:
                known = context.families[key] = replace(known, environment=environment)
            return known
        data = pickle.dumps(ShippedCallee(place, self.name, pickle_function(callee, self.name)), protocol=5)
        shared = SharedPart(hashlib.blake2b(data, digest_size=16).hexdigest(), data)
        family = CallFamily(self, callee, shared, environment)
        if context is not None and key is not None:
            context.families[key] = family
        return family

    def _family_key(self, scope: RunScope, callee: FunctionCallee, place: DriverPlace) -> object:
        """Return all that the pickled callee depends on within a run; None where the code itself is in it.

        What a function of a notebook or a script uses may be another thing at each call, and so may the fingerprint of
        a cached one. A worker imports the others by their names.
        """
        if callee.cache is not None or self.body is not self.fn or place_of(self, self.fn) is None:
            return None
        return self, self.name, self.retry_condition_fn, callee.log_prints, callee.flow.run_count, place

    def cache(self, scope: RunScope) -> TaskCache | None:
        """Return where the results of this task are kept; None when they are not."""
        if not self.caching.is_on(scope.persist_result):
            return None
        return self.caching.make_cache(self.name, self.fn, self.task_key, scope.result_storage, scope.result_serializer)

    def tags_now(self, scope: RunScope) -> frozenset[str]:
        """Return the tags of a run that is called now."""
        return self.tags | scope.tags | current_tags()

    def run_name(self, scope: RunScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Return the name of a run that is called now."""
        number = scope.number_of(self.name)
        if self.task_run_name is None:
            return f"{self.name}-{number}"
        context = TaskRunContext(
            task=self.facts,
            task_run_id="",
            name="",
            flow=scope.flow,
            run_count=0,
            tags=self.tags_now(scope),
            parameters=LazyParameters(self.fn, args, kwargs),
            started_at=datetime.now(UTC),
        )
        # a callable may ask runtime.task_run for the parameters
        with entered(task_run_context, context):
            return make_run_name(f"Task {self.name!r}", self.task_run_name, self.signature, args, kwargs)

    @property
    def recorded_name(self) -> str | None:
        """Its name as the records of its runs have it: where their own names do not say it."""
        return None if self.task_run_name is None else self.name

    def asset_lineage(self, scope: RunScope, *arguments: Any) -> tuple[str, ...]:
        """Return the keys of the assets that a run with these arguments depends on."""
        made = scope.flow_context.made_assets if scope.flow_context is not None else None
        return lineage_of(self.settings.asset_deps, arguments, made)

    def asset_keys(self, lineage: tuple[str, ...]) -> tuple[str, ...]:
        """Return the keys of the assets that whoever takes the result of a run with this lineage depends on."""
        return lineage

    def _submission(
        self,
        scope: RunScope,
        family: CallFamily,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Any,
        taken: Collection[str] = (),
    ) -> tuple[Submission, tuple[str, ...]]:
        """Return what to submit, and the assets that it depends on.

        Parameters
        ----------
        taken
            The ids of task runs whose values it takes although their futures are not in its arguments.
        """
        lineage = self.asset_lineage(scope, args, kwargs, wait_for)
        name = self.run_name(scope, args, kwargs)
        submission = make_submission(
            self.settings,
            family,
            scope.flow_runner,
            scope.run_id,
            name,
            self.tags_now(scope),
            args,
            kwargs,
            wait_for,
            lineage,
            taken,
            partial(scope.kept_since, self, name),
            self.recorded_name,
            scope.keeps_result(self),
        )
        return submission, lineage

    def _submit(self, scope: RunScope, submission: Submission, lineage: tuple[str, ...]) -> TaskFuture[Any]:
        task_run_id = submission.task_run.task_run_id
        if self.on_running_hooks:
            scope.call_running_hooks(self, task_run_id, scope.flow_runner)
        scope.flow_runner.submit(submission)
        join_submitted(self, scope.driver, scope.flow_runner, task_run_id)
        future: TaskFuture[Any] = TaskFuture(scope.flow_runner, task_run_id, self.asset_keys(lineage))
        if self.on_completion_hooks or self.on_failure_hooks:
            scope.call_end_hooks(self, future)
        return future

    def retry_condition(self) -> RetryTest | None:
        """Return what asks the user's ``retry_condition_fn``; None where there is none."""
        return None if self.retry_condition_fn is None else RetryTest(self)

    def _check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"Task {self.name}{self.signature}: {error}") from None


@overload
def task(fn: Callable[Parameters, Result], /) -> Task[Parameters, Result]: ...


@overload
def task(fn: None = None, /, **options: Any) -> Callable[[Callable[Parameters, Result]], Task[Parameters, Result]]: ...


def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function: ``@task`` or ``@task(retries=3, …)``. The options are those of :class:`Task`.

    Examples
    --------
    >>> from orchestra_nb import task
    >>> @task(retries=2, retry_delay_seconds=1)
    ... def double(x):
    ...     return 2 * x
    >>> double.fn(4)
    8
    """
    known = set(inspect.signature(Task.__init__).parameters) - {"self", "fn"}
    unknown = sorted(set(options) - known)
    if unknown:
        import difflib

        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]}?" if close else f" The options are: {', '.join(sorted(known))}."
        raise InvalidOption(f"@task has no option {unknown[0]!r}.{hint}")
    if fn is None:
        return lambda function: Task(function, **options)
    return Task(fn, **options)
