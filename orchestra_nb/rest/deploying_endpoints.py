"""Deploying: what a deployment is to say, checked as ``orchestra deploy`` does, and shown or stored."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput
from orchestra_nb.operations.automation_reader import TriggerForm
from orchestra_nb.operations.deployment_files import DeploymentFields, FileSchedule
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_plan import Plan, apply_plan, plan_deployment, plan_sent_file
from orchestra_nb.operations.deployments import check_seen, deployment_store
from orchestra_nb.rest.endpoint import Area, Call
from orchestra_nb.rest.ownership import check_plan, seeing

area = Area("deployments")

_TEXTS: Final = "Further parameters as text, as on a command line: the declaration of each says what it means."


class DeploymentBody(DeploymentFields, frozen=True, kw_only=True):
    """A deployment as files say it, but that its notebook may be sent: a notebook, or a flow."""

    name: Annotated[str | None, Meta(description="Where it is said, that of the path.")] = None
    notebook: Annotated[
        dict[str, Any] | str | None,
        Meta(description="The notebook's document, or the path of one that the server can read."),
    ] = None
    notebook_path: Annotated[
        str | None,
        Meta(
            description="Where a document that is sent stands: its runs are named by it and work in its folder. "
            "Default: NAME.ipynb in the folder of the server."
        ),
    ] = None
    parameter_texts: Annotated[dict[str, str], Meta(description=_TEXTS)] = msgspec.field(default_factory=dict)
    schedules: tuple[FileSchedule, ...] = ()
    triggers: Annotated[list[TriggerForm] | None, Meta(description="Null: those that it has stay.")] = None


class PlanQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it is done."""

    plan: Annotated[bool, Meta(description="Only tell what would change.")] = False


class DeployQuery(PlanQuery, frozen=True, kw_only=True):
    """Whether it is done, and over which version."""

    version: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description="Only where the deployment has this version still, 0 for none; else the answer is 409."),
    ] = None


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a deployment, or of an automation that is one of its triggers."""

    kind: Literal["deployment", "automation", "pool"]
    name: str
    action: Literal["create", "change", "unchanged", "delete"]
    changes: tuple[FieldChange, ...]
    warnings: tuple[str, ...]
    words: str


class SentFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of deployments, pools and automations, as `orchestra apply` takes it."""

    file: Annotated[str, Meta(description="What it is called in messages.")] = "orchestra.yaml"
    text: Annotated[str, Meta(description="What stands in it: YAML.")]
    notebooks: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="The documents of notebooks, by their paths as the file has them."),
    ] = {}
    prune: Annotated[bool, Meta(description="Delete what is not in it.")] = False


class FileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a file changed, or would change."""

    is_applied: bool
    steps: tuple[PlannedStep, ...]


class DeployAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was deployed, or would be; the version is the present one, null where there is none."""

    name: str
    version: int | None
    is_applied: bool
    steps: tuple[PlannedStep, ...]


@area.put("/deployments/{name}", is_one_transaction=False)
def deploy(call: Call, name: str, query: DeployQuery, body: DeploymentBody) -> DeployAnswer:
    """Make a deployment, or a new version of one; nothing where it says the same already.

    What it says is said as a whole: what is left out is gone, but for `paused` and `triggers`. Relative paths are those
    from the folder of the server.
    """
    check_seen(call.store, name, query.version)
    with seeing(call):
        plan = plan_deployment(
            call.store, name, _form(name, body), call.settings, call.now, _document(body), body.parameter_texts
        )
    if not query.plan:
        apply_plan(call.store, plan, actor=call.actor, now=call.now, version=query.version)
    return _answer(call, name, plan, is_applied=not query.plan)


@area.post("/files", keeps_answer=False, is_one_transaction=False)
def apply_file(call: Call, query: PlanQuery, body: SentFile) -> FileAnswer:
    """Make pools, deployments and automations as a file says; all of it is checked first.

    Notebooks that are not sent, and flows, are those that the server can read. Relative paths are those from the folder
    of the server.
    """
    notebooks = {path: json.dumps(document) for path, document in body.notebooks.items()}
    with seeing(call):
        plan = plan_sent_file(call.store, body.file, body.text, notebooks, call.settings, call.now, prune=body.prune)
    check_plan(call, plan)
    if not query.plan:
        with call.store.database.together():
            check_plan(call, plan)
            apply_plan(call.store, plan, actor=call.actor, now=call.now)
    return FileAnswer(is_applied=not query.plan, steps=_steps_of(plan))


def _form(name: str, body: DeploymentBody) -> dict[str, Any]:
    if body.name not in (None, name):
        raise InvalidInput(f"The deployment of this path is {name!r}, and the body names {body.name!r}.")
    form: dict[str, Any] = msgspec.to_builtins(body)
    del form["name"], form["notebook_path"], form["parameter_texts"]
    if isinstance(body.notebook, dict):
        form["notebook"] = f"{name}.ipynb" if body.notebook_path is None else body.notebook_path
        if not form["notebook"].endswith(".ipynb"):
            raise InvalidInput(f"notebook_path: {body.notebook_path!r} is no path of a notebook: it ends in .ipynb.")
    elif body.notebook_path is not None:
        raise InvalidInput("notebook_path says where a notebook stands whose document is sent, and none is.")
    return form


def _document(body: DeploymentBody) -> str | None:
    return json.dumps(body.notebook) if isinstance(body.notebook, dict) else None


def _answer(call: Call, name: str, plan: Plan, *, is_applied: bool) -> DeployAnswer:
    present = deployment_store(call.store).find(name)
    return DeployAnswer(
        name=name,
        version=None if present is None else present.version,
        is_applied=is_applied,
        steps=_steps_of(plan),
    )


def _steps_of(plan: Plan) -> tuple[PlannedStep, ...]:
    return tuple(
        PlannedStep(
            kind=step.kind,
            name=step.name,
            action=step.action,
            changes=step.changes,
            warnings=step.warnings,
            words=step.words,
        )
        for step in plan.steps
    )
