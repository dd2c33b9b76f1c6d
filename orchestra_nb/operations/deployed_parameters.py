"""The parameters of a deployment: what its notebook declares, with the deployment's own values as defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.notebooks import document
from orchestra_nb.notebooks.parameter_schemas import parameters_schema
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.operations.notebook_parameters import NotebookParameters, parameters_of

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def deployed_parameters(store: RunStore, name: str) -> NotebookParameters:
    """Return the parameters of a deployment; nothing of it runs.

    Those of a notebook are read from the version of it that was deployed, and the deployment's own values are the
    defaults. What a flow takes is known to its code alone: any name may be given then.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    """
    deployment = find_deployment(store, name)
    spec = deployment.spec
    if not isinstance(spec.target, NotebookTarget):
        return NotebookParameters(
            path="",
            language="python",
            is_declared=False,
            parameters=(),
            problem=f"What the flow {spec.flow_name} takes is not known before it runs; any name may be given.",
            schema=parameters_schema((), spec.flow_name, is_complete=False),
        )
    text = deployment_store(store).version(spec.name, deployment.version).notebook or ""
    notebook = document.read_notebook(text.encode(errors="surrogatepass"))
    own = {name: from_stored(value) for name, value in spec.parameters.items()}
    return parameters_of(notebook, Path(spec.target.path), own)
