"""Whose the thing is that a call changes: runs and deployments have owners; what acts on those of all is for admins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.errors import NotFound, NotYours
from orchestra_nb.operations.dead_letter_decisions import show_dead_letter
from orchestra_nb.operations.deployments import find_deployment
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.operations.deployment_plan import Plan
    from orchestra_nb.rest.endpoint import Call, Endpoint

#: What acts on any run and deployment: who may change one of these could change all of those by it.
_ACTING: Final = ("/automations", "/webhooks", "/receipts", "/pools", "/limits")
#: What others send, and where to: to be seen by admins alone.
_UNSEEN: Final = ("/webhooks", "/receipts")
#: Changes nothing.
_DRY_RUN: Final = "dry_run_automation"
_OF_DEPLOYMENTS: Final = "/deployments/{name}"


def check_owner(endpoint: Endpoint[..., Any], call: Call, arguments: Mapping[str, Any]) -> None:
    """Refuse to change what is somebody else's, and to see webhooks, where the rules of the server say so.

    Raises
    ------
    NotYours
        It belongs to another user, who has not shared it.
    """
    if call.may_change is None or (endpoint.method == "GET" and not endpoint.path.startswith(_UNSEEN)):
        return
    if endpoint.path.startswith(_ACTING):
        if endpoint.name != _DRY_RUN:
            _check_acting(call.may_change)
        return
    try:
        what, owner = _owner_of(endpoint, call, arguments)
    except NotFound:  # the call says so itself, or makes it
        return
    if what:
        _check(call.may_change, what, owner)


@contextmanager
def owned(endpoint: Endpoint[..., Any], call: Call, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Have a call change nothing of somebody else's, also where that has become theirs while the call was prepared.

    Each transaction of this thread in the block begins with :func:`check_owner`.

    Raises
    ------
    NotYours
        As :func:`check_owner`.
    """
    if endpoint.method == "GET" or call.may_change is None:
        yield
        return
    with call.store.database.beginning_with(lambda: check_owner(endpoint, call, arguments)):
        yield


def check_plan(call: Call, plan: Plan) -> None:
    """Refuse a plan that changes what is somebody else's, before anything of it is done.

    Raises
    ------
    NotYours
        A deployment that would change, or be deleted, belongs to another user, who has not shared it; or an automation
        would that is no trigger of a deployment, or a pool.
    """
    if call.may_change is None:
        return
    for step in plan.steps:
        if step.action == "unchanged":
            continue
        name = step.name if step.kind == "deployment" else step.trigger_of  # of a pool there is none
        if name is None:
            _check_acting(call.may_change)
            continue
        try:
            what, owner = _owner_of_deployment(call, name)
        except NotFound:  # the plan makes it
            continue
        _check(call.may_change, what, owner)


def _check_acting(may_change: Callable[[str | None], bool]) -> None:
    if not may_change(None):
        raise NotYours(
            "Automations, webhooks, pools and limits act on what is everybody's: on this server an admin changes them, "
            "and sees webhooks."
        )


def _check(may_change: Callable[[str | None], bool], what: str, owner: str | None) -> None:
    if may_change(owner):
        return
    if owner is None:
        raise NotYours(f"{what} belongs to nobody: only an admin may change it.")
    raise NotYours(
        f"{what} belongs to {owner!r}: you may see it, and not change it. An admin can have them share what is theirs: "
        "OrchestraExtension.sharing."
    )


def _owner_of(endpoint: Endpoint[..., Any], call: Call, arguments: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what a call changes, in words, and whose it is; no words for what is nobody's own."""
    if "run" in endpoint.path_parameters:
        run = find_run(call.store, arguments["run"])
        return f"The run {run.name}", run.owner
    if "letter" in endpoint.path_parameters:
        run_id = show_dead_letter(call.store, arguments["letter"]).run_id
        return "The run of this dead letter", find_run(call.store, run_id).owner
    if endpoint.path == _OF_DEPLOYMENTS or endpoint.path.startswith(f"{_OF_DEPLOYMENTS}/"):
        return _owner_of_deployment(call, arguments["name"])
    return "", None


def _owner_of_deployment(call: Call, name: str) -> tuple[str, str | None]:
    deployment = find_deployment(call.store, name)
    return f"The deployment {deployment.name}", deployment.owner
