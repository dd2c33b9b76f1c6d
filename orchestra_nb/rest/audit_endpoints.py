"""The audit trail: who changed what, when, from where, and how it ended."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.model.audit import AuditEntry, Outcome, Via
from orchestra_nb.operations import audit_trail
from orchestra_nb.rest.endpoint import Area, Call, Instant, Role
from orchestra_nb.rest.pages import BeforeNumber

area = Area("audit")


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries."""

    limit: Annotated[int, Meta(ge=1, le=audit_trail.MAX_ENTRIES, description="At most so many.")] = 50
    before: BeforeNumber = None
    actor: Annotated[str | None, Meta(description="Only by this one: `user alice`, `token ci`, …")] = None
    action: Annotated[str | None, Meta(description="Only this: `cancel_run`, …")] = None
    about: Annotated[str | None, Meta(description="Only to something of this kind: `runs`, `deployments`, …")] = None
    target: Annotated[
        str | None,
        Meta(description="Only to what was named so, or a part of it: a schedule of a deployment, a task of a run."),
    ] = None
    via: Annotated[Via | None, Meta(description="Only by this way.")] = None
    outcome: Annotated[Outcome | None, Meta(description="Only what ended so.")] = None
    since: Annotated[Instant | None, Meta(description="Only what was done then or later.")] = None
    until: Annotated[Instant | None, Meta(description="Only what was done before.")] = None


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries, the newest first; ``next`` is the ``before`` of the page that follows, null at the end."""

    entries: tuple[AuditEntry, ...]
    next: int | None


@area.get("/audit", Role.ADMIN)
def list_audit(call: Call, query: AuditQuery) -> AuditPage:
    """List who changed what, when, from where, and how it ended, the newest first.

    An entry holds names and no values: no parameter, no body and no message of an error.
    """
    entries, following = audit_trail.list_audit(
        call.store,
        before=query.before,
        limit=query.limit,
        actor=query.actor,
        action=query.action,
        area=query.about,
        target=query.target,
        via=query.via,
        outcome=query.outcome,
        since=query.since,
        until=query.until,
    )
    return AuditPage(entries=tuple(entries), next=following)
