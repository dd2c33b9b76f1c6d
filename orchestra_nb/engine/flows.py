"""``@flow``: a function whose tasks and subflows are one run.

The body runs in the caller's thread; submitted tasks go to where the flow's task runner says. Names, options and
behaviour are those of Prefect 3.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, overload

from orchestra_nb.engine.cache_settings import check_persist_result, result_storage_of, warn_of_memory
from orchestra_nb.engine.deployers import deploy_flow
from orchestra_nb.engine.direct_flow import call_async, call_async_generator, call_generator, call_sync
from orchestra_nb.engine.flow_graph import show_graph
from orchestra_nb.engine.flow_recording import current_recording, record_graph
from orchestra_nb.engine.function_pickling import import_place, place_of
from orchestra_nb.engine.run_states import State, state_of
from orchestra_nb.engine.task_runners import TaskRunner
from orchestra_nb.engine.task_settings import (
    InvalidOption,
    check_parameters,
    description_of,
    hooks_of,
    retry_policy,
    run_name_option,
    tags_of,
    timeout_of,
)
from orchestra_nb.engine.user_frames import HIDDEN_FRAMES, named_as
from orchestra_nb.errors import InvalidParameters, OrchestraError
from orchestra_nb.model import states as model
from orchestra_nb.notebooks.cell_files import note_cell

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Flow(Generic[Parameters, Result]):
    """A function under ``@flow``.

    Parameters
    ----------
    fn
        The function: plain, ``async``, a generator, a method, a class or a static method.
    name
        None for the function's own, with hyphens.
    version, description
        For people; ``runtime.flow_run.flow_version`` is the version.
    flow_run_name
        A template such as ``"report-{region}"``, or a callable without arguments or with the parameters; None for a
        memorable name.
    retries, retry_delay_seconds, retry_jitter_factor
        How often, after how long, and with how much chance in the delay the whole body is repeated.
    task_runner
        Where submitted tasks run; None: as the flow around it, else as the setting ``task_runner`` says.
    timeout_seconds
        Of one attempt of the body.
    validate_parameters
        Whether pydantic checks and converts the parameters by their annotations.
    persist_result, result_storage, result_serializer
        Whether the results of its tasks are kept outside of the cluster (None: if one of the others is given), where,
        and how they are written, for tasks that do not say so themselves.
    cache_result_in_memory
        Taken for Prefect's scripts. False is warned of: a value stays where it was made until its last future is gone.
    log_prints
        Whether what the body and its tasks print becomes log lines; None: as the flow around it.
    on_running, on_completion, on_failure, on_cancellation, on_crashed
        Hooks, called with (flow, flow run, state).
    viz_return_value
        What stands for its result while :meth:`visualize` follows a flow that calls it.
    """

    def __init__(
        self,
        fn: Callable[Parameters, Result],
        *,
        name: str | None = None,
        version: str | None = None,
        flow_run_name: str | Callable[..., str] | None = None,
        retries: int | None = None,
        retry_delay_seconds: Any = None,
        retry_jitter_factor: float | None = None,
        task_runner: TaskRunner | type[TaskRunner] | None = None,
        description: str | None = None,
        timeout_seconds: float | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        log_prints: bool | None = None,
        tags: Iterable[str] | None = None,
        on_running: Iterable[Callable[..., Any]] | None = None,
        on_completion: Iterable[Callable[..., Any]] | None = None,
        on_failure: Iterable[Callable[..., Any]] | None = None,
        on_cancellation: Iterable[Callable[..., Any]] | None = None,
        on_crashed: Iterable[Callable[..., Any]] | None = None,
        viz_return_value: Any = None,
    ) -> None:
        self._options = {key: value for key, value in locals().items() if key not in ("self", "fn", "__class__")}
        self._wrapped = fn
        note_cell()  # if it is defined in one
        self.fn: Callable[Parameters, Result] = fn.__func__ if isinstance(fn, classmethod | staticmethod) else fn
        if not callable(self.fn):
            raise InvalidOption(f"@flow stands on {fn!r}, which is no function. Write it above a def.")
        self.name = name if name is not None else getattr(self.fn, "__name__", "flow").replace("_", "-")
        what = f"Flow {self.name!r}"
        if not isinstance(self.name, str) or not self.name:
            raise InvalidOption(f"{what}: name is {name!r}. Write a text.")
        self.version = version
        self.description = description_of(self.fn, description)
        self.flow_run_name = run_name_option(what, "flow_run_name", flow_run_name)
        self.retries = retries or 0
        self.retry = retry_policy(what, retries, retry_delay_seconds, retry_jitter_factor)
        self.timeout_seconds = timeout_of(what, timeout_seconds)
        self.tags = tags_of(what, tags)
        self.task_runner = task_runner() if isinstance(task_runner, type) else task_runner
        if self.task_runner is not None and not isinstance(self.task_runner, TaskRunner):
            raise InvalidOption(
                f"{what}: task_runner is {task_runner!r}. Write DaskTaskRunner() or ThreadPoolTaskRunner()."
            )
        self.should_validate_parameters = validate_parameters
        self.viz_return_value = viz_return_value
        check_persist_result(what, persist_result)
        self.result_storage = result_storage_of(what, result_storage)
        self.result_serializer = result_serializer
        if persist_result is None and (result_storage is not None or result_serializer is not None):
            persist_result = True
        self.persist_result = persist_result
        warn_of_memory(what, cache_result_in_memory)
        self.log_prints = log_prints
        self.on_running_hooks = list(hooks_of(what, "on_running", on_running))
        self.on_completion_hooks = list(hooks_of(what, "on_completion", on_completion))
        self.on_failure_hooks = list(hooks_of(what, "on_failure", on_failure))
        self.on_cancellation_hooks = list(hooks_of(what, "on_cancellation", on_cancellation))
        self.on_crashed_hooks = list(hooks_of(what, "on_crashed", on_crashed))
        is_async_generator = inspect.isasyncgenfunction(self.fn)
        self.isasync = inspect.iscoroutinefunction(self.fn) or is_async_generator
        self.isgenerator = inspect.isgeneratorfunction(self.fn) or is_async_generator
        self.signature = inspect.signature(self.fn)
        check_parameters(what, self.signature)
        functools.update_wrapper(self, self.fn)

    @overload
    def __call__(self: Flow[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result: ...

    @overload
    def __call__(self, *args: Any, return_state: bool, **kwargs: Any) -> State[Any]: ...

    def __call__(  # type: ignore[misc]  # a function's own parameters of these names cannot be told apart
        self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any
    ) -> Any:
        """Run the flow here, and return what the function returns (a coroutine, if it is async).

        Parameters
        ----------
        return_state
            Return the final state instead, and raise nothing but Ctrl-C; a generator is then read to its end.
        wait_for
            Futures that must have ended before.
        """
        bound = self._bind(args, kwargs)
        if (recording := current_recording()) is not None:
            return recording.call(self, args, kwargs, wait_for, return_state, kind="flow")
        if self.isgenerator and not return_state:
            return named_as((call_async_generator if self.isasync else call_generator)(self, bound, wait_for), self.fn)
        if self.isasync:
            return named_as(call_async(self, bound, return_state, wait_for), self.fn)
        with HIDDEN_FRAMES:
            try:
                return call_sync(self, bound, return_state, wait_for)
            except InvalidParameters as error:
                if return_state:
                    return state_of(model.State.FAILED, str(error), error)
                raise

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidFlowCall(f"Flow {self.name}{self.signature}: {error}") from None
        bound.apply_defaults()
        return bound

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters as pydantic makes them by the annotations; as they are where there are none.

        Raises
        ------
        InvalidParameters
            A value does not fit; the message names the parameter.
        """
        if not self.should_validate_parameters or not _needs_validation(self.fn, self.signature):
            return dict(parameters)
        from orchestra_nb.engine.parameter_validation import validate

        return validate(self.fn, self.name, self.signature, parameters)

    def visualize(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        """Show the graph of the tasks that a call with these arguments makes: in a notebook, else as text.

        The flow's own body runs; its tasks and subflows do not, and what stands for their values is passed along.

        Raises
        ------
        FlowVisualizationError
            The body needs the value of a task: write ``viz_return_value`` there.
        """
        self._bind(args, kwargs)  # refuses what does not fit in words that name the flow
        show_graph(record_graph(self, args, kwargs))

    def serve(self, *args: object, **options: object) -> NoReturn:
        """Refuse: what starts runs is a process of its own.

        Raises
        ------
        DeploymentsNotHere
            Always; the message says what to do.
        """
        raise DeploymentsNotHere(f"Flow {self.name}.serve()")

    def deploy(self, name: str | None = None, **options: Any) -> Any:
        """Have this flow run by itself, and return the deployment; where it says the same already nothing changes.

        Another process must be able to import the flow: it stands at the top level of a module or a script. Its runs
        are started by ``orchestra serve``.

        Parameters
        ----------
        name
            None for the flow's own.
        options
            Of one schedule: ``cron``, ``every`` (or ``interval``) or ``rrule``, with ``timezone``, ``start``, ``end``,
            ``exclude``, ``days_off``, ``jitter``, ``catchup``, ``max_late``. Of several: ``schedules``, a list of those
            of :mod:`orchestra_nb.schedules`, or of mappings. Of all runs: ``parameters``, ``tags``, ``cluster``,
            ``cwd``, ``pool`` (or ``work_pool_name``), ``priority``, ``concurrency`` (or ``concurrency_limit``),
            ``on_conflict``, ``retries``, ``retry_delay_seconds``, ``retry_jitter_factor``, ``timeout_seconds``. Of the
            deployment: ``description``, ``paused``, ``note``.

        Raises
        ------
        CodeNotFound
            No other process can import it.
        InvalidInput
            An option cannot be used, or a parameter does not fit.
        """
        return deploy_flow(self, {"name": name, **options})

    @classmethod
    def from_source(cls, *args: object, **options: object) -> NoReturn:
        """Refuse as :meth:`serve` does."""
        raise DeploymentsNotHere("Flow.from_source()")

    def with_options(self, **options: Any) -> Flow[Parameters, Result]:
        """Return a flow of the same function with some options changed; it keeps the hooks that are not given anew.

        Raises
        ------
        InvalidOption
            There is no such option.
        """
        unknown = set(options) - set(self._options)
        if unknown:
            known = ", ".join(sorted(self._options))
            raise InvalidOption(f"@flow has no option {sorted(unknown)[0]!r}. The options are: {known}.")
        other = type(self)(self._wrapped, **{**self._options, **options})
        for option in ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed"):
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

    def on_cancellation(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_cancellation_hooks.append(hook)
        return hook

    def on_crashed(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Add a hook: a decorator."""
        self.on_crashed_hooks.append(hook)
        return hook

    def __get__(self, instance: object, owner: type | None = None) -> Flow[Any, Any]:
        """Return the flow of a method, bound to its object, or to its class."""
        if isinstance(self._wrapped, staticmethod) or (instance is None and not isinstance(self._wrapped, classmethod)):
            return self
        target = (owner or type(instance)) if isinstance(self._wrapped, classmethod) else instance
        from types import MethodType

        bound = type(self)(MethodType(self.fn, target), **{**self._options, "name": self.name})
        for hooks in ("running", "completion", "failure", "cancellation", "crashed"):
            setattr(bound, f"on_{hooks}_hooks", getattr(self, f"on_{hooks}_hooks"))
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
            self.on_cancellation_hooks,
            self.on_crashed_hooks,
        )
        return type(self), self._wrapped, self._options, hooks

    def __repr__(self) -> str:
        return f"<flow {self.name}>"


class DeploymentsNotHere(OrchestraError, NotImplementedError):
    """A way to deploy was asked for that there is not."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is not here. Write flow.deploy(name=…, cron=…) once for each flow, and run `orchestra serve`: it "
            "starts the runs of all deployments. Code from elsewhere is imported as any module."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _deployments_not_here, (str(self),)


def _deployments_not_here(message: str) -> DeploymentsNotHere:
    error = DeploymentsNotHere.__new__(DeploymentsNotHere)
    error.args = (message,)
    return error


def serve(*flows: object, **options: object) -> NoReturn:
    """Refuse as :meth:`Flow.serve` does."""
    raise DeploymentsNotHere("serve()")


def deploy(*flows: object, **options: object) -> NoReturn:
    """Refuse as :meth:`Flow.serve` does."""
    raise DeploymentsNotHere("deploy()")


class InvalidFlowCall(InvalidParameters, TypeError):
    """The arguments of a call do not fit the flow's function."""


@overload
def flow(fn: Callable[Parameters, Result], /) -> Flow[Parameters, Result]: ...


@overload
def flow(fn: None = None, /, **options: Any) -> Callable[[Callable[Parameters, Result]], Flow[Parameters, Result]]: ...


def flow(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a flow of a function: ``@flow`` or ``@flow(name="report", …)``. The options are those of :class:`Flow`.

    Examples
    --------
    >>> from orchestra_nb import flow
    >>> @flow(retries=1)
    ... def report(region: str = "EU"):
    ...     return f"report of {region}"
    >>> report.fn("US")
    'report of US'
    """
    known = set(inspect.signature(Flow.__init__).parameters) - {"self", "fn"}
    unknown = sorted(set(options) - known)
    if unknown:
        import difflib

        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]}?" if close else f" The options are: {', '.join(sorted(known))}."
        raise InvalidOption(f"@flow has no option {unknown[0]!r}.{hint}")
    if fn is None:
        return lambda function: Flow(function, **options)
    return Flow(fn, **options)


def _needs_validation(function: Callable[..., Any], signature: inspect.Signature) -> bool:
    """Tell whether an annotation says more than "anything": pydantic is loaded only then."""
    return any(
        parameter.annotation is not inspect.Parameter.empty and parameter.annotation not in (Any, object)
        for parameter in signature.parameters.values()
    )
