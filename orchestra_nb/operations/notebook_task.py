"""A notebook as a task: the work of a task run is a run of the notebook, its child.

The notebook is driven in a thread of the driver's process, whatever the flow's task runner is
(:mod:`orchestra_nb.engine.notebook_placement`), so notebooks never take the slots that their own task cells need. Its
runner goes to the cluster that it names, or else to that of the flow's tasks, where that is not the local one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.clusters import parse_cluster
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.notebook_placement import NotebookTaskRunner, cluster_of_tasks
from orchestra_nb.engine.tasks import Task
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_call import NotebookCall, error_of_run
from orchestra_nb.operations.notebook_options import (
    as_parameters,
    check_options,
    name_of,
    picker,
    request_of,
    with_values,
)

if TYPE_CHECKING:
    from orchestra_nb.engine.run_scope import RunScope
    from orchestra_nb.engine.submissions import Submission
    from orchestra_nb.engine.task_submission import CallFamily
    from orchestra_nb.operations.notebook_request import NotebookRequest

#: Options of the notebook's run; a timeout is the notebook's, so that its cells are interrupted and its outputs kept.
_OF_NOTEBOOK = frozenset({"kernel_name", "cwd", "cluster", "output_path", "strict", "timeout_seconds"})
#: Options of the task run.
_OF_TASK = frozenset(
    {
        *("name", "description", "tags", "version", "task_run_name", "retries", "retry_delay_seconds"),
        *("retry_jitter_factor", "retry_condition_fn", "on_running", "on_completion", "on_failure", "viz_return_value"),
    }
)


class NotebookTask(Task[..., Any]):
    """A notebook as a task: ``notebook_task("report.ipynb", retries=1).submit(region="EU")``.

    Parameters
    ----------
    path
        The notebook. A relative path is that of now.
    options
        ``returns``, ``kernel_name``, ``cwd``, ``cluster``, ``output_path``, ``strict`` and ``timeout_seconds`` as
        :class:`~orchestra_nb.operations.notebook_flow.NotebookFlow` has them, and of a task's options those that a
        notebook can have. Each attempt is a run of its own.

    Raises
    ------
    InvalidOption
        There is no such option.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        check_options("notebook_task", options, {*_OF_NOTEBOOK, *_OF_TASK, "returns"})
        request = request_of(path, **{name: value for name, value in options.items() if name in _OF_NOTEBOOK})
        name = options.get("name") or name_of(request)
        request = msgspec.structs.replace(request, flow_name=None if options.get("name") is None else name)
        self.path = request.path
        self._cluster = request.cluster
        self.all_options = dict(options)
        of_task = {key: value for key, value in options.items() if key in _OF_TASK}
        super().__init__(_body_of(request, options.get("returns")), **of_task | {"name": name})

    def with_options(self, **options: Any) -> NotebookTask:
        """Return a task of the same notebook with some options changed."""
        return NotebookTask(self.path, **{**self.all_options, **options})

    def place(self, scope: RunScope) -> RunScope:
        """Drive the notebook in the driver's process."""
        if self._cluster is None:
            return scope.placed(NotebookTaskRunner(cluster_of_tasks(scope.task_runner)))
        is_local = parse_cluster(self._cluster).kind == "local"
        return scope.placed(NotebookTaskRunner(None if is_local else self._cluster))

    def _submission(
        self,
        scope: RunScope,
        family: CallFamily,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Any,
        taken: Collection[str] = (),
    ) -> tuple[Submission, tuple[str, ...]]:
        """Return what to submit; futures of the cluster are waited for by the thread, not by whoever submits."""
        upstream: dict[str, None] = {}

        def later(leaf: Any) -> Any:
            if isinstance(leaf, TaskFuture) and leaf.runner is not scope.flow_runner:
                upstream[leaf.task_run_id] = None
                return _Later(leaf)
            return leaf

        kwargs = {name: replace_leaves(value, later) for name, value in kwargs.items()}
        return super()._submission(scope, family, args, kwargs, wait_for, (*taken, *upstream))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _notebook_task, (self.path, self.all_options)

    def __orchestra_fingerprint__(self) -> object:
        return type(self), self.path, self.all_options

    def __repr__(self) -> str:
        return f"<notebook task {self.name}>"


class _Later:
    """A future of another place, in the arguments of a notebook that is not being driven yet."""

    __slots__ = ("future",)

    def __init__(self, future: TaskFuture[Any]) -> None:
        self.future = future


def notebook_task(path: str | os.PathLike[str], **options: Any) -> NotebookTask:
    """Return a notebook as a task. The options are those of :class:`NotebookTask`.

    Examples
    --------
    >>> notebook_task("report.ipynb", retries=2)
    <notebook task report>
    """
    return NotebookTask(path, **options)


def _notebook_task(path: str, options: Mapping[str, Any]) -> NotebookTask:
    return NotebookTask(path, **options)


def _body_of(request: NotebookRequest, returns: str | Sequence[str] | None) -> Callable[..., Any]:
    """Return the function of the task."""
    pick = picker(returns)

    def run_notebook(**parameters: Any) -> Any:
        given = as_parameters(with_values(replace_leaves(parameters, _value_of)))
        result = NotebookCall(msgspec.structs.replace(request, parameters=given), RetryPolicy()).run()
        if result.run.state is not State.COMPLETED:
            raise error_of_run(result.run)
        return pick(result)

    run_notebook.__doc__ = f"Run {request.path}."
    return run_notebook


def _value_of(leaf: Any) -> Any:
    return leaf.future.result() if isinstance(leaf, _Later) else leaf
