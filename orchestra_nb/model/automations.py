"""Automations as they are kept: what each waits for, under which condition it acts, and what it does then.

How a trigger counts what happens stands in :mod:`.automation_triggers`, and what comes of it in
:mod:`.automation_decisions`.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

import msgspec

from orchestra_nb.errors import InvalidInput, NameTaken
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.file_arrivals import is_watched_by
from orchestra_nb.model.notifications import Severity
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

#: After so many hops an automation refuses to start what would be the next one.
MOST_HOPS: Final = 10
#: No window is longer: times have an end.
_LONGEST_SECONDS: Final = 100 * 366 * 86_400
#: The tags of a run that an automation started: which one, and how many hops lead to it.
AUTOMATION_TAG: Final = "orchestra.automation"
HOPS_TAG: Final = "orchestra.hops"
#: The header of a request that an automation sends, so that one of our own webhooks counts on.
HOPS_HEADER: Final = "Orchestra-Hops"
#: Among the related resources of an event, the one of the automation that emitted it.
AUTOMATION_ROLE: Final = "automation"
#: Who did what an automation did, in the history of a run, before its name.
ACTOR_PREFIX: Final = "automation "

#: By what a trigger counts apart: each run, deployment, flow or resource for itself.
ForEach = Literal["run", "deployment", "flow", "resource"]

#: What became of what was to be as is said.
Outcome = Literal["created", "changed", "unchanged"]


class RunMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run"):
    """Runs that enter a state.

    Parameters
    ----------
    states
        Empty for all.
    flow_names, deployments
        Names, ``*`` stands for anything; empty for all.
    kinds
        Empty for all.
    tags
        Tag to value, None for any value; a run must have all of them.
    has_child_runs
        Whether runs that another run started count, too.
    has_retried
        Whether failures count that their deployment tries again by itself.
    condition
        A Jinja expression over the run and what it returned; empty where all count.
    """

    states: tuple[State, ...] = ()
    flow_names: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    kinds: tuple[RunKind, ...] = ()
    tags: dict[str, str | None] = {}
    has_child_runs: bool = False
    has_retried: bool = False
    condition: str = ""


class EventMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """Events that code emits.

    Parameters
    ----------
    names, resources
        Names of events, and ids of what they are about; ``*`` stands for anything; empty for all.
    condition
        A Jinja expression over the event; empty where all count.
    """

    names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    condition: str = ""


class FileMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="file"):
    """Files that arrive, or change, where a URL names them.

    Parameters
    ----------
    url
        Of a file system that fsspec knows, or an absolute path; ``*``, ``?``, ``[…]`` and ``**`` as in fsspec's glob.
    every_seconds
        How often is looked.
    settle_seconds
        How long a file must stay as it is before it has arrived: so one that is still being written does not count.
    storage
        Options of the file system. ``{"$secret": name}`` stands for a stored secret.
    has_existing
        Whether files count, too, that were there before the automation began to look.
    condition
        A Jinja expression over the file; empty where all count.
    """

    url: str
    every_seconds: float = 30.0
    settle_seconds: float = 5.0
    storage: dict[str, object] = {}
    has_existing: bool = False
    condition: str = ""


Match: TypeAlias = RunMatch | EventMatch | FileMatch


class Happens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="happens"):
    """One of these happens."""

    matches: tuple[Match, ...]


class Absent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="absent"):
    """Something expected does not happen for so long.

    Parameters
    ----------
    after
        From when it is expected: each time that this happens. None for always: from the last time that it happened.
    """

    expected: Match
    within_seconds: float
    after: Match | None = None
    for_each: ForEach | None = None


class Repeated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="repeated"):
    """Something happens so often within a window; then it is counted anew."""

    match: Match
    count: int
    within_seconds: float
    for_each: ForEach | None = None


class Together(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="together"):
    """All of these happen within a window; then they are awaited anew.

    Parameters
    ----------
    is_ordered
        Whether they must happen one after the other, in this order.
    """

    matches: tuple[Match, ...]
    within_seconds: float
    is_ordered: bool = False
    for_each: ForEach | None = None


class Metric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="metric"):
    """A figure of the last ends of runs crosses a bound; it must come back before that is news again.

    Parameters
    ----------
    figure
        ``"success_rate"`` from 0 to 1; the mean ``"duration"`` of those that completed, and the mean ``"lateness"``,
        in seconds.
    match
        Whose ends are counted; it names no states.
    over
        Of how many ends the figure is: before there are so many there is none.
    """

    figure: Literal["success_rate", "duration", "lateness"]
    match: RunMatch
    over: int
    below: float | None = None
    above: float | None = None
    for_each: ForEach | None = None


Trigger: TypeAlias = Happens | Absent | Repeated | Together | Metric


class RunDeployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run"):
    """Run a deployment, with these parameters in place of its own."""

    deployment: str
    parameters: dict[str, object] = {}


class PauseDeployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="pause"):
    """Have the schedules of a deployment rest."""

    deployment: str


class ResumeDeployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="resume"):
    """Have the schedules of a deployment go on."""

    deployment: str


class MoveDeployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="move"):
    """Have a deployment, and its runs that wait, be run by another pool."""

    deployment: str
    pool: str


class PausePool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="pause_pool"):
    """Have the runs of a work pool wait; what goes on goes on."""

    pool: str


class ResumePool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="resume_pool"):
    """Have the runs of a work pool start again."""

    pool: str


class CancelRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """Cancel a run, of this id or name."""

    run: str


class SuspendRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="suspend"):
    """Have the run of a flow, of this id or name, suspend itself before its next task."""

    run: str


class RetryRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="retry"):
    """Run a run of a deployment again, of this id or name."""

    run: str


class Notify(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="notify"):
    """Send a message to a channel; without words of its own it says what happened."""

    channel: str
    title: str = ""
    body: str = ""
    severity: Severity = "info"


class EmitEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="emit"):
    """Emit an event.

    Parameters
    ----------
    resource
        The id of what it is about.
    """

    event: str
    resource: str
    payload: dict[str, object] = {}


#: A text, or ``{"$secret": name}`` in place of one that nobody may see.
SecretText: TypeAlias = str | dict[str, str]


class CallWebhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="call_webhook"):
    """Send an HTTP request to somebody's webhook, by the outbox.

    Parameters
    ----------
    headers
        Name to text.
    json
        The body, of JSON's types; None for none.
    text
        The body in place of that.
    signed_with
        The stored secret that it is signed with as Standard Webhooks says; empty where it is not signed.
    private_hosts
        Hosts whose addresses may be loopback, link-local or private ones. No templates: what happens must not choose
        where in the own network something is called.
    """

    url: SecretText
    method: Literal["POST", "PUT", "PATCH", "GET", "DELETE"] = "POST"
    headers: dict[str, SecretText] = {}
    json: object = None
    text: str = ""
    signed_with: str = ""
    private_hosts: tuple[str, ...] = ()


#: What an automation does. All texts in it are Jinja templates; rendered, it is of the same class.
Action: TypeAlias = (
    RunDeployment
    | PauseDeployment
    | ResumeDeployment
    | MoveDeployment
    | PausePool
    | ResumePool
    | CancelRun
    | SuspendRun
    | RetryRun
    | Notify
    | CallWebhook
    | EmitEvent
)


class Automation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When this happens, and this holds, do that.

    Parameters
    ----------
    condition
        A Jinja expression over what happened last, the run and what it returned; empty where it always acts.
    actions
        Done one after the other; one that fails keeps none of the others from being done.
    is_active
        Whether it acts at all.
    deployment
        The deployment that it belongs to, and is deleted with; empty where it stands by itself.
    """

    name: str
    trigger: Trigger
    actions: tuple[Action, ...]
    condition: str = ""
    description: str = ""
    is_active: bool = True
    deployment: str = ""


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that triggers look at: a run entered a state, or code emitted an event.

    Parameters
    ----------
    key
        Names it for ever.
    hops
        How many automations, one after the other, led to it.
    run
        The run as it was then; of an event, the one that emitted it.
    event
        None where a run entered a state.
    returned
        Name to value of what the run returned, where it has ended.
    is_retried
        Whether a failure is followed by another try by itself.
    """

    key: str
    at: datetime
    hops: int = 0
    run: Run | None = None
    event: CustomEvent | None = None
    returned: dict[str, object] = {}
    is_retried: bool = False


def is_about(wanted: Match, happening: Happening, automation: str) -> bool:
    """Tell whether something is what a match of an automation names, its condition aside."""
    match wanted, happening:
        case FileMatch(url=url), Happening(event=CustomEvent() as event):
            return is_watched_by(event, automation, url)
        case EventMatch(), Happening(event=CustomEvent() as event):
            return _is_named(event.event, wanted.names) and _is_named(event.resource.get("id"), wanted.resources)
        case RunMatch(), Happening(event=None, run=Run() as run):
            return (
                (not wanted.states or run.state in wanted.states)
                and (wanted.has_child_runs or run.parent_run_id is None)
                and (wanted.has_retried or not happening.is_retried)
                and _is_named(run.flow_name, wanted.flow_names)
                and _is_named(run.deployment, wanted.deployments)
                and (not wanted.kinds or run.kind in wanted.kinds)
                and all(tag in run.tags and value in (None, run.tags[tag]) for tag, value in wanted.tags.items())
            )
    return False


def matches_of(trigger: Trigger) -> tuple[Match, ...]:
    """Return all matches of a trigger."""
    match trigger:
        case Happens(matches=matches) | Together(matches=matches):
            return matches
        case Absent(expected=expected, after=after):
            return (expected,) if after is None else (expected, after)
        case Repeated(match=one):
            return (one,)
        case Metric(match=runs):
            return (runs,)


def check_automation(automation: Automation) -> Automation:
    """Return an automation that can act.

    Raises
    ------
    InvalidInput
        It waits for nothing, does nothing, or a number is none.
    """
    if not automation.actions:
        raise InvalidInput(f"The automation {automation.name!r} does nothing: give it actions.")
    trigger = automation.trigger
    match trigger:
        case Happens(matches=()) | Together(matches=()):
            raise InvalidInput(f"The automation {automation.name!r} waits for nothing: name what is to happen.")
        case Repeated(count=count) if count < 1:
            raise InvalidInput(f"Something happens at least once, not {count} times.")
        case Metric(over=over) if over < 1:
            raise InvalidInput(f"A figure is of at least one run, not of {over}.")
        case Metric(below=below, above=above) if (below is None) == (above is None):
            raise InvalidInput("A figure has a bound: below or above, and one of them.")
        case Metric(match=RunMatch(states=states)) if states:
            raise InvalidInput("A figure is of all ends: it names no states.")
    if isinstance(trigger, Absent | Repeated | Together) and not 0 < trigger.within_seconds <= _LONGEST_SECONDS:
        raise InvalidInput(f"A window is longer than 0 s, and at most 100 years, not {trigger.within_seconds:g} s.")
    watched: dict[str, FileMatch] = {}
    for one in matches_of(trigger):
        if isinstance(one, FileMatch):
            if max(one.every_seconds, one.settle_seconds) > _LONGEST_SECONDS:
                raise InvalidInput(f"{one.url} is looked at, and settles, within 100 years: every, settle.")
            known = watched.setdefault(one.url, one)
            if msgspec.structs.replace(known, condition=one.condition) != one:
                raise InvalidInput(f"{one.url} is watched in two ways. Say the same of it at both places.")
    return automation


def watched_files(automation: Automation) -> tuple[FileMatch, ...]:
    """Return what an automation watches, each URL once."""
    matches = (one for one in matches_of(automation.trigger) if isinstance(one, FileMatch))
    return tuple({one.url: one for one in matches}.values())


def is_trigger_of(automation: Automation, deployment: str) -> bool:
    """Tell whether an automation belongs to a deployment and does nothing but run it."""
    match automation:
        case Automation(deployment=owner, actions=(RunDeployment(deployment=run),)):
            return owner == run == deployment
    return False


def check_place_of_trigger(present: Automation, deployment: str) -> None:
    """See that a trigger of a deployment may stand in the place of an automation.

    Raises
    ------
    NameTaken
        That is no trigger of the deployment.
    """
    if not is_trigger_of(present, deployment):
        raise NameTaken(
            f"There is an automation {present.name!r} already, which is no trigger of the deployment {deployment!r}. "
            "Give the trigger another name, or delete the automation first."
        )


def _is_named(name: str | None, patterns: tuple[str, ...]) -> bool:
    return not patterns or (name is not None and any(fnmatchcase(name, pattern) for pattern in patterns))
