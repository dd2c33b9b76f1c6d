"""Exceptions: Prefect's module name; the tree itself is in :mod:`orchestra_nb.errors`."""

from orchestra_nb.engine.flow_suspension import PausedRun
from orchestra_nb.engine.flows import InvalidFlowCall as ParameterBindError
from orchestra_nb.engine.mapped_arguments import MappingError
from orchestra_nb.engine.mapped_arguments import MappingError as MappingLengthMismatch
from orchestra_nb.engine.mapped_arguments import MappingError as MappingMissingIterable
from orchestra_nb.engine.run_context import MissingContext
from orchestra_nb.engine.run_context import MissingContext as MissingContextError
from orchestra_nb.engine.run_states import UnfinishedRun
from orchestra_nb.engine.stand_ins import FlowVisualizationError
from orchestra_nb.engine.task_settings import ReservedParameter as ReservedArgumentError
from orchestra_nb.errors import (
    InvalidParameters,
    OrchestraError,
    TaskCrashed,
    TaskFailed,
    TaskTimedOut,
    TaskWasCancelled,
    UpstreamFailed,
)
from orchestra_nb.errors import (
    InvalidParameters as ParameterTypeError,
)
from orchestra_nb.errors import (
    NotFound as ObjectNotFound,
)
from orchestra_nb.errors import (
    OrchestraError as PrefectException,
)
from orchestra_nb.errors import (
    ResultNotFound as MissingResult,
)
from orchestra_nb.errors import (
    TaskCrashed as CrashedRun,
)
from orchestra_nb.errors import (
    TaskFailed as FailedRun,
)
from orchestra_nb.errors import (
    TaskWasCancelled as CancelledRun,
)
from orchestra_nb.errors import (
    UpstreamFailed as UpstreamTaskError,
)

__all__ = [
    "CancelledRun",
    "CrashedRun",
    "FailedRun",
    "FlowVisualizationError",
    "InvalidParameters",
    "MappingError",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContext",
    "MissingContextError",
    "MissingResult",
    "ObjectNotFound",
    "OrchestraError",
    "ParameterBindError",
    "ParameterTypeError",
    "PausedRun",
    "PrefectException",
    "ReservedArgumentError",
    "TaskCrashed",
    "TaskFailed",
    "TaskTimedOut",
    "TaskWasCancelled",
    "UnfinishedRun",
    "UpstreamFailed",
    "UpstreamTaskError",
]
