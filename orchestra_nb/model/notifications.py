"""Who is told of which ends of runs, decided purely: from a rule, a run and how the one before it ended.

A rule looks at each deployment, and at each flow that runs outside of one, for itself: the first failure is news, the
second is none, and the success after it is news again.
"""

from __future__ import annotations

import math
from datetime import datetime
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.deployments import is_backfill
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

#: How urgent a message is; the words are apprise's.
Severity = Literal["info", "success", "warning", "failure"]


class Health(str, Enum):
    """What the end of a run says about its deployment or flow."""

    OK = "ok"
    FAILED = "failed"
    #: nothing ran although it was due
    MISSED = "missed"

    def __str__(self) -> str:
        return self.value


#: Ends that say something about health: what was cancelled or skipped says nothing.
_HEALTH: Final = {
    State.COMPLETED: Health.OK,
    State.FAILED: Health.FAILED,
    State.TIMED_OUT: Health.FAILED,
    State.CRASHED: Health.FAILED,
    State.UPSTREAM_FAILED: Health.FAILED,
    State.MISSED: Health.MISSED,
}


class Occasion(str, Enum):
    """Which ends a rule tells of."""

    #: the first failure or missed occurrence after a success, and the first success after those
    CHANGE = "change"
    #: every failure and every missed occurrence
    FAILURE = "failure"
    #: every end
    END = "end"
    #: none for itself: only the states that the rule names
    NONE = "none"

    def __str__(self) -> str:
        return self.value


class RuleFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule says, but for its name and its pause: which runs are told of, when, to whom and in what words.

    Parameters
    ----------
    channels
        Names of the channels that each message goes to.
    occasion
        Which ends are told of.
    states
        States that are told of when a run enters them, besides: once in each epoch of a run.
    late_seconds
        How long after it was due a run that has not started is late; None when lateness is not told.
    flow_names, deployments
        Names, ``*`` stands for anything; empty for all.
    kinds
        Empty for all.
    tags
        Tag to value, None for any value; a run must have all of them.
    has_child_runs
        Whether runs that another run started are told of, too.
    title, body
        Jinja templates; empty for the usual words.
    """

    channels: tuple[str, ...]
    occasion: Occasion = Occasion.CHANGE
    states: tuple[State, ...] = ()
    late_seconds: float | None = None
    flow_names: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    kinds: tuple[RunKind, ...] = ()
    tags: dict[str, str | None] = {}
    has_child_runs: bool = False
    title: str = ""
    body: str = ""


class NotificationRule(RuleFields, frozen=True, kw_only=True):
    """A rule with its name.

    Parameters
    ----------
    is_paused
        Whether it tells of nothing for now; it goes on watching, so that it knows what is news when it tells again.
    owner
        Of whose runs alone it tells; None for those of all.
    """

    is_paused: bool = False
    name: str
    owner: str | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a deployment or a flow stands in the eyes of a rule.

    Parameters
    ----------
    health, since
        What its last end said, and since when all said so.
    state, at, run_name
        How and when which run ended last.
    """

    health: Health
    since: datetime
    state: State
    at: datetime
    run_name: str


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a rule tells of.

    Parameters
    ----------
    moment
        ``"failed"``, ``"missed"``, ``"late"``, ``"recovered"``, or the state in lower case.
    run
        As it was at that moment.
    previous
        How its deployment or flow stood before; None when that is not known.
    """

    moment: str
    severity: Severity
    run: Run
    at: datetime
    previous: Standing | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule makes of something that happened to a run, or did not.

    Parameters
    ----------
    news
        None when nothing is told.
    standing
        How the deployment or flow stands from now on; None when nothing is known about it.
    """

    news: News | None
    standing: Standing | None


def subject_of(run: Run) -> str:
    """Return what the health is that of: ``"deployment daily"``, ``"flow train"``."""
    return f"flow {run.flow_name}" if run.deployment is None else f"deployment {run.deployment}"


def standing_key(run: Run) -> str:
    """Return what tells apart whose health is kept: the subject, and what its schedule gives the run.

    Examples
    --------
    A deployment with a schedule for each of four regions has four healths: one region that works again says nothing
    of the others.
    """
    _, _, given = (run.occurrence or "").partition("/")
    return f"{subject_of(run)}/{given}" if given else subject_of(run)


