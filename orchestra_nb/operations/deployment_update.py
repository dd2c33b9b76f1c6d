"""A deployment that takes what it deploys anew, and keeps all else that it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.operations.deployment_files import request_of
from orchestra_nb.operations.deployments import Deployed, deploy, find_deployment
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def update_deployment(
    store: RunStore,
    name: str,
    settings: Settings,
    *,
    actor: str,
    now: datetime,
    parameters: Mapping[str, object] | None = None,
    parameter_texts: Mapping[str, str] | None = None,
    note: str = "",
) -> Deployed:
    """Deploy the notebook of a deployment as it is now, or check its flow, with all else as it was.

    Parameters
    ----------
    parameters, parameter_texts
        In place of those of the same name, as in
        :class:`~orchestra_nb.operations.deployment_request.DeploymentRequest`.
    note
        Why this version is made.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    InvalidInput, NotFound
        As :func:`~orchestra_nb.operations.deployments.deploy`; nothing is stored then.
    Conflict
        Somebody else has changed it meanwhile; nothing is stored then.
    """
    present = find_deployment(store, name)
    request = request_of(present)
    texts = dict(parameter_texts or {})
    kept = {name: value for name, value in request.parameters.items() if name not in texts}
    request = msgspec.structs.replace(
        request, parameters={**kept, **(parameters or {})}, parameter_texts=texts, note=note
    )
    return deploy(store, request, settings, actor=actor, now=now, version=present.version)
