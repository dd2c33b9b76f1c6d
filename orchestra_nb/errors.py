"""The exception tree: one leaf for each situation that a caller can treat differently.

::

    OrchestraError
    ├── InvalidInput (ValueError)              what the user typed cannot be used       422, exit 2
    │   ├── InvalidSetting
    │   ├── InvalidTaskLine                    a ``%%task`` line
    │   ├── InvalidParameters                  values for a notebook's parameters
    │   ├── InvalidNotebook                    a file that is no notebook we can run
    │   ├── ValueNotPortable (TypeError)       a value that cannot travel to a worker
    │   └── ValueNotHashable (TypeError)       a value that has no fingerprint
    ├── NotFound (LookupError)                                                          404, exit 3
    │   ├── RunNotFound
    │   ├── TaskNotFound
    │   ├── NotebookNotFound (FileNotFoundError)
    │   └── ResultNotFound                     a stored result is gone
    ├── Conflict                               the thing is in another state            409
    │   └── InvalidTransition
    ├── ClusterUnavailable (ConnectionError)   no Dask cluster could be reached         503
    ├── StoreUnavailable                       the store cannot be read or written      503
    │   ├── StoreReadOnly
    │   └── StoreTooNew                        written by a newer version of Orchestra
    ├── ResultNotTrusted                       a stored result was altered, or nobody we trust signed it
    ├── TaskFailed                             a task ended otherwise than well
    │   ├── TaskTimedOut (TimeoutError)
    │   ├── TaskCrashed
    │   ├── TaskWasCancelled
    │   └── UpstreamFailed
    └── ValuePending                           a name whose task has not been waited for

    BaseException
    └── StopTask                               raised inside user code to end it

Every message says what happened, to which value, and what to do. The classes take their message as the only
argument, so they survive a pickle from worker to driver.
"""

from __future__ import annotations


class OrchestraError(Exception):
    """The root of all errors that Orchestra raises on purpose."""


class InvalidInput(OrchestraError, ValueError):
    """What the user typed cannot be used."""


class InvalidSetting(InvalidInput):
    """A setting has a value that cannot be used."""


class InvalidTaskLine(InvalidInput):
    """A ``%%task`` line cannot be understood, or asks for what does not exist."""


class InvalidParameters(InvalidInput):
    """Values for a notebook's parameters are unknown, of the wrong form, or do not round-trip."""


class InvalidNotebook(InvalidInput):
    """A file is not a notebook that can be run."""


class ValueNotPortable(InvalidInput, TypeError):
    """A value cannot be sent to a worker, or back from it."""


class ValueNotHashable(InvalidInput, TypeError):
    """A value has no content that a fingerprint could be taken of."""


class NotFound(OrchestraError, LookupError):
    """The thing that was asked for does not exist."""


class RunNotFound(NotFound):
    """No run has this id or name."""


class TaskNotFound(NotFound):
    """No task has this name."""


class NotebookNotFound(FileNotFoundError, NotFound):
    """There is no notebook at this path."""


class ResultNotFound(NotFound):
    """A result was stored and is there no more."""


class Conflict(OrchestraError):
    """The thing is in a state that does not allow this."""


class InvalidTransition(Conflict):
    """The state graph has no such edge."""


class ClusterUnavailable(OrchestraError, ConnectionError):
    """No Dask cluster could be started or reached."""


class StoreUnavailable(OrchestraError):
    """The store cannot be read or written now."""


class StoreReadOnly(StoreUnavailable):
    """The store can be read but not written."""


class StoreTooNew(StoreUnavailable):
    """The store was written by a newer version of Orchestra."""


class ResultNotTrusted(OrchestraError):
    """A stored result was altered after it had been written, or carries no signature of ours: it was not loaded."""


class TaskFailed(OrchestraError):
    """A task's own code raised, or its result could not be stored."""


class TaskTimedOut(TaskFailed, TimeoutError):
    """A task ran longer than its timeout."""


class TaskCrashed(TaskFailed):
    """The process that ran a task died."""


class TaskWasCancelled(TaskFailed):
    """A task was cancelled before it ended."""


class UpstreamFailed(TaskFailed):
    """A task never started because one that it needs did not complete."""


class ValuePending(OrchestraError):
    """A name stands for a task's value that has not been waited for."""


class StopTask(BaseException):
    """Raised inside user code to end it; outside ``Exception`` so that user code does not swallow it."""
