"""The names that the conditions and templates of an automation may use, and whether those that they use are there.

What a run returns stands there by names of its own, which nobody knows before. All else is known.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_decisions import RUN_FACTS
from orchestra_nb.model.automations import (
    Absent,
    Action,
    Automation,
    EventMatch,
    FileMatch,
    Match,
    RunMatch,
    Trigger,
    matches_of,
)
from orchestra_nb.model.file_arrivals import FILE_FACTS
from orchestra_nb.model.sandboxed_templates import NamesUsed, check_syntax, names_used

_FACTS: Final = ("returned", "run", "event", "file", "at", "about", "key", "automation")
_EVENT_FACTS: Final = ("name", "resource", "related", "payload", "at", "id")
#: What has parts, and which these are.
_PARTS: Final[Mapping[str, Collection[str]]] = {"run": RUN_FACTS, "event": _EVENT_FACTS, "file": FILE_FACTS}


def facts_matches(trigger: Trigger) -> tuple[Match, ...]:
    """Return what the conditions and actions of an automation can be about; empty for nothing that happened.

    Of something that is absent that is what it was expected after.
    """
    if isinstance(trigger, Absent):
        return () if trigger.after is None else (trigger.after,)
    return matches_of(trigger)


def check_texts(automation: Automation) -> Automation:
    """Return an automation whose conditions and templates can be read, and ask for what can be there.

    Raises
    ------
    InvalidInput
        One is none, or does not; the message names it.
    """
    about = facts_matches(automation.trigger)
    check_condition(automation.condition, about)
    for match in matches_of(automation.trigger):
        check_condition(match.condition, (match,))
    for action in automation.actions:
        check_action_texts(action, about)
    return automation


def check_condition(condition: str, about: Collection[Match] | None) -> None:
    """See that a condition can be read; raises as :func:`check_texts`.

    Parameters
    ----------
    about
        What it is about; None where nobody knows.
    """
    _check_text(condition, about, is_expression=True)


def check_action_texts(action: Action, about: Collection[Match] | None) -> None:
    """See that the templates of an action can be read; as :func:`check_condition`."""
    _check_templates(msgspec.to_builtins(action), about)


def _check_templates(value: object, about: Collection[Match] | None) -> None:
    if isinstance(value, str):
        _check_text(value, about, is_expression=False)
    elif isinstance(value, Mapping):
        for item in value.values():
            _check_templates(item, about)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_templates(item, about)


def _check_text(text: str, about: Collection[Match] | None, *, is_expression: bool) -> None:
    check_syntax(text, is_expression=is_expression)
    missing = "" if about is None else _missing(names_used(text, is_expression=is_expression), about)
    if missing:
        shown = text if len(text) <= 200 else f"{text[:199]}…"
        raise InvalidInput(f"{shown!r} cannot be used: {missing}")


def returned_names_used(text: str, *, is_expression: bool) -> frozenset[str]:
    """Return the names of values that a text expects a run to have returned, without those that it asks for first."""
    used = names_used(text, is_expression=is_expression)
    own = used.names - set(_FACTS)
    return (own | {part for root, part in used.parts if root == "returned"}) - used.guarded


def _missing(used: NamesUsed, about: Collection[Match]) -> str:
    """Return in words what is not there; empty where all may be."""
    kinds = {type(match) for match in about}
    there = {
        "run": bool(kinds & {RunMatch, EventMatch}),
        "event": bool(kinds),
        "file": FileMatch in kinds,
        "returned": RunMatch in kinds,
    }
    known = [name for name in _FACTS if there.get(name, True)]
    for root, part in sorted(used.parts):
        if root in _PARTS and part not in _PARTS[root]:
            return f"{root} has no {part}. {_hint(part, _PARTS[root])}"
        if root in there and not there[root]:
            return f"there is no {root} where {_words(kinds)}. {_hint('', known)}"
    if RunMatch not in kinds:
        for name in sorted(used.names - set(_FACTS) - used.guarded):
            return f"there is no {name}. {_hint(name, known)}"
    return ""


def _words(kinds: Collection[type]) -> str:
    words = {RunMatch: "a run ends", EventMatch: "an event is emitted", FileMatch: "a file arrives"}
    return " or ".join(word for kind, word in words.items() if kind in kinds) or "nothing happened"


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."


def returned_names(automation: Automation) -> frozenset[str]:
    """Return the names of values that an automation expects the runs that it is about to have returned."""
    names = returned_names_used(automation.condition, is_expression=True)
    for action in automation.actions:
        names |= _returned_in(msgspec.to_builtins(action))
    return names


def _returned_in(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return returned_names_used(value, is_expression=False)
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return frozenset(name for item in items for name in _returned_in(item))
