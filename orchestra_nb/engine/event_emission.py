"""``emit_event``: tell, to whoever looks or acts on it, that something happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.services import ask_for, in_thread
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.custom_events import CustomEvent, resource_of
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.questions import EmitEvent, IdAnswer


def emit_event(
    event: str,
    resource: Mapping[str, str],
    occurred: datetime | None = None,
    related: Iterable[Mapping[str, str]] | None = None,
    payload: Mapping[str, object] | None = None,
    id: UUID | str | None = None,
    follows: CustomEvent | None = None,
) -> CustomEvent:
    """Keep an event, and return it when it is kept.

    Parameters
    ----------
    event
        Its name, by custom with dots: ``"orders.imported"``.
    resource
        Labels of what it is about; ``"id"`` (or ``"prefect.resource.id"``) names it.
    occurred
        When it happened; None means now.
    related
        Labels of other things that it concerns; ``"role"`` says how.
    payload
        More about it, of JSON's types.
    id
        Names the event: told twice with one id, it is kept once. None makes one.
    follows
        An event that came before.

    Raises
    ------
    InvalidInput
        The name is empty, a resource has no id, the time has no zone, or the payload is no JSON.
    """
    if not isinstance(event, str) or not event.strip():
        raise InvalidInput(f"{event!r} is no name of an event. Name it, by custom with dots: 'orders.imported'.")
    at = datetime.now(UTC) if occurred is None else occurred
    if at.tzinfo is None:
        raise InvalidInput(f"The time {at!r} has no zone. Write datetime.now(UTC), or give it a tzinfo.")
    question = EmitEvent(
        event_id=_id_of(id, at),
        event=event,
        resource=resource_of(resource),
        occurred_at=at,
        related=tuple(resource_of(labels) for labels in related or ()),
        payload_json=to_json_text(dict(payload or {}), "The payload"),
        follows=None if follows is None else follows.event_id,
    )
    return CustomEvent(
        event_id=ask_for(IdAnswer, question).id,
        event=question.event,
        resource=question.resource,
        occurred_at=at,
        related=question.related,
        payload=dict(payload or {}),
        follows=question.follows,
    )


async def aemit_event(
    event: str,
    resource: Mapping[str, str],
    occurred: datetime | None = None,
    related: Iterable[Mapping[str, str]] | None = None,
    payload: Mapping[str, object] | None = None,
    id: UUID | str | None = None,
    follows: CustomEvent | None = None,
) -> CustomEvent:
    """:func:`emit_event` for coroutines."""
    return await in_thread(emit_event, event, resource, occurred, related, payload, id, follows)


def _id_of(id_: UUID | str | None, at: datetime) -> str:
    if id_ is None:
        return fresh_id(at)
    return id_.hex if isinstance(id_, UUID) else id_
