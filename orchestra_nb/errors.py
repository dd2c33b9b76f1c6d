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
    │   ├── WarningsRefused                    what may be wrong, where that is refused, too
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
    │   ├── ScheduleNotFound                   a schedule of a deployment
    │   ├── PoolNotFound                       a work pool
    │   ├── ProfileNotFound                    a set of settings
    │   ├── NotificationNotFound               a notification, or a channel or rule of notifications
    │   ├── AutomationNotFound
    │   ├── WebhookNotFound                    a webhook, or a message of one
    │   ├── TokenNotFound                      a token for the REST API
    │   └── CodeNotFound                       what a run executed cannot be found again
    ├── Conflict                               the thing is in another state            409
    │   ├── InvalidTransition
    │   ├── NameTaken (ValueError)             there is one of this name already
    │   ├── CallInProgress                     the same call with the same key is being answered
    │   ├── CallInterrupted                    one that was cut off when it had changed something
    │   └── NotThisWorkers                     a run, or a whole worker, that others have ended or taken over
    ├── WebhookRefused (PermissionError)       a message that nobody vouches for         401
    ├── TokenRefused (PermissionError)         a token that opens nothing (any more)     401
    ├── ScopeMissing (PermissionError)         a token that may not do this              403
    ├── NotYours (PermissionError)             somebody else's run or deployment         403
    ├── ClusterUnavailable (ConnectionError)   no Dask cluster could be reached         503
    ├── FilesUnreachable (ConnectionError)     files cannot be looked at where they are
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

Every message says what happened, to which value, and what to do. The classes can be made of their message
alone, and what else they hold is an attribute, so they survive a pickle from worker to driver.
"""

from __future__ import annotations

import types

TYPE_CHECKING = False  # as in the package itself: typing is not loaded for it
if TYPE_CHECKING:
    from collections.abc import Mapping


class OrchestraError(Exception):
    """The root of all errors that Orchestra raises on purpose."""


class InvalidInput(OrchestraError, ValueError):
    """What the user typed cannot be used.

    Parameters
    ----------
    at
        JSON pointer into what was given (``"/parameters/share"``) to what is wrong there, in few words: for forms.
    """

    def __init__(self, message: str = "", at: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.at = dict(at or {})


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


class WarningsRefused(InvalidInput):
    """Something could be made and may be wrong, and whoever asks for it wants to decide first; a line each."""


class ValueNotPortable(InvalidInput, TypeError):
    """A value cannot be sent to a worker, or back from it."""


class ValueNotHashable(InvalidInput, TypeError):
    """A value has no content that a fingerprint could be taken of."""


class NotFound(OrchestraError, LookupError):
    """The thing that was asked for does not exist."""

    #: As of :class:`InvalidInput`, where something that was given names it.
    at: Mapping[str, str] = types.MappingProxyType({})


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


class ScheduleNotFound(NotFound):
    """The deployment has no schedule of this number."""


class PoolNotFound(NotFound):
    """There is no work pool of this name."""


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


class TokenNotFound(NotFound):
    """There is no token of this name."""


class CodeNotFound(NotFound):
    """A run cannot be run again: its flow or its parameters are not to be found."""


class Conflict(OrchestraError):
    """The thing is in a state that does not allow this."""


class InvalidTransition(Conflict):
    """The state graph has no such edge."""


class PreconditionFailed(Conflict):
    """The thing is not as whoever changes it believes."""


class NameTaken(Conflict, ValueError):
    """There is one of this name already."""

    #: As of :class:`InvalidInput`: the name.
    at: Mapping[str, str] = types.MappingProxyType({})


class CallInProgress(Conflict):
    """The same call with the same ``Idempotency-Key`` is being answered; ask again in a moment."""


class CallInterrupted(Conflict):
    """The same call with the same ``Idempotency-Key`` failed or was cut off after it had changed something."""


class NotThisWorkers(Conflict):
    """A worker tells of a run for which it does not answer any more, or was itself taken for dead."""


class WebhookRefused(OrchestraError, PermissionError):
    """A message for a webhook was not signed as it has to be, or there is no such webhook."""


class FilesUnreachable(OrchestraError, ConnectionError):
    """Files cannot be looked at where they are: a store does not answer, refuses, or there is no library for it."""


class TokenRefused(OrchestraError, PermissionError):
    """There is no such token, or it has expired or was revoked."""


class ScopeMissing(OrchestraError, PermissionError):
    """A token does not have the scope that this needs."""


class NotYours(OrchestraError, PermissionError):
    """What is to be changed belongs to another user, who has not shared it."""


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
