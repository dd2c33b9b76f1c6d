"""A notebook as a flow: a call runs it as a run of its own, and gives what it returned."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from orchestra_nb.engine.annotations import unmapped
from orchestra_nb.engine.flow_recording import current_recording
from orchestra_nb.engine.futures import waited_for
from orchestra_nb.engine.mapped_arguments import MappingError
from orchestra_nb.engine.run_states import state_of
from orchestra_nb.engine.task_settings import InvalidOption, retry_policy
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model import states as model
from orchestra_nb.model.sweeps import SweepRequest, product_of
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.operations.notebook_call import CallingPlace, NotebookCall, error_of_run
from orchestra_nb.operations.notebook_options import (
    as_parameters,
    check_options,
    name_of,
    picker,
    request_of,
    with_values,
)
from orchestra_nb.operations.notebook_sweep import NotebookSweep
from orchestra_nb.operations.python_deployment import DEPLOY_OPTIONS, SCHEDULE_OPTIONS, MadeDeployment, make
from orchestra_nb.operations.run_home import DriverHome
from orchestra_nb.operations.sweep_result import SweepResult

T = TypeVar("T")


class NotebookFlow:
    """A notebook with the feel of a flow: ``notebook_flow("train.ipynb")(alpha=0.1)``.

    Parameters
    ----------
    path
        The notebook. A relative path is that of now, whatever the folder is when it is called.
    name
        Of its runs' flow; None for the notebook's stem.
    returns
        What a call gives: None for all that the notebook recorded (a mapping whose names are attributes, too), the
        name of one value for that value, a list of names for a tuple.
    kernel_name, cwd, cluster, output_path
        As ``orchestra run`` takes them: the kernel, its working folder, where its task cells run (and it itself, in a
        sweep), and where the executed notebook goes. None for the notebook's own kernel and folder, the settings, and
        a name beside it.
    strict
        Whether parameters that the notebook does not declare are refused.
    retries, retry_delay_seconds, retry_jitter_factor
        How often, after how long, and with how much chance in the delay another run follows one that failed, crashed
        or timed out.
    timeout_seconds
        Of each run, from its first cell.
    tags
        Of its runs.
    viz_return_value
        What stands for its result while ``flow.visualize()`` follows a flow that calls it.
    """

    isasync = False
    isgenerator = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        returns: str | Sequence[str] | None = None,
        kernel_name: str | None = None,
        cwd: str | os.PathLike[str] | None = None,
        cluster: str | None = None,
        output_path: str | os.PathLike[str] | None = None,
        strict: bool = True,
        retries: int | None = None,
        retry_delay_seconds: Any = None,
        retry_jitter_factor: float | None = None,
        timeout_seconds: float | None = None,
        tags: Collection[str] = (),
        viz_return_value: Any = None,
    ) -> None:
        self._options = {key: value for key, value in locals().items() if key not in ("self", "path", "__class__")}
        self._request = request_of(
            path,
            name=name,
            kernel_name=kernel_name,
            cwd=cwd,
            cluster=cluster,
            output_path=output_path,
            strict=strict,
            timeout_seconds=timeout_seconds,
            tags=tags,
        )
        self.path = self._request.path
        self.name = name_of(self._request)
        self._retry = retry_policy(f"Notebook {self.name!r}", retries, retry_delay_seconds, retry_jitter_factor)
        self._pick = picker(returns)
        self.viz_return_value = viz_return_value

    def __call__(self, *, return_state: bool = False, wait_for: Any = None, **parameters: Any) -> Any:
        """Run the notebook and return what it returned.

        Parameters
        ----------
        return_state
            Return the final state instead, and raise nothing but Ctrl-C.
        wait_for
            Futures that must have ended before.
        parameters
            Futures among them are waited for.

        Raises
        ------
        TaskFailed
            The run did not end well: NotebookFailed, TaskCrashed, TaskTimedOut or TaskWasCancelled. The message names
            the first cause.
        NotebookNotFound, InvalidInput
            It cannot be run; nothing ran.
        """
        if (recording := current_recording()) is not None:
            return recording.call(self, (), parameters, wait_for, return_state, kind="flow")  # type: ignore[arg-type]
        return self._finish(lambda: self._make_call(parameters, wait_for).run(), return_state)

    async def call_async(self, *, return_state: bool = False, wait_for: Any = None, **parameters: Any) -> Any:
        """Do what a call does, while the event loop goes on; when it is cancelled, the run is stopped."""
        call = await asyncio.to_thread(self._make_call, parameters, wait_for)
        return await _awaited(lambda: self._finish(call.run, return_state), call.stop)

    def map(
        self,
        *,
        limit: int | None = None,
        on_failure: str = "continue",
        raise_on_failure: bool = True,
        **parameters: Any,
    ) -> SweepResult:
        """Run it once for each item of the lists, several at once, as one sweep; items of the same place go together.

        Text, and what is wrapped in ``unmapped``, is passed whole to each run.

        Parameters
        ----------
        limit
            How many run at once; None for as many as there are cores, or slots of the cluster.
        on_failure
            ``"continue"``, or ``"stop"`` to stop the others when one has failed.
        raise_on_failure
            Whether to raise when all have ended and not all ended well; else the result tells.

        Raises
        ------
        MappingError
            Nothing can be iterated, or the lengths differ.
        NotebookFailed
            Some did not end well. What the others returned is in ``orchestra runs results``.
        """
        columns, fixed = self._columns(parameters)
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise MappingError(
                f"Notebook {self.name}: the parameters of .map have different lengths ({listed}). Write .sweep(…) for "
                "each with each, or wrap those that all runs shall get whole in unmapped()."
            )
        count = next(iter(lengths.values()))
        listed_one_by_one = [{name: values[number] for name, values in columns.items()} for number in range(count)]
        combinations, swept = product_of({}, listed_one_by_one, fixed)
        return self._run_sweep(combinations, swept, limit, on_failure, raise_on_failure)

    def sweep(
        self,
        *,
        limit: int | None = None,
        on_failure: str = "continue",
        raise_on_failure: bool = True,
        **parameters: Any,
    ) -> SweepResult:
        """Run it for each combination of the items of the lists; all else is as :meth:`map` has it."""
        columns, fixed = self._columns(parameters)
        combinations, swept = product_of(columns, (), fixed)
        return self._run_sweep(combinations, swept, limit, on_failure, raise_on_failure)

    async def map_async(self, **options_and_parameters: Any) -> SweepResult:
        """Do what :meth:`map` does, while the event loop goes on."""
        return await asyncio.to_thread(self.map, **options_and_parameters)

    async def sweep_async(self, **options_and_parameters: Any) -> SweepResult:
        """Do what :meth:`sweep` does, while the event loop goes on."""
        return await asyncio.to_thread(self.sweep, **options_and_parameters)

    def deploy(self, name: str | None = None, **options: Any) -> MadeDeployment:
        """Have this notebook run by itself, as it is on disk now, and return the deployment.

        Parameters
        ----------
        name
            None for the notebook's stem.
        options
            As in :meth:`orchestra_nb.flows.Flow.deploy`, and ``cache`` to replay cells as ``orchestra run --cache``
            does. What this object says of the kernel, the folder, the cluster, the output, retries, the time limit and
            tags holds where nothing is said here.

        Raises
        ------
        NotebookNotFound, InvalidInput
            It could not be run, or an option cannot be used.
        """
        check_options(f"{self.name}.deploy", options, (*DEPLOY_OPTIONS, *SCHEDULE_OPTIONS, "cache"))
        request = DeploymentRequest(
            target=self.path,
            cwd=self._request.cwd,
            flow_name=self._request.flow_name,
            kernel_name=self._request.kernel_name,
            output_path=self._request.output_path,
            is_cached=bool(options.pop("cache", False)),
            cluster=self._request.cluster,
            retry=self._retry,
            timeout_seconds=self._request.timeout_seconds,
            tags=self._request.tags,
        )
        return make(request, f"{self.name}.deploy", {"name": name, **options})

    def with_options(self, **options: Any) -> NotebookFlow:
        """Return a flow of the same notebook with some options changed.

        Raises
        ------
        InvalidOption
            There is no such option.
        """
        check_options("notebook_flow", options, self._options)
        return type(self)(self.path, **{**self._options, **options})

    def __repr__(self) -> str:
        return f"<notebook flow {self.name}>"

    def _make_call(self, parameters: Mapping[str, Any], wait_for: Any) -> NotebookCall:
        if wait_for is not None:
            with_values(waited_for(wait_for))
        given = as_parameters(with_values(dict(parameters)))
        return NotebookCall(msgspec.structs.replace(self._request, parameters=given), self._retry)

    def _finish(self, run: Callable[[], Any], return_state: bool) -> Any:
        try:
            result = run()
        except OrchestraError as error:
            if return_state:
                return state_of(model.State.FAILED, str(error), error)
            raise
        is_completed = result.run.state is model.State.COMPLETED
        if return_state:
            data = self._pick(result) if is_completed else error_of_run(result.run)
            return state_of(result.run.state, result.run.message, data)
        if not is_completed:
            raise error_of_run(result.run)
        return self._pick(result)

    def _columns(self, parameters: Mapping[str, Any]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """Return (name to the values of the runs, name to the value that all get)."""
        columns: dict[str, list[Any]] = {}
        fixed: dict[str, Any] = {}
        for name, value in with_values(dict(parameters)).items():
            if isinstance(value, unmapped):
                fixed[name] = value.value
            elif isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
                fixed[name] = value
            else:
                columns[name] = list(as_parameters({name: list(value)})[name])
        if not columns:
            raise MappingError(
                f"Notebook {self.name}: no parameter can be iterated. Pass a list, or call it for one run."
            )
        return columns, as_parameters(fixed)

    def _run_sweep(
        self,
        combinations: tuple[dict[str, object], ...],
        swept: tuple[str, ...],
        limit: int | None,
        on_failure: str,
        raise_on_failure: bool,
    ) -> SweepResult:
        if on_failure not in ("continue", "stop"):
            raise InvalidOption(f'on_failure is {on_failure!r}. Write "continue" or "stop".')
        request = self._request
        place = CallingPlace.here()
        sweep = NotebookSweep(
            SweepRequest(
                path=request.path,
                combinations=combinations,
                swept=swept,
                output_folder=request.output_path,
                cwd=request.cwd,
                kernel_name=request.kernel_name,
                cluster=request.cluster or place.cluster,
                is_strict=request.is_strict,
                flow_name=request.flow_name,
                limit=limit,
                stops_on_failure=on_failure == "stop",
                timeout_seconds=request.timeout_seconds,
            ),
            DriverHome(place.driver),
            parent_run_id=place.parent_run_id,
            parent_task_run_id=place.parent_task_run_id,
            tags=request.tags,
        )
        result = sweep.execute()
        if raise_on_failure:
            result.raise_for_failures()
        return result


def notebook_flow(path: str | os.PathLike[str], **options: Any) -> NotebookFlow:
    """Return a notebook as a flow. The options are those of :class:`NotebookFlow`.

    Raises
    ------
    InvalidOption
        There is no such option.

    Examples
    --------
    >>> train = notebook_flow("train.ipynb", retries=1)
    >>> train.name
    'train'
    """
    known = NotebookFlow("x.ipynb")._options
    check_options("notebook_flow", options, known)
    return NotebookFlow(path, **options)


async def _awaited(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return what ``work`` returns, done in a thread; when this is cancelled, stop it and wait for its end."""
    task: Coroutine[Any, Any, T] = asyncio.to_thread(work)
    running = asyncio.ensure_future(task)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([running])
        raise
