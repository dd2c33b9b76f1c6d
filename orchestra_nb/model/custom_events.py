"""Events that users emit, beside those that Orchestra itself writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput

#: The label that every resource must have.
RESOURCE_ID: Final = "prefect.resource.id"
_OUR_ID: Final = "id"


class CustomEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a user's.

    Parameters
    ----------
    event
        Its name, by custom with dots: ``"orders.imported"``.
    resource
        Labels of what it is about; ``"id"`` names it.
    related
        Labels of other things that it concerns; ``"role"`` says how.
    payload
        Of JSON's types.
    follows
        The id of an event that came before.
    """

    event_id: str
    event: str
    resource: dict[str, str]
    occurred_at: datetime
    related: tuple[dict[str, str], ...] = ()
    payload: dict[str, object] = {}
    follows: str | None = None
    run_id: str | None = None
    task_run_id: str | None = None


def resource_of(labels: Mapping[str, object]) -> dict[str, str]:
    """Return the labels of a resource, with its name under ``"id"``; Prefect's ``"prefect.resource.id"`` is read, too.

    Raises
    ------
    InvalidInput
        It has no name, or labels that are no text.

    Examples
    --------
    >>> resource_of({"prefect.resource.id": "orders.eu"})
    {'id': 'orders.eu'}
    """
    if not isinstance(labels, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str) for name, value in labels.items()
    ):
        raise InvalidInput(f"{labels!r} is no resource: it is a dictionary of text, such as {{'id': 'orders.eu'}}.")
    named = {_OUR_ID if name == RESOURCE_ID else name: str(value) for name, value in labels.items()}
    if not named.get(_OUR_ID):
        raise InvalidInput(f"The resource {dict(labels)!r} has no 'id'. Name what the event is about.")
    return named
