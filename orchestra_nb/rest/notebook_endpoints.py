"""Notebooks in the server's root folder: what parameters they take, and runs of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from orchestra_nb.engine.clusters import parse_cluster
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.jsonable import to_stored
from orchestra_nb.operations import notebook_plan
from orchestra_nb.operations.cluster_views import is_known_address
from orchestra_nb.operations.detached_run import start_detached
from orchestra_nb.operations.notebook_parameters import notebook_parameters
from orchestra_nb.operations.notebook_plan import NotebookPlan
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_notebook import new_run_id
from orchestra_nb.operations.run_views import RunSummary, run_summary
from orchestra_nb.rest.endpoint import Area, Call, Role

area = Area("notebooks")

NotebookPath = Annotated[str, Meta(description="Relative to the server's root folder: `reports/sales.ipynb`.")]
Seconds = Annotated[float, Meta(gt=0)]


class NotebookQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which notebook."""

    path: NotebookPath


class ParameterView(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter; ``default`` is left out where only running the notebook tells it, and of a secret."""

    name: str
    type: str
    annotated: bool
    required: bool
    secret: bool
    default_source: str
    help: str
    default: Any | UnsetType = UNSET


class ParametersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a notebook declares, as `orchestra params --json` prints it: `schema` is a JSON Schema of the values."""

    path: Annotated[str, Meta(description="Of the file, as runs of it name their notebook.")]
    language: str
    declared: Annotated[bool, Meta(description="Whether it has a cell with the tag `parameters`.")]
    problem: Annotated[str, Meta(description="Why that cell cannot be read; else empty.")]
    parameters: tuple[ParameterView, ...]
    schema: dict[str, Any]


_Parameters = Annotated[dict[str, Any], Meta(description='By name; `{"$secret": NAME}` stands for a stored secret.')]
_Texts = Annotated[
    dict[str, str],
    Meta(description="Further ones as text, as on a command line: the declaration of each says what it means."),
]
_Kernel = Annotated[str | None, Meta(description="Null for the one that the notebook names.")]


class NotebookRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of a notebook, with the options of `orchestra run`."""

    path: NotebookPath
    parameters: _Parameters = {}
    texts: _Texts = {}
    cache: Annotated[bool, Meta(description="Replay cells whose code and inputs are as in an earlier run.")] = False
    refresh: Annotated[bool, Meta(description="Run all cells, and keep what they give for the next run.")] = False
    parallel: Annotated[bool, Meta(description="Run cells ahead of their turn on the cluster, where that pays.")] = (
        False
    )
    cluster: Annotated[
        str | None,
        Meta(
            description="Where task cells run; null for that of the settings. A class, which is code that runs as the "
            "server does, needs the role *author*, and so does an address that no setting, profile or pool names."
        ),
    ] = None
    kernel: _Kernel = None
    timeout_seconds: Annotated[Seconds | None, Meta(description="After so long the run is TIMED_OUT.")] = None
    cell_timeout_seconds: Annotated[Seconds | None, Meta(description="After so long a cell has failed.")] = None


class PlannedRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of a notebook that is only foreseen, with the options of `orchestra plan`."""

    path: NotebookPath
    parameters: _Parameters = {}
    texts: _Texts = {}
    refresh: Annotated[bool, Meta(description="As if all cells ran, whatever was kept.")] = False
    kernel: _Kernel = None


@area.get("/notebooks/parameters")
def show_parameters(call: Call, query: NotebookQuery) -> ParametersAnswer:
    """Show the parameters that a notebook declares, with a JSON Schema; nothing of it runs."""
    return msgspec.convert(notebook_parameters(call.notebook_at(query.path)).as_document(), ParametersAnswer)


@area.post("/notebooks/runs", Role.RUNNER, status=202, keeps_answer=False, is_one_transaction=False)
def run_notebook(call: Call, body: NotebookRun) -> RunSummary:
    """Run a notebook from top to bottom, as `orchestra run --no-wait` does, in a process of its own.

    The file is run as it is saved, in its folder; the executed notebook goes beside it, under the run's own name. The
    run goes on when the server ends. Values that do not fit are named in `errors`, each with a pointer such as
    `#/parameters/share`; nothing runs then.
    """
    if body.cluster is not None and call.role.rank < Role.AUTHOR.rank:
        _check_cluster(call, body.cluster)
    request = NotebookRequest(
        path=str(call.notebook_at(body.path)),
        run_id=new_run_id(),
        parameters=body.parameters,
        parameter_texts=body.texts,
        cluster=body.cluster,
        kernel_name=body.kernel,
        is_cached=body.cache or body.refresh,
        is_refreshed=body.refresh,
        is_parallel=body.parallel,
        timeout_seconds=body.timeout_seconds,
        cell_timeout_seconds=body.cell_timeout_seconds,
        owner=call.user,
    )
    run = start_detached(request).run
    parameters = {name: to_stored(value) for name, value in run.parameters.items()}
    return run_summary(msgspec.structs.replace(run, parameters=parameters), {})


@area.post("/notebooks/plan", Role.RUNNER, keeps_answer=False, is_one_transaction=False)
def plan_notebook(call: Call, body: PlannedRun) -> NotebookPlan:
    """Tell which cells of a notebook a run with `cache` would run here, and why; nothing is run."""
    request = NotebookRequest(
        path=str(call.notebook_at(body.path)),
        run_id=new_run_id(),
        parameters=body.parameters,
        parameter_texts=body.texts,
        kernel_name=body.kernel,
        is_cached=True,
    )
    return notebook_plan.plan_notebook(call.store, request, call.settings, call.now, is_refreshed=body.refresh)


def _check_cluster(call: Call, cluster: str) -> None:
    """See that no cluster is named that only authors may bring.

    A class is code of any module that would run in the server's account, and the notebook goes with its parameters and
    secrets to whatever listens at an address.
    """
    role, spec = call.role, parse_cluster(cluster)
    if spec.kind == "address" and not is_known_address(call.store, call.settings, spec.target):
        raise InvalidInput(
            f"cluster: {spec.target} is no cluster of this server: neither its settings nor a profile nor a pool names "
            f"it. To name any other one needs the role {Role.AUTHOR}, and you have the role {role}. `GET …/clusters` "
            "lists those of this server.",
            at={"/cluster": f"No cluster of this server. Any other one needs the role {Role.AUTHOR}."},
        )
    if spec.kind == "class":
        raise InvalidInput(
            f"cluster: a class is code that runs as the server does. This needs the role {Role.AUTHOR}, and you "
            f"have the role {role}. Leave it out and have an author deploy the notebook with this cluster, or have "
            "it set for all: OrchestraExtension.cluster.",
            at={"/cluster": f"A class needs the role {Role.AUTHOR}: leave it out, or have an author deploy it."},
        )
