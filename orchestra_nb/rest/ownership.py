"""Whose the things are that a call reads or changes, where those who are no admins see only what is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.errors import NotFound, NotYours
from orchestra_nb.operations.dead_letter_decisions import show_dead_letter
from orchestra_nb.operations.deployments import find_deployment
from orchestra_nb.operations.notifications import show_delivery, show_rule
from orchestra_nb.operations.runs import find_run
from orchestra_nb.operations.webhooks import show_receipt, show_webhook
from orchestra_nb.rest.audited_calls import READERS
from orchestra_nb.rest.endpoint import path_names

if TYPE_CHECKING:
    from orchestra_nb.operations.deployment_plan import Plan
    from orchestra_nb.rest.endpoint import Call, Endpoint
    from orchestra_nb.store.run_store import RunStore

#: What acts on any run and deployment: who may change one of these could change all of those by it.
_ACTING: Final = ("/automations", "/pools", "/limits")
#: Path to what finds the thing that its first parameter names, and raises where it is not there.
_FINDERS: Final[Mapping[str, Callable[[RunStore, Any], object]]] = {
    "/dead-letters/{letter}": show_dead_letter,
    "/notifications/deliveries/{number}": show_delivery,
    "/webhooks/{name}": show_webhook,
    "/receipts/{number}": show_receipt,
    "/deployments/{name}": find_deployment,
    "/notifications/rules/{name}": show_rule,
}
#: They also make what is not there.
_MAKERS: Final = frozenset({"deploy", "set_rule"})


def own_things(endpoint: Endpoint[..., Any], call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call, where a run is named by its id: two users may have runs of one name.

    Raises
    ------
    NotFound
        What is to be changed is not there for who calls: it is somebody else's, who has not shared it, or nobody's.
    NotYours
        It acts on what is everybody's, or a name is taken by something that who calls does not see.
    """
    if call.owners is None or _only_reads(endpoint):
        return dict(arguments)
    if endpoint.path.startswith(_ACTING):
        raise _acting()
    if "run" in endpoint.path_parameters:
        with seeing(call):
            return {**arguments, "run": find_run(call.store, arguments["run"]).run_id}
    for path, find in _FINDERS.items():
        if endpoint.path == path or endpoint.path.startswith(f"{path}/"):
            _check_seen(call, find, arguments[path_names(path)[0]], may_be_new=endpoint.name in _MAKERS)
    return dict(arguments)


@contextmanager
def seeing(call: Call) -> Iterator[None]:
    """Have what is read in the block be what who calls may see."""
    with call.store.database.seen_by(call.owners):
        yield


@contextmanager
def owned(endpoint: Endpoint[..., Any], call: Call, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Have a call read and change nothing of somebody else's, also where that becomes theirs while it is prepared.

    What only reads sees what who calls may see. Each transaction of this thread in the block of any other call begins
    with :func:`own_things`.

    Raises
    ------
    NotFound, NotYours
        As :func:`own_things`.
    """
    if call.owners is None:
        yield
    elif _only_reads(endpoint):
        with seeing(call):
            yield
    else:
        with call.store.database.beginning_with(lambda: _check(endpoint, call, arguments)):
            yield


def check_plan(call: Call, plan: Plan) -> None:
    """Refuse a plan that tells of, or changes, what who calls may not see, or acts on what is everybody's.

    Raises
    ------
    NotYours
        A deployment has the name of one of somebody else's; or an automation would change that is no trigger of a
        deployment, or a pool.
    """
    if call.owners is None:
        return
    for step in plan.steps:
        name = step.name if step.kind == "deployment" else step.trigger_of  # of a pool there is none
        if name is not None:
            _check_seen(call, find_deployment, name, may_be_new=True)
        elif step.action != "unchanged":
            raise _acting()


def owner_of_webhook(call: Call, deployment: str | None) -> str | None:
    """Return whose a webhook is that is made: its deployment's owner's; nobody's where who calls sees everything.

    Raises
    ------
    NotYours
        It runs no deployment, and so acts on what is everybody's.
    NotFound
        There is no such deployment for who calls.
    """
    if call.owners is None:
        return None
    if deployment is None:
        raise NotYours(
            "A webhook that emits events acts on what is everybody's: on this server an admin makes it. You may make "
            "one that runs a deployment of yours."
        )
    with seeing(call):
        return find_deployment(call.store, deployment).owner


def _only_reads(endpoint: Endpoint[..., Any]) -> bool:
    return endpoint.method == "GET" or endpoint.name in READERS


def _check(endpoint: Endpoint[..., Any], call: Call, arguments: Mapping[str, Any]) -> None:
    own_things(endpoint, call, arguments)


def _check_seen(call: Call, find: Callable[[RunStore, Any], object], name: object, *, may_be_new: bool) -> None:
    try:
        with seeing(call):
            find(call.store, name)
    except NotFound:
        if not may_be_new:
            raise
        try:
            find(call.store, name)
        except NotFound:
            return
        raise NotYours(
            f"The name {name!r} is taken, by something that is not yours: choose another one. What is another user's "
            "is seen by them, by whom they share with, and by admins."
        ) from None


def _acting() -> NotYours:
    return NotYours("Automations, pools and limits act on what is everybody's: on this server an admin changes them.")
