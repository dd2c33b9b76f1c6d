"""What an automation waits for and what it does, each in a line, in the language of who reads it."""

from __future__ import annotations

from typing import Final

from orchestra_nb.model.automations import (
    Absent,
    Action,
    CallWebhook,
    CancelRun,
    EmitEvent,
    EventMatch,
    FileMatch,
    Happens,
    Match,
    Metric,
    MoveDeployment,
    Notify,
    PauseDeployment,
    PausePool,
    Repeated,
    ResumeDeployment,
    ResumePool,
    RetryRun,
    RunDeployment,
    RunMatch,
    SuspendRun,
    Together,
    Trigger,
)
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.schedule_sentences import is_german
from orchestra_nb.model.webhook_calls import call_title
from orchestra_nb.reading_language import reading_language

#: What is said in German; the numbers stand for values.
_GERMAN: Final = {
    " or ": " oder ",
    " and ": " und ",
    ", then ": ", dann ",
    "nothing for {0}: {1}": "nichts seit {0}: {1}",
    "{0}, and within {1} not: {2}": "{0}, und innerhalb von {1} nicht: {2}",
    "{0} times within {1}: {2}": "{0} Mal innerhalb von {1}: {2}",
    "{0} within {1}": "{0} innerhalb von {1}",
    "{0} of {1} over {2} runs {3}": "{0} von {1} über {2} Läufe {3}",
    "below {0}": "unter {0}",
    "above {0}": "über {0}",
    "for each {0}: ": "für jeweils {0}: ",
    "run": "Lauf",
    "flow": "Flow",
    "deployment": "Deployment",
    "resource": "Ressource",
    "success rate": "Erfolgsquote",
    "duration": "Dauer",
    "lateness": "Verspätung",
    " if {0}": " falls {0}",
    ", if {0}": ", falls {0}",
    "event {0}": "Ereignis {0}",
    "event {0} of {1}": "Ereignis {0} von {1}",
    "file {0}": "Datei {0}",
    "in any state": "in jedem Zustand",
    "flow {0}": "Flow {0}",
    "any run": "jeder Lauf",
    "run {0}": "startet {0}",
    "pause {0}": "pausiert {0}",
    "resume {0}": "setzt {0} fort",
    "move {0} to pool {1}": "verlegt {0} in den Pool {1}",
    "pause pool {0}": "pausiert den Pool {0}",
    "resume pool {0}": "setzt den Pool {0} fort",
    "cancel {0}": "bricht {0} ab",
    "suspend {0}": "setzt {0} aus",
    "retry {0}": "wiederholt {0}",
    "notify {0}": "benachrichtigt {0}",
    "call {0}": "ruft {0} auf",
    "emit {0}": "meldet {0}",
}


def trigger_words(trigger: Trigger) -> str:
    """Return in one line what a trigger waits for."""
    match trigger:
        case Happens():
            return _say(" or ").join(map(_match_words, trigger.matches))
        case Absent(after=None):
            expected = _match_words(trigger.expected)
            return _each(trigger.for_each) + _say("nothing for {0}: {1}", _window(trigger), expected)
        case Absent(after=after):
            assert after is not None
            said = (_match_words(after), _window(trigger), _match_words(trigger.expected))
            return _each(trigger.for_each) + _say("{0}, and within {1} not: {2}", *said)
        case Repeated():
            said = (str(trigger.count), _window(trigger), _match_words(trigger.match))
            return _each(trigger.for_each) + _say("{0} times within {1}: {2}", *said)
        case Together():
            how = _say(", then " if trigger.is_ordered else " and ").join(map(_match_words, trigger.matches))
            return _each(trigger.for_each) + _say("{0} within {1}", how, _window(trigger))
        case Metric():
            figure = _say(trigger.figure.replace("_", " "))
            whose, over = _whose(trigger.match), str(trigger.over)
            words = _say("{0} of {1} over {2} runs {3}", figure, whose, over, _bound_words(trigger))
            return _each(trigger.for_each) + words


def action_words(action: Action) -> str:
    """Return in some words what an action does."""
    match action:
        case RunDeployment(deployment=name):
            return _say("run {0}", name)
        case PauseDeployment(deployment=name):
            return _say("pause {0}", name)
        case ResumeDeployment(deployment=name):
            return _say("resume {0}", name)
        case MoveDeployment(deployment=name, pool=pool):
            return _say("move {0} to pool {1}", name, pool)
        case PausePool(pool=pool):
            return _say("pause pool {0}", pool)
        case ResumePool(pool=pool):
            return _say("resume pool {0}", pool)
        case CancelRun(run=run):
            return _say("cancel {0}", run)
        case SuspendRun(run=run):
            return _say("suspend {0}", run)
        case RetryRun(run=run):
            return _say("retry {0}", run)
        case Notify(channel=channel):
            return _say("notify {0}", channel)
        case CallWebhook():
            return _say("call {0}", call_title(action))
        case EmitEvent(event=event):
            return _say("emit {0}", event)


def condition_words(condition: str) -> str:
    """Return what is said of a condition behind what is waited for; empty where there is none."""
    return _say(", if {0}", condition) if condition else ""


def _say(words: str, *values: str) -> str:
    """Return words in the language of the reader, with values in their places."""
    said = _GERMAN.get(words, words) if is_german(reading_language()) else words
    return said.format(*values)


def _match_words(match: Match) -> str:
    condition = _say(" if {0}", match.condition) if match.condition else ""
    if isinstance(match, EventMatch):
        names = ", ".join(match.names) or "*"
        if match.resources:
            return _say("event {0} of {1}", names, ", ".join(match.resources)) + condition
        return _say("event {0}", names) + condition
    if isinstance(match, FileMatch):
        return _say("file {0}", match.url) + condition
    states = _say(" or ").join(state.value for state in match.states) or _say("in any state")
    return f"{_whose(match)} {states}{condition}"


def _whose(match: RunMatch) -> str:
    tags = [tag if value is None else f"{tag}={value}" for tag, value in match.tags.items()]
    flows = [_say("flow {0}", name) for name in match.flow_names]
    return ", ".join([*match.deployments, *flows, *(kind.value for kind in match.kinds), *tags]) or _say("any run")


def _window(trigger: Absent | Repeated | Together) -> str:
    return write_duration(trigger.within_seconds)


def _bound_words(trigger: Metric) -> str:
    words, bound = ("below {0}", trigger.below) if trigger.below is not None else ("above {0}", trigger.above)
    assert bound is not None
    return _say(words, f"{bound:g}" if trigger.figure == "success_rate" else write_duration(bound))


def _each(for_each: str | None) -> str:
    return "" if for_each is None else _say("for each {0}: ", _say(for_each))
