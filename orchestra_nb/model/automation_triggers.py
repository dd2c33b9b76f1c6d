"""How a trigger counts what happens: from its state and one happening to its next state and what it fires.

The state is a record that is stored between two happenings. Time comes only from the happenings and from whoever calls,
so past happenings, replayed, give what they gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from orchestra_nb.model.automations import (
    Absent,
    ForEach,
    Happening,
    Happens,
    Match,
    Metric,
    Repeated,
    Together,
    Trigger,
)
from orchestra_nb.model.deployments import is_backfill
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import FAILURE_STATES, State

#: So many runs, deployments, flows or resources are counted apart; those that were seen first are forgotten.
_MOST_GROUPS: Final = 1_000
_ALL: Final = ""

#: Tells whether a match is about a happening, its condition included.
Matcher = Callable[[Match, Happening], bool]


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trigger has counted of one run, deployment, flow or resource, or of all.

    Parameters
    ----------
    times
        When something happened that still counts. For an order: for each number of first steps that were taken, when
        the newest such way began. None where that has not happened.
    values
        The last values of a figure.
    is_beyond
        Whether the figure is beyond its bound.
    due_at
        When what is expected is absent; None where nothing is expected now.
    since
        What it is expected after.
    """

    times: tuple[datetime | None, ...] = ()
    values: tuple[float, ...] = ()
    is_beyond: bool = False
    due_at: datetime | None = None
    since: Happening | None = None


class TriggerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trigger has counted: group to its counts, in the order in which groups were last seen."""

    groups: dict[str, Group] = {}

    @property
    def next_at(self) -> datetime | None:
        """When time alone changes something; None for never."""
        return min((group.due_at for group in self.groups.values() if group.due_at is not None), default=None)


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger fired.

    Parameters
    ----------
    key
        Names it for ever among those of its automation.
    happening
        What made it fire, or what something was expected after; None where nothing happened at all.
    """

    key: str
    at: datetime
    group: str
    happening: Happening | None


def first_state(trigger: Trigger, now: datetime) -> TriggerState:
    """Return the state of a trigger that begins now."""
    if isinstance(trigger, Absent) and trigger.after is None and trigger.for_each is None:
        return TriggerState(groups={_ALL: Group(due_at=now + timedelta(seconds=trigger.within_seconds))})
    return TriggerState()


def advance(
    trigger: Trigger, state: TriggerState, happening: Happening, matches: Matcher
) -> tuple[TriggerState, tuple[Fired, ...]]:
    """Return the state after a happening, and what fires: first what was due before it."""
    state, fired = advance_time(state, happening.at)
    group = _group_of(trigger, happening)
    if group is None:
        return state, fired
    before = state.groups.get(group, Group())
    after, has_fired = _counted(trigger, before, happening, matches)
    if has_fired:
        fired = (*fired, Fired(key=happening.key, at=happening.at, group=group, happening=happening))
    return (state if after == before else _with_group(state, group, after)), fired


def advance_time(state: TriggerState, now: datetime) -> tuple[TriggerState, tuple[Fired, ...]]:
    """Return the state as time has passed, and what fires because something is absent."""
    due = sorted(
        (group.due_at, name) for name, group in state.groups.items() if group.due_at is not None and group.due_at <= now
    )
    if not due:
        return state, ()
    fired = tuple(
        Fired(key=f"absent/{name}/{at.isoformat()}", at=at, group=name, happening=state.groups[name].since)
        for at, name in due
    )
    passed = {name for _, name in due}
    return TriggerState(groups={name: group for name, group in state.groups.items() if name not in passed}), fired


def _counted(trigger: Trigger, group: Group, happening: Happening, matches: Matcher) -> tuple[Group, bool]:
    match trigger:
        case Happens():
            return group, any(matches(one, happening) for one in trigger.matches)
        case Absent():
            return _expected(trigger, group, happening, matches), False
        case Repeated():
            return _repeated(trigger, group, happening, matches)
        case Together(is_ordered=True):
            return _in_order(trigger, group, happening, matches)
        case Together():
            return _together(trigger, group, happening, matches)
        case Metric():
            return _measured(trigger, group, happening, matches)


