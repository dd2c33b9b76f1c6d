"""Parameters that automations and webhooks give to the deployments they run, looked at before anything happens.

What is wrong whatever comes is refused. What hangs on templates is only warned of: a later version may take it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.errors import CodeNotFound, DeploymentNotFound, InvalidInput, InvalidParameters, OrchestraError
from orchestra_nb.model.automations import Automation, RunDeployment
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.webhooks import Webhook
from orchestra_nb.operations.flow_deployment import check_flow
from orchestra_nb.operations.notebook_deployment import check_notebook, check_parameter_names
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.operations.deployment_preparation import PreparedDeployment
    from orchestra_nb.store.run_store import RunStore


def foresee_automation(
    store: RunStore,
    automation: Automation,
    settings: Settings,
    findings: Findings,
    located: Callable[[str, OrchestraError], OrchestraError],
    coming: Mapping[str, PreparedDeployment] = {},
) -> list[str]:
    """Return in words which parameters with templates the deployments do not take that an automation runs.

    Parameters
    ----------
    findings
        Where goes what is wrong whatever comes, with its place.
    located
        Gives an error the place of a field: of ``"do[0].parameters"``.
    coming
        Deployments that will be so.
    """
    warnings = []
    for number, action in enumerate(automation.actions):
        if not isinstance(action, RunDeployment) or not action.parameters or "{" in action.deployment:
            continue
        deployed = _deployed(store, action.deployment, coming)
        if deployed is None:
            continue
        try:
            warning = _foresee(*deployed, action.parameters, settings)
        except InvalidInput as error:
            refusal = type(error)(f"{_about(action.deployment)}: {error}")
            findings.errors.append(located(f"do[{number}].parameters", refusal))
            continue
        if warning:
            warnings.append(f"{_about(action.deployment)}: {warning}")
    return warnings


def foresee_webhook(store: RunStore, webhook: Webhook, settings: Settings) -> list[str]:
    """Return in words which parameters with templates the deployment does not take that a webhook runs.

    Raises
    ------
    InvalidInput
        One without a template does not fit.
    """
    deployed = None if webhook.deployment is None else _deployed(store, webhook.deployment, {})
    if deployed is None or webhook.deployment is None or not webhook.parameters:
        return []
    try:
        warning = _foresee(*deployed, webhook.parameters, settings)
    except InvalidInput as error:
        message = f"{_about(webhook.deployment)}: {error} (A template gives text; {{{{ 5 }}}} gives the number 5.)"
        raise type(error)(message) from None
    return [f"{_about(webhook.deployment)}: {warning}"] if warning else []


def _about(deployment: str) -> str:
    return f"parameters of {deployment}"


def _deployed(
    store: RunStore, name: str, coming: Mapping[str, PreparedDeployment]
) -> tuple[DeploymentSpec, str | None] | None:
    """Return what a deployment says or will say, with its notebook; None where there is none."""
    from orchestra_nb.operations.deployments import deployment_store, find_deployment

    if (prepared := coming.get(name)) is not None:
        return prepared.spec, prepared.notebook
    try:
        found = find_deployment(store, name)
    except DeploymentNotFound:
        return None
    version = deployment_store(store).version(found.name, found.version)
    return version.spec, version.notebook


def _foresee(spec: DeploymentSpec, notebook: str | None, given: Mapping[str, object], settings: Settings) -> str:
    """Return what is wrong with parameters that have templates; empty for nothing.

    Raises
    ------
    InvalidInput
        Another parameter does not fit.
    """
    templated = [name for name, value in given.items() if _has_template(value)]
    fixed = {name: value for name, value in given.items() if name not in templated}
    if not isinstance(spec.target, NotebookTarget):
        try:
            return check_flow(spec.target, [fixed], is_whole=False, templated=templated).warning
        except CodeNotFound as error:
            return f"they cannot be checked here. {error}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notebook.ipynb"
        path.write_text(notebook or "", encoding="utf-8", errors="surrogatepass")
        check_notebook(spec.target, str(path), [fixed], settings, cluster=spec.cluster, is_whole=False)
        try:
            check_parameter_names(str(path), templated)
        except InvalidParameters as error:
            return str(error)
    return ""


def _has_template(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(_has_template, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_template, value))
