"""The exception tree: one leaf for each situation that a caller can treat differently.

::

    OrchestraError
    ├── InvalidInput (ValueError)              what the user typed cannot be used       422, exit 2
    │   ├── InvalidSetting
    │   ├── InvalidTaskLine                    a ``%%task`` line
    │   ├── InvalidParameters                  values for a notebook's parameters
    │   ├── InvalidSchedule                    when something is to run
    │   ├── InvalidNotebook                    a file that is no notebook we can run
    │   │   ├── CellNotPython                  a cell would fail as it is compiled
    │   │   └── CellsNeedEachOther             no order of its cells can run
    │   ├── ValueNotPortable (TypeError)       a value that cannot travel to a worker
    │   └── ValueNotHashable (TypeError)       a value that has no fingerprint
    ├── NotFound (LookupError)                                                          404, exit 3
    │   ├── RunNotFound
    │   ├── TaskNotFound
    │   ├── NotebookNotFound (FileNotFoundError)
    │   ├── ResultNotFound                     a stored result is gone
    │   ├── VariableNotFound
    │   ├── SecretNotFound
    │   ├── LimitNotFound                      a concurrency limit
    │   ├── ArtifactNotFound
    │   ├── AssetNotFound
    │   ├── InputNotFound                      a question that a run asks
    │   ├── DeadLetterNotFound
    │   ├── DeploymentNotFound
    │   ├── ProfileNotFound                    a set of settings
    │   ├── NotificationNotFound               a notification, or a channel or rule of notifications
    │   ├── AutomationNotFound
    │   ├── WebhookNotFound                    a webhook, or a message of one
    │   └── CodeNotFound                       what a run executed cannot be found again
    ├── Conflict                               the thing is in another state            409
    │   ├── InvalidTransition
    │   └── NameTaken (ValueError)             there is one of this name already
    ├── WebhookRefused (PermissionError)       a message that nobody vouches for         401
    ├── ClusterUnavailable (ConnectionError)   no Dask cluster could be reached         503
    ├── NobodyAnswers (ConnectionError)        code that runs asks, and no driver answers
    ├── SlotsNotAcquired (TimeoutError)        a concurrency limit had no room in time
    ├── SlotsLost                              slots that somebody else may have by now
    ├── SecretUnreadable                       encrypted with another key
    ├── StoreUnavailable                       the store cannot be read or written      503
    │   ├── StoreReadOnly
    │   └── StoreTooNew                        written by a newer version of Orchestra
    ├── ResultNotTrusted                       a stored result was altered, or nobody we trust signed it
    ├── TaskFailed                             a task ended otherwise than well
    │   ├── NotebookFailed                     a notebook that was run as a flow or a task, or a sweep of one
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


class InvalidSchedule(InvalidInput):
    """A schedule, its time zone or its days off cannot be read, or it never falls due."""


class InvalidNotebook(InvalidInput):
    """A file is not a notebook that can be run."""


class CellsNeedEachOther(InvalidNotebook):
    """A cell reads a name that only a later one binds, and that one needs the cell."""


class CellNotPython(InvalidNotebook):
    """A cell would fail as it is compiled."""


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


class VariableNotFound(NotFound):
    """No variable has this name."""


class SecretNotFound(NotFound):
    """No secret has this name."""


class LimitNotFound(NotFound):
    """No concurrency limit has this name."""


class ArtifactNotFound(NotFound):
    """No artifact has this id or key."""


class AssetNotFound(NotFound):
    """No asset with this key was ever materialized."""


class InputNotFound(NotFound):
    """The run asks for no input of this name."""


class DeploymentNotFound(NotFound):
    """There is no deployment of this name, or no such version of it."""


class DeadLetterNotFound(NotFound):
    """No dead letter has this id."""


class NotificationNotFound(NotFound):
    """There is no such notification, or no channel or rule of notifications of this name."""


class AutomationNotFound(NotFound):
    """There is no automation of this name."""


class ProfileNotFound(NotFound):
    """No file of settings has a profile of this name."""


class WebhookNotFound(NotFound):
    """There is no webhook of this name, or no message of this number."""


class CodeNotFound(NotFound):
    """A run cannot be run again: its flow or its parameters are not to be found."""


class Conflict(OrchestraError):
    """The thing is in a state that does not allow this."""


class InvalidTransition(Conflict):
    """The state graph has no such edge."""


class NameTaken(Conflict, ValueError):
    """There is one of this name already."""


class WebhookRefused(OrchestraError, PermissionError):
    """A message for a webhook was not signed as it has to be, or there is no such webhook."""


class ClusterUnavailable(OrchestraError, ConnectionError):
    """No Dask cluster could be started or reached."""


class NobodyAnswers(OrchestraError, ConnectionError):
    """Running code asks for something, and no driver answers."""


class SlotsNotAcquired(OrchestraError, TimeoutError):
    """A concurrency limit or rate limit had no room in the time allowed."""


class SlotsLost(OrchestraError):
    """The lease of slots ran out while they were in use, so that somebody else may have taken them."""


class SecretUnreadable(OrchestraError):
    """A secret was encrypted with another key than this user's."""


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


class NotebookFailed(TaskFailed):
    """A notebook that was run as a flow or a task raised, or runs of a sweep did not end well."""


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