def _expected(trigger: Absent, group: Group, happening: Happening, matches: Matcher) -> Group:
    due_at = happening.at + timedelta(seconds=trigger.within_seconds)
    if matches(trigger.expected, happening):
        return Group(due_at=due_at) if trigger.after is None else Group()
    if trigger.after is not None and group.due_at is None and matches(trigger.after, happening):
        return Group(due_at=due_at, since=happening)
    return group


def _repeated(trigger: Repeated, group: Group, happening: Happening, matches: Matcher) -> tuple[Group, bool]:
    if not matches(trigger.match, happening):
        return group, False
    begin = happening.at - timedelta(seconds=trigger.within_seconds)
    times = (*(at for at in group.times if at is not None and at >= begin), happening.at)
    return (Group(), True) if len(times) >= trigger.count else (Group(times=times), False)


def _together(trigger: Together, group: Group, happening: Happening, matches: Matcher) -> tuple[Group, bool]:
    begin = happening.at - timedelta(seconds=trigger.within_seconds)
    known = group.times or (None,) * len(trigger.matches)
    times = tuple(
        happening.at if matches(one, happening) else at if at is not None and at >= begin else None
        for one, at in zip(trigger.matches, known, strict=True)
    )
    if None not in times:
        return Group(), True
    return (Group(times=times) if any(times) else Group()), False


def _in_order(trigger: Together, group: Group, happening: Happening, matches: Matcher) -> tuple[Group, bool]:
    begin = happening.at - timedelta(seconds=trigger.within_seconds)
    known = group.times or (None,) * len(trigger.matches)
    begun = [at if at is not None and at >= begin else None for at in known]
    for step in reversed(range(len(trigger.matches))):  # so that one happening takes one step of each way
        start = happening.at if step == 0 else begun[step - 1]
        if start is not None and matches(trigger.matches[step], happening):
            begun[step] = max(start, begun[step] or start)
    if begun[-1] is not None:
        return Group(), True
    return (Group(times=tuple(begun)) if any(begun) else Group()), False


def _measured(trigger: Metric, group: Group, happening: Happening, matches: Matcher) -> tuple[Group, bool]:
    run = happening.run
    value = None if run is None or happening.event is not None else _value_of(trigger.figure, run)
    if value is None or not matches(trigger.match, happening):
        return group, False
    values = (*group.values, value)[-trigger.over :]
    figure = sum(values) / len(values)
    is_beyond = len(values) == trigger.over and (
        (trigger.below is not None and figure < trigger.below) or (trigger.above is not None and figure > trigger.above)
    )
    return Group(values=values, is_beyond=is_beyond), is_beyond and not group.is_beyond


def _value_of(figure: str, run: Run) -> float | None:
    """Return what the end of a run counts for; None where it says nothing."""
    match figure:
        case "success_rate":
            if run.state is State.COMPLETED:
                return 1.0
            return 0.0 if run.state in FAILURE_STATES or run.state is State.MISSED else None
        case "duration":
            if run.state is not State.COMPLETED or run.started_at is None or run.ended_at is None:
                return None
            return (run.ended_at - run.started_at).total_seconds()
    if not run.state.is_terminal or run.started_at is None or run.due_at is None or is_backfill(run):
        return None
    return max(0.0, (run.started_at - run.due_at).total_seconds())


def _group_of(trigger: Trigger, happening: Happening) -> str | None:
    """Return what a happening is counted with; None where it has nothing of the kind."""
    for_each: ForEach | None = None if isinstance(trigger, Happens) else trigger.for_each
    run, event = happening.run, happening.event
    match for_each:
        case None:
            return _ALL
        case "resource":
            return None if event is None else event.resource.get("id")
        case "run":
            return None if run is None else run.run_id
        case "deployment":
            return None if run is None else run.deployment
        case "flow":
            return None if run is None else run.flow_name


def _with_group(state: TriggerState, name: str, group: Group) -> TriggerState:
    others = {other: counts for other, counts in state.groups.items() if other != name}
    groups = others if group == Group() else {**others, name: group}
    return TriggerState(groups=dict(_last(groups.items(), _MOST_GROUPS)))


def _last(items: Iterable[tuple[str, Group]], most: int) -> list[tuple[str, Group]]:
    return list(items)[-most:]