def is_about(rule: NotificationRule, run: Run) -> bool:
    """Tell whether a rule looks at a run at all."""
    return (
        rule.owner in (None, run.owner)
        and (rule.has_child_runs or run.parent_run_id is None)
        and _is_named(run.flow_name, rule.flow_names)
        and _is_named(run.deployment, rule.deployments)
        and (not rule.kinds or run.kind in rule.kinds)
        and all(tag in run.tags and value in (None, run.tags[tag]) for tag, value in rule.tags.items())
    )


def decide(
    rule: NotificationRule, run: Run, at: datetime, previous: Standing | None, *, is_retried: bool = False
) -> Decision:
    """Return what a rule makes of a run that it is about and that has just entered its state.

    Parameters
    ----------
    previous
        How the run's deployment or flow stood before.
    is_retried
        Whether another try follows by itself. Such a failure is no change of health: the last try decides. Nor is the
        end of a run that makes up for what was due long ago.
    """
    health = None if is_retried or is_backfill(run) else _HEALTH.get(run.state)
    moment = _moment(run.state, previous)
    news = News(moment=moment, severity=_severity(run.state), run=run, at=at, previous=previous)
    is_news = run.state in rule.states or _is_occasion(rule.occasion, run.state, health, previous)
    return Decision(
        news=news if is_news else None,
        standing=previous if health is None else _standing_after(previous, health, run, at),
    )


def decide_lateness(rule: NotificationRule, run: Run, now: datetime, previous: Standing | None) -> Decision:
    """Return what a rule makes of a run that it is about and that waits to start.

    Lateness counts as a missed occurrence: while its deployment is late, it is told once.
    """
    is_late = (
        rule.late_seconds is not None
        and run.due_at is not None
        and not is_backfill(run)
        and (now - run.due_at).total_seconds() >= rule.late_seconds
    )
    if not is_late or (previous is not None and previous.health is Health.MISSED):
        return Decision(news=None, standing=previous)
    return Decision(
        news=News(moment="late", severity="warning", run=run, at=now, previous=previous),
        standing=_standing_after(previous, Health.MISSED, run, now),
    )


def check_rule(rule: NotificationRule) -> NotificationRule:
    """Return a rule that tells somebody of something.

    Raises
    ------
    InvalidInput
        It has no channel, or is never an occasion, or its lateness is no time.
    """
    if not rule.channels:
        message = f"The rule {rule.name!r} names no channel that its messages go to."
        raise InvalidInput(message, {"/channels": "Name at least one."})
    if rule.occasion is Occasion.NONE and not rule.states and rule.late_seconds is None:
        message = f"The rule {rule.name!r} tells of nothing: name an occasion or states."
        raise InvalidInput(message, {"/occasion": "Nothing is told: name an occasion, or states."})
    if rule.late_seconds is not None and not 0 < rule.late_seconds < math.inf:
        message = f"The rule {rule.name!r} cannot tell of runs that are late by {rule.late_seconds:g} seconds."
        raise InvalidInput(message, {"/late_seconds": "A time longer than none."})
    return rule


def _is_named(name: str | None, patterns: tuple[str, ...]) -> bool:
    return not patterns or (name is not None and any(fnmatchcase(name, pattern) for pattern in patterns))


def _is_occasion(occasion: Occasion, state: State, health: Health | None, previous: Standing | None) -> bool:
    match occasion:
        case Occasion.CHANGE:
            # a success that nothing preceded is what everybody expects
            return health is not None and health is not (Health.OK if previous is None else previous.health)
        case Occasion.FAILURE:
            return _HEALTH.get(state, Health.OK) is not Health.OK
        case Occasion.END:
            return state.is_terminal
        case Occasion.NONE:
            return False


def _moment(state: State, previous: Standing | None) -> str:
    health = _HEALTH.get(state)
    if health is Health.OK and previous is not None and previous.health is not Health.OK:
        return "recovered"
    if health in (None, Health.OK):
        return state.value.lower()
    return str(health)


def _severity(state: State) -> Severity:
    match _HEALTH.get(state):
        case Health.OK:
            return "success"
        case Health.FAILED:
            return "failure"
        case Health.MISSED:
            return "warning"
    return "info"


def _standing_after(previous: Standing | None, health: Health, run: Run, at: datetime) -> Standing:
    return Standing(
        health=health,
        since=previous.since if previous is not None and previous.health is health else at,
        state=run.state,
        at=at,
        run_name=run.name,
    )
