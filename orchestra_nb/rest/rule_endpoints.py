"""Rules of notifications: which runs are told of, when, and to which channels."""

from __future__ import annotations

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.notifications import NotificationRule, RuleFields
from orchestra_nb.operations import notifications
from orchestra_nb.rest.common_answers import Deleted
from orchestra_nb.rest.endpoint import Area, Call
from orchestra_nb.rest.ownership import seeing
from orchestra_nb.rest.pages import NamesQuery, page_by_name

area = Area("follow-up")


class RulesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of what is told to whom, by name."""

    rules: tuple[NotificationRule, ...]
    next: str | None


class NamedRule(RuleFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule; its name, where it is said, is that of the path.

    Parameters
    ----------
    is_paused
        Whether it tells of nothing for now; null for as it is.
    """

    is_paused: bool | None = None
    name: str | None = None


class NewRule(RuleFields, frozen=True, kw_only=True):
    """A rule that is to be added.

    Parameters
    ----------
    is_paused
        Whether it tells of nothing for now.
    """

    is_paused: bool = False
    name: str


class AddedRule(NotificationRule, frozen=True, kw_only=True, omit_defaults=True):
    """A rule that was added or changed; ``warnings`` say what it names that nobody knows yet."""

    warnings: tuple[str, ...] = ()


@area.get("/notifications/rules")
def list_rules(call: Call, query: NamesQuery) -> RulesAnswer:
    """List the rules of what is told to whom."""
    page, following = page_by_name(notifications.list_rules(call.store), query, lambda one: one.name)
    return RulesAnswer(rules=page, next=following)


@area.put("/notifications/rules")
def add_rule(call: Call, body: NewRule) -> AddedRule:
    """Add a rule; that of somebody who sees only what is theirs tells of their runs alone."""
    return _set(call, NotificationRule(**msgspec.structs.asdict(body)), may_overwrite=False)


@area.put("/notifications/rules/{name}")
def set_rule(call: Call, name: str, body: NamedRule) -> AddedRule:
    """Make a rule, or have the one of this name be like this; it keeps what it knows of how things stand.

    It stays paused, or not paused, where `is_paused` is not said.
    """
    if body.name not in (None, name):
        message = f"The rule of this path is {name!r}, and the body names {body.name!r}."
        raise InvalidInput(message, {"/name": f"It is {name!r} in the path."})
    said = {field: getattr(body, field) for field in RuleFields.__struct_fields__}
    rule = NotificationRule(name=name, is_paused=bool(body.is_paused), **said)
    return _set(call, rule, may_overwrite=True, keeps_pause=body.is_paused is None)


@area.post("/notifications/rules/{name}/pause")
def pause_rule(call: Call, name: str) -> NotificationRule:
    """Have a rule tell of nothing; it goes on watching."""
    return notifications.pause_rule(call.store, name)


@area.post("/notifications/rules/{name}/resume")
def resume_rule(call: Call, name: str) -> NotificationRule:
    """Have a rule tell of what happens from now on."""
    return notifications.resume_rule(call.store, name)


@area.delete("/notifications/rules/{name}")
def delete_rule(call: Call, name: str) -> Deleted:
    """Delete a rule."""
    notifications.delete_rule(call.store, name)
    return Deleted(deleted=name)


def _set(call: Call, rule: NotificationRule, *, may_overwrite: bool, keeps_pause: bool = False) -> AddedRule:
    kept, _ = notifications.add_rule(call.store, rule, call.now, may_overwrite=may_overwrite, keeps_pause=keeps_pause)
    with seeing(call):  # what somebody else has is not told of
        warnings = notifications.unknown_in_rule(call.store, kept)
    return AddedRule(**msgspec.structs.asdict(kept), warnings=tuple(warnings))
